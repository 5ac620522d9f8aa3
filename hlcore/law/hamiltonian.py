"""The robust Hamiltonian H' = φL + z·f^h as two maps that can be pulled back: the flow f^h and the reading L(f^y).

Autograd or closed form is how the maps are made; whoever uses them does not ask.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import MISTAKES, HLError, bad, explain, first_line
from .arrays import SMALL, Arrays, plus, tensor
from .closed_form import ClosedForm, Guard, same_kind
from .differentiate import differentiate
from .inventory import Inventory
from .loss import CheckedLoss, Loss
from .network import Known, Network, State
from .point import Tensors

Slopes: TypeAlias = Sequence[Any]  # a derivative by θ, in the order of its names; None where nothing depends on it
Pulled: TypeAlias = tuple[Arrays, Slopes]  # derivatives by h and by θ
log = logging.getLogger("hlcore")


class Reading(NamedTuple):
    """y = f^y(u,h,θ) and L(y, ŷ) at one state, a tensor with its graph or a number; pull(φ) = φ ∂L/∂(h, θ)."""

    y: Any
    loss: Any
    pull: Callable[[Any], Pulled]


class Flow:
    """v = f^h(u,h,θ) at one state, pulled back along a costate z of h; `read` is f^y, at any state."""

    h: Arrays  # with the components of which only v told the shape
    v: Arrays
    theta: Sequence[Tensor]

    def to_state(self, z: Arrays | None) -> Arrays:
        """(∂f^h/∂h)ᵀz; z = None counts as zero."""
        raise NotImplementedError

    def to_weights(self, z: Arrays | None) -> Slopes:
        """(∂f^h/∂θ)ᵀz."""
        raise NotImplementedError

    def pull(self, z: Arrays | None) -> Pulled:
        """Both."""
        raise NotImplementedError

    def read(self, h: Arrays, target: Any) -> Reading:
        """y and L at state h, which may be this flow's own."""
        raise NotImplementedError

    def jacobian(self) -> tuple[Tensor, Tensor]:
        """(∂f^h/∂h, ∂f^h/∂θ), a row per entry of f^h, a column per entry of h and of θ, all components flat."""
        by_h, by_theta = [], []
        for name, x in self.v.items():
            for i in range(math.prod(x.shape)):
                z = {n: torch.zeros(v.shape, dtype=tensor(v).dtype) for n, v in self.v.items()}
                z[name].view(-1)[i] = 1
                dh, dtheta = self.pull(self.as_given(z))
                by_h.append(flat([tensor(d) for d in dh.values()], [tensor(v) for v in self.v.values()]))
                by_theta.append(flat(dtheta, self.theta))
        return torch.stack(by_h), torch.stack(by_theta)

    def as_given(self, z: Tensors | None) -> Arrays | None:
        """A costate in the arrays of this flow."""
        return z

    def derivative(self, at: Reading, phi: Any, z: Arrays | None) -> Pulled:
        """∂H'/∂(h, θ) of H' = φL + z·f^h, L being read at this flow's own state."""
        (dh, dtheta), (further, more) = self.pull(z), at.pull(phi)
        return added(dh, further), added_slopes(dtheta, more)


def added(one: Arrays, other: Arrays) -> Arrays:
    """The sum of two derivatives by h; None counts as zero."""
    return {name: plus(x, other[name]) for name, x in one.items()}


def added_slopes(one: Slopes, other: Slopes) -> Slopes:
    """The sum of two derivatives by θ; None counts as zero."""
    return [b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True)]


