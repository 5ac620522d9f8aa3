"""The two maps in closed form: derivatives worked out by hand, taken only while nobody touches what they stand for."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from ..errors import bad
from .arrays import SMALL, Arrays, plus, tensor
from .differentiate import differentiate
from .flow import Flow, Pulled, Reading, Slopes
from .loss import CheckedLoss

Weights: TypeAlias = list[Any]  # arrays, in the order of a form's `weights`
Back: TypeAlias = Callable[[Any], tuple[Any, Weights]]
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL = [
    value for name, value in vars(torch_module).items() if name.startswith("_global_") and name.endswith("_hooks")
]


class ClosedForm(NamedTuple):
    """f^h and f^y with their derivatives. All arrays are of `xp`, numpy or torch; u is the stream's own.

    velocity        (xp, u, h, w, tau) -> (h', to_state, to_weights), or None where it does not hold for this u:
                    to_state(z) = (∂f^h/∂h)ᵀz by the names of h, to_weights(z) = (∂f^h/∂θ)ᵀz in the order of w
    state_weights   the parameters that its w holds
    output          (xp, u, h, w) -> (y, back): back(g) = ((∂f^y/∂h)ᵀg by the names of h, (∂f^y/∂θ)ᵀg in w's order)
    output_weights  the parameters that its w holds
    """

    velocity: Callable[[Any, Any, Arrays, Weights, float], Any]
    state_weights: Sequence[nn.Parameter]
    output: Callable[[Any, Any, Arrays, Weights], tuple[Any, Back]]
    output_weights: Sequence[nn.Parameter]


class Guard:
    """Sees, in about a microsecond a step, whether someone has hooked or replaced what a closed form uses."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        parts = list(modules)
        self._hooks = [*GLOBAL, *(getattr(m, hooks) for m in parts for hooks in HOOKS)]
        self._own = [m.__dict__ for m in parts]
        self._weights = [p for m in parts for p in m._parameters.values() if p is not None]

    def intact(self) -> bool:
        """Nothing was hooked or replaced."""
        if any(self._hooks) or any(p._backward_hooks for p in self._weights):
            return False
        return not any(method in own for own in self._own for method in ("forward", "velocity", "output"))


class Closed:
    """A network's closed form with its weights as arrays; `flow` gives the maps at one state."""

    def __init__(self, form: ClosedForm, network: nn.Module, loss: CheckedLoss, theta: Sequence[Tensor]) -> None:
        self.form, self.loss, self.slope, self.theta = form, loss, loss.slope(), theta
        self.intact = Guard(network.modules()).intact
        place = {id(p): i for i, p in enumerate(theta)}
        self.places = [[place.get(id(p), -1) for p in ps] for ps in (form.state_weights, form.output_weights)]
        self.weights = [*form.state_weights, *form.output_weights]
        self.dtype, self.cut = self.weights[0].dtype, len(form.state_weights)
        self._seen: list[int] = []  # where the weights lay when they were last read

    @staticmethod
    def holds(form: ClosedForm) -> bool:
        """Whether its weights are of one kind, float32 or float64, on one device."""
        kinds = {(p.dtype, p.device) for p in (*form.state_weights, *form.output_weights)}
        return len(kinds) == 1 and next(iter(kinds))[0] in (torch.float32, torch.float64)

    def flow(self, u: Any, h: dict[str, Tensor | None], tau: float) -> Flow | None:
        """None where the form does not hold: a state of unknown shape or another dtype, an input of another kind."""
        light = True
        for x in h.values():
            if x is None or x.dtype is not self.dtype:
                return None
            light = light and x.is_cpu and x.numel() <= SMALL
        where = [p.data_ptr() for p in self.weights]
        if where != self._seen:
            self._seen, self._heavy = where, [p.detach() for p in self.weights]
            self._light = all(p.is_cpu and p.numel() <= SMALL for p in self.weights)
            self._arrays = [p.numpy() for p in self._heavy] if self._light else []
        light = light and self._light
        xp, w = (np, self._arrays) if light else (torch, self._heavy)
        at = {name: x.detach().numpy() if light else x.detach() for name, x in h.items()}  # type: ignore[union-attr]
        return self.with_weights(xp, w, u, at, tau)

    def with_weights(self, xp: Any, w: Weights, u: Any, h: Arrays, tau: Any) -> Flow | None:
        """The maps with `w` in the place of the weights."""
        found = self.form.velocity(xp, u, h, w[: self.cut], tau)
        return None if found is None else _ClosedFlow(self, xp, u, h, w[self.cut :], *found)

    def placed(self, slopes: Sequence[Any], output: bool) -> Slopes:
        """Slopes of the form's weights in the order of θ; a frozen one has none, those of one used twice add up."""
        found: list[Any] = [None] * len(self.theta)
        for g, i in zip(slopes, self.places[output], strict=True):
            if i >= 0:
                found[i] = plus(found[i], tensor(g))
        return found


class _ClosedFlow(Flow):
    def __init__(
        self, closed: Closed, xp: Any, u: Any, h: Arrays, w: Weights, v: Arrays, state: Any, weights: Any
    ) -> None:
        self.h, self.v, self.theta, self._closed = h, v, closed.theta, closed
        self._xp, self._u, self._w, self._state, self._weights = xp, u, w, state, weights

    def to_state(self, z: Arrays | None) -> Arrays:
        found = self._state(z) if z is not None else dict.fromkeys(self.h)
        if found.keys() != self.h.keys():
            raise bad("closed_form: to_state(z)", sorted(found), f"the names of h, {sorted(self.h)}")
        return found

    def to_weights(self, z: Arrays | None) -> Slopes:
        return [None] * len(self.theta) if z is None else self._closed.placed(self._weights(z), False)

    def read(self, h: Arrays, target: Any) -> Reading:
        y, back = self._closed.form.output(self._xp, self._u, h, self._w)
        if target is None:
            return Reading(y, 0.0, lambda phi: (dict.fromkeys(h), [None] * len(self.theta)))
        loss, slope = self._loss(y, target)

        def pull(phi: Any) -> Pulled:
            dh, slopes = back(slope if isinstance(phi, float) and phi == 1.0 else phi * slope)
            return dh, self._closed.placed(slopes, True)

        return Reading(y, loss, pull)

    def as_given(self, z: dict[str, Tensor] | None) -> Arrays | None:
        return z if z is None or self._xp is torch else {name: x.numpy() for name, x in z.items()}

    def _loss(self, y: Any, target: Any) -> tuple[Any, Any]:
        """(L, ∂L/∂y), by the loss's own slope where it has one and the target is its kind."""
        slope, loss = self._closed.slope, self._closed.loss
        if slope is not None and isinstance(target, Tensor):
            goal = target.numpy() if self._xp is np and target.is_cpu and not target.requires_grad else target
            if type(goal) is type(y) and goal.dtype == y.dtype and (goal.shape == y.shape or loss.own_shapes):
                return slope(self._xp, y, goal)
        output = tensor(y).detach().requires_grad_()
        L = loss(output, target)
        assert L is not None
        (g,) = differentiate((L,), (torch.ones_like(L),), (output,), keep=False)
        g = torch.zeros_like(output) if g is None else g
        return L.detach(), g.numpy() if self._xp is np else g