class Hamiltonian:
    """H'(h, z, θ; u, ŷ) = φ L(f^y(u,h,θ^y), ŷ) + z·f^h(u,h,θ^h)  (P, eq. 8) for one network and loss.

    Input is checked once, here; whatever a network or loss raises comes out as an HLError that says where.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        self.inventory = Inventory(network)
        self.network, self.loss = network, CheckedLoss(loss)
        self.names, self.theta = self.inventory.names, self.inventory.theta
        self.nothing: Slopes = [None] * len(self.theta)
        self._factor: tuple[Any, Tensor] = (None, torch.empty(0))
        self._closed = _Closed.found(self)

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence."""
        state: Any = self.network.initial_state(batch_size)
        if not isinstance(state, dict) or any(not (x is None or isinstance(x, Tensor)) for x in state.values()):
            got = {k: type(x).__name__ for k, x in state.items()} if isinstance(state, dict) else type(state).__name__
            raise bad(f"initial_state of {type(self.network).__name__}", got, "{name: tensor or None}")
        return state

    def flow(self, u: Any, h: State, tau: float) -> Flow:
        """f^h at h."""
        if self._closed is not None:
            if self._closed.guard.intact():
                found = self._closed.flow(u, h, tau)
                if found is not None:
                    return found
            else:
                self._closed = None
                _tell(self.network, "it was hooked or replaced after the Learner was built")
        return _AutogradFlow(self, u, h, tau)

    def read(self, u: Any, h: Tensors, target: Any) -> Reading:
        """f^y and L at h, whose tensors are leaves or constants."""
        y = self.output(u, h)
        L = self.loss(y, target)

        def pull(phi: Any) -> Pulled:
            if L is None or not L.requires_grad:
                return dict.fromkeys(h), self.nothing
            d = derivative([L], [self.factor(L, phi)], [*h.values(), *self.theta])
            return dict(zip(h, d, strict=False)), d[len(h) :]

        return Reading(y, 0.0 if L is None else L, pull)

    def factor(self, L: Tensor, phi: Any) -> Tensor:
        """φ as a tensor beside L, made once as long as it stays the same."""
        last, made = self._factor
        if isinstance(phi, Tensor) or last != phi or made.dtype != L.dtype or made.device != L.device:
            made = torch.full_like(L, phi, requires_grad=False)
            self._factor = (None if isinstance(phi, Tensor) else phi), made
        return made

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = f^h(u,h,θ^h) (E*1), with the names and shapes of h."""
        try:
            v = self.network.velocity(u, h, tau)
        except MISTAKES as error:
            explain("velocity (f^h)", self.network, u, error)
        of = f"of {type(self.network).__name__}"
        if v.keys() != h.keys() if isinstance(v, dict) else True:
            names = sorted(v) if isinstance(v, dict) else type(v).__name__
            raise bad(f"velocity {of}", names, f"a dict with the state's names {sorted(h)}")
        for name, x in h.items():
            if not isinstance(v[name], Tensor):
                raise bad(f"velocity[{name!r}]", type(v[name]).__name__, "a tensor")
            if x is not None and v[name].shape != x.shape:
                raise bad(
                    f"velocity[{name!r}] {of}", f"shape {tuple(v[name].shape)}",
                    f"the state's shape {tuple(x.shape)}", "start a sequence before the batch size changes",
                )  # fmt: skip
            if x is not None and not x.is_floating_point():
                raise bad(f"initial_state[{name!r}]", str(x.dtype), "a tensor of floats")
        return v

    def output(self, u: Any, h: Known) -> Tensor:
        """y = f^y(u,h,θ^y)."""
        try:
            y = self.network.output(u, h)
        except MISTAKES as error:
            explain("output (f^y)", self.network, u, error)
        if not isinstance(y, Tensor):
            raise bad(f"output of {type(self.network).__name__}", type(y).__name__, "a tensor")
        return y


def flat(parts: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """One vector of them all, zeros for None."""
    return torch.cat([(x.new_zeros(x.numel()) if g is None else g.flatten()) for g, x in zip(parts, like, strict=True)])


def derivative(terms: Sequence[Tensor], factors: Sequence[Tensor], wrt: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """∂(Σ factor·term)/∂x for each x in wrt; the graph stays."""
    try:
        return differentiate(terms, factors, wrt, keep=True)
    except RuntimeError as error:
        raise HLError(
            f"derivative of H': got {first_line(error)}; expected a network and a loss that torch can "
            "differentiate; build a new Learner after parameters were frozen or moved."
        ) from error


class _AutogradFlow(Flow):
    """The maps by autograd. No gradient flows through time: h is a leaf."""

    def __init__(self, law: Hamiltonian, u: Any, h: State, tau: float) -> None:
        self._law, self._u, self.theta = law, u, law.theta
        leaves: State = {name: None if x is None else x.detach().requires_grad_() for name, x in h.items()}
        self._live = v = law.velocity(u, leaves, tau)
        self.v = {name: x.detach() for name, x in v.items()}
        self._leaves = {n: torch.zeros_like(self.v[n]).requires_grad_() if x is None else x for n, x in leaves.items()}
        self.h = {name: x.detach() for name, x in self._leaves.items()}

    def to_state(self, z: Arrays | None) -> Arrays:
        return dict(zip(self.h, self._along(z, list(self._leaves.values())), strict=True))

    def to_weights(self, z: Arrays | None) -> Slopes:
        return self._along(z, self._law.theta)

    def pull(self, z: Arrays | None) -> Pulled:
        d, n = self._along(z, [*self._leaves.values(), *self._law.theta]), len(self.h)
        return dict(zip(self.h, d, strict=False)), d[n:]

    def derivative(self, at: Reading, phi: Any, z: Arrays | None) -> Pulled:
        """In one call of the engine."""
        L = at.loss
        if z is None or not (isinstance(L, Tensor) and L.requires_grad):
            return super().derivative(at, phi, z)
        there = [name for name, x in self._live.items() if x.requires_grad]
        terms, factors = [L, *(self._live[name] for name in there)], [self._law.factor(L, phi), *(z[n] for n in there)]
        d, n = derivative(terms, factors, [*self._leaves.values(), *self.theta]), len(self.h)
        return dict(zip(self.h, d, strict=False)), d[n:]

    def read(self, h: Arrays, target: Any) -> Reading:
        at = self._leaves if h is self.h else {name: x.detach().requires_grad_() for name, x in h.items()}
        return self._law.read(self._u, at, target)

    def jacobian(self) -> tuple[Tensor, Tensor]:
        """All rows in one batched call where the derivatives have a batched form."""
        rows = torch.cat([x.flatten() for x in self._live.values()])
        like = [*self._leaves.values(), *self.theta]
        if not rows.requires_grad:
            found = rows.new_zeros(len(rows), sum(x.numel() for x in like))
        else:
            eye = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
            try:
                d = torch.autograd.grad(rows, like, eye, retain_graph=True, allow_unused=True, is_grads_batched=True)
                parts = [x.new_zeros(len(rows), x.numel()) if g is None else g.reshape(len(rows), -1)
                         for g, x in zip(d, like, strict=True)]  # fmt: skip
                found = torch.cat(parts, 1)
            except RuntimeError:  # a derivative without a batched form: row by row
                found = torch.stack([flat(derivative([rows], [e], like), like) for e in eye])
        units = sum(x.numel() for x in self.h.values())
        return found[:, :units], found[:, units:]

    def _along(self, z: Arrays | None, wrt: Sequence[Tensor]) -> Slopes:
        there = [] if z is None else [name for name, x in self._live.items() if x.requires_grad]
        if z is None or not there or not wrt:
            return [None] * len(wrt)
        return derivative([self._live[name] for name in there], [z[name] for name in there], wrt)


class _Closed:
    """The closed form of a network whose parts are all untouched, and its weights as arrays."""

    def __init__(self, law: Hamiltonian, form: ClosedForm) -> None:
        self.law, self.form, self.guard = law, form, Guard(law.network.modules())
        self.slope = law.loss.slope()
        place = {id(p): i for i, p in enumerate(law.theta)}
        weights = [*form.state_weights, *form.output_weights]
        self.cut = len(form.state_weights)
        self.to_state_weights = [place.get(id(p), -1) for p in form.state_weights]  # -1: frozen
        self.to_output_weights = [place.get(id(p), -1) for p in form.output_weights]
        self.dtype = weights[0].dtype if weights else torch.get_default_dtype()
        self._weights = weights
        self._seen: list[tuple[Tensor, int]] = []
        self._light: list[Any] | None = None  # numpy's; None: some weight is large, or on a GPU
        self._heavy: list[Tensor] = []

    @classmethod
    def found(cls, law: Hamiltonian) -> _Closed | None:
        """The closed form of a law's network, if it is surely right."""
        form = law.network.closed_form()
        if isinstance(form, ClosedForm) and same_kind([*form.state_weights, *form.output_weights]):
            return cls(law, form)
        if isinstance(form, str) and form:
            _tell(law.network, form)
        return None

    def flow(self, u: Any, h: State, tau: float) -> _ClosedFlow | None:
        """None where the form does not hold: a state of unknown shape or of another dtype, an input of another kind."""
        light = True
        xp: Any
        w: Any
        for x in h.values():
            if x is None or x.dtype is not self.dtype:
                return None
            light = light and x.is_cpu and x.numel() <= SMALL
        for p, address in self._seen:
            if p.data_ptr() != address:
                self._seen = []
                break
        if not self._seen:
            self._read_weights()
        if light and self._light is not None:
            xp, w = np, self._light
            at: Arrays = {k: (x.detach() if x.requires_grad else x).numpy() for k, x in h.items()}  # type: ignore[union-attr]
        else:
            xp, w = torch, self._heavy
            at = {name: x.detach() for name, x in h.items()}  # type: ignore[union-attr]
        try:
            found = self.form.velocity(xp, u, at, w[: self.cut], tau)
        except MISTAKES as error:
            explain(CLOSED, self.law.network, u, error)
        return None if found is None else _ClosedFlow(self, xp, u, at, w[self.cut :], *found)

    def _read_weights(self) -> None:
        self._seen = [(p, p.data_ptr()) for p in self._weights]
        self._heavy = [p.detach() for p in self._weights]
        light = all(p.is_cpu and p.numel() <= SMALL for p in self._weights)
        self._light = [p.numpy() for p in self._heavy] if light else None

    def placed(self, slopes: Sequence[Any], places: Sequence[int]) -> Slopes:
        """Slopes of a form's weights in the order of θ, those of a weight used twice added up."""
        found: list[Any] = [None] * len(self.law.theta)
        for g, i in zip(slopes, places, strict=True):
            if i >= 0:
                found[i] = plus(found[i], tensor(g))
        return found


class _ClosedFlow(Flow):
    """The maps by the network's closed form."""

    def __init__(
        self, closed: _Closed, xp: Any, u: Any, h: Arrays, w: list[Any], v: Arrays, to_state: Any, to_weights: Any
    ) -> None:
        self.h, self.v, self.theta = h, v, closed.law.theta
        self._closed, self._xp, self._u, self._w = closed, xp, u, w
        self._to_state, self._to_weights = to_state, to_weights

    def to_state(self, z: Arrays | None) -> Arrays:
        if z is None:
            return dict.fromkeys(self.h)
        try:
            found = self._to_state(z)
            return {name: found[name] for name in self.h}
        except MISTAKES as error:
            explain(CLOSED, self._closed.law.network, self._u, error)

    def to_weights(self, z: Arrays | None) -> Slopes:
        if z is None:
            return self._closed.law.nothing
        try:
            return self._closed.placed(self._to_weights(z), self._closed.to_state_weights)
        except MISTAKES as error:
            explain(CLOSED, self._closed.law.network, self._u, error)

    def pull(self, z: Arrays | None) -> Pulled:
        return self.to_state(z), self.to_weights(z)

    def read(self, h: Arrays, target: Any) -> Reading:
        try:
            y, back = self._closed.form.output(self._xp, self._u, h, self._w)
        except MISTAKES as error:
            explain(CLOSED, self._closed.law.network, self._u, error)
        found = self._loss(y, target)

        def pull(phi: Any) -> Pulled:
            if found is None:
                return dict.fromkeys(h), self._closed.law.nothing
            try:
                dh, slopes = back(found[1] if phi == 1.0 else phi * found[1])
            except MISTAKES as error:
                explain(CLOSED, self._closed.law.network, self._u, error)
            return dh, self._closed.placed(slopes, self._closed.to_output_weights)

        return Reading(y, 0.0 if found is None else found[0], pull)

    def as_given(self, z: Tensors | None) -> Arrays | None:
        return z if z is None or self._xp is torch else {name: x.numpy() for name, x in z.items()}

    def _loss(self, y: Any, target: Any) -> tuple[Any, Any] | None:
        """(L, ∂L/∂y), by the loss's own slope where it has one and the target is its kind; None without a target."""
        if target is None:
            return None
        slope, loss = self._closed.slope, self._closed.law.loss
        if slope is not None and isinstance(target, Tensor):
            goal = target.numpy() if self._xp is np and target.is_cpu and not target.requires_grad else target
            if type(goal) is type(y) and goal.dtype == y.dtype and (goal.shape == y.shape or loss.own_shapes):
                return slope(self._xp, y, goal)
        output = tensor(y).detach().requires_grad_()
        L = loss(output, target)
        assert L is not None
        (g,) = derivative([L], [torch.ones_like(L)], [output])
        g = torch.zeros_like(output) if g is None else g
        return L.detach(), g.numpy() if self._xp is np else g


CLOSED = "closed_form (f^h and f^y)"
_TOLD: set[str] = set()


def _tell(network: Network, why: str) -> None:
    """Say once that a network takes the slower way, and why."""
    text = f"{type(network).__name__}: derivatives by autograd, not in closed form: {why}"
    if text not in _TOLD:
        _TOLD.add(text)
        log.warning("%s", text)
