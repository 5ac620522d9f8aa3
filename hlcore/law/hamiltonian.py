"""The robust Hamiltonian H' = φL + z·f^h of one network and loss: input checked, maps made by autograd or closed form.

How the maps are made is decided here, and nobody who uses them asks.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MISTAKES, HLError, bad, explain, first_line
from .arrays import Arrays, arrays
from .closed_form import Closed, ClosedForm
from .differentiate import differentiate, transforming
from .flow import Flow, Pulled, Reading, Slopes, flat
from .loss import CheckedLoss, DeclaredLoss, Loss
from .network import Known, Network, State, require_network
from .point import Tensors
from .sample import Sample

log = logging.getLogger("hlcore")
TOLD: set[str] = set()  # what stands in the log already


class Hamiltonian:
    """H'(h, z, θ; u, ŷ) = φ L(f^y(u,h,θ^y), ŷ) + z·f^h(u,h,θ^h)  (P, eq. 8) for one network and loss.

    Input is checked once, here; whatever a network or loss raises comes out as an HLError that says where.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network, self.loss = require_network(network), CheckedLoss(loss)
        trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.names: list[str] = list(trained)
        self.theta: list[Tensor] = list(trained.values())
        self._factor: tuple[Any, Tensor] = (None, torch.empty(0))
        form = network.closed_form()
        self._closed: Closed | None = None
        self.way = "derivatives in closed form"  # how they are had, in words
        if isinstance(form, ClosedForm) and Closed.holds(form):
            self._closed = Closed(form, network, self.loss, self.theta)
        else:
            self._leave_to_autograd(form if isinstance(form, str) else "", "no closed form is known of this network")

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence."""
        state: Any = self.network.initial_state(batch_size)
        if not isinstance(state, dict) or any(not (x is None or isinstance(x, Tensor)) for x in state.values()):
            got = {k: type(x).__name__ for k, x in state.items()} if isinstance(state, dict) else type(state).__name__
            raise bad(f"initial_state of {type(self.network).__name__}", got, "{name: tensor or None}")
        return state

    def flow(self, u: Any, h: State, tau: float) -> Flow:
        """f^h at h."""
        if self._closed is not None and not self._closed.intact():
            self._closed = None
            self._leave_to_autograd("it was hooked or replaced after the Learner was built")
        found = None if self._closed is None else self._closed.flow(u, h, tau)
        return AutogradFlow(self, u, h, tau) if found is None else found

    def by_autograd(self, u: Any, h: State, tau: float) -> "AutogradFlow":
        """f^h at h, which has a Jacobian, too."""
        return AutogradFlow(self, u, h, tau)

    def _leave_to_autograd(self, lost: str, known: str = "") -> None:
        """Say why; once in the log where a network has lost a closed form that its kind has."""
        self.way = f"derivatives by autograd, not in closed form: {lost or known}"
        text = f"{type(self.network).__name__}: {self.way}"
        if lost and text not in TOLD:
            TOLD.add(text)
            log.warning("%s", text)

    def read(self, u: Any, h: Tensors, target: Any) -> Reading:
        """f^y and L at h, whose tensors are leaves or constants."""
        y = self.output(u, h)
        if not h and (known := self._slope(y, target)) is not None:
            slope = torch.from_numpy(known[1])
            return Reading(y, known[0], lambda phi: ({}, derivative([y], [phi * slope], self.theta)))
        L = self.loss(y, target)

        def pull(phi: Any) -> Pulled:
            if L is None or not L.requires_grad:
                return dict.fromkeys(h), [None] * len(self.theta)
            d = derivative([L], [self.factor(L, phi)], [*h.values(), *self.theta])
            return dict(zip(h, d, strict=False)), d[len(h) :]

        return Reading(y, 0.0 if L is None else L, pull)

    def _slope(self, y: Tensor, target: Any) -> tuple[Any, Any] | None:
        """(L, ∂L/∂y) of a small output by hand, where the loss declares it: half of what autograd has to do."""
        loss, of = self.loss.function, target if isinstance(target, Tensor) else y
        if not isinstance(loss, DeclaredLoss) or loss.slope is None or not y.requires_grad or of.requires_grad:
            return None
        if transforming() or of.dtype != y.dtype:
            return None
        xp, goal, at = arrays(target, y)
        return loss.slope(xp, at, goal) if xp is np else None

    def factor(self, L: Tensor, phi: Any) -> Tensor:
        """φ as a tensor beside L, made once as long as it stays the same."""
        last, made = self._factor
        if isinstance(phi, Tensor) or last != phi or made.dtype != L.dtype or made.device != L.device:
            if isinstance(phi, Tensor):  # on its device, where nobody looks at it
                return phi.to(L.dtype).expand_as(L)
            made = torch.full_like(L, phi, requires_grad=False)
            self._factor = phi, made
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
            raise bad(f"output of {type(self.network).__name__}", type(y).__name__, "a tensor", _picked(self.network))
        return y

    def absorb(self, sample: Sample, y: Tensor) -> None:
        """Tell the network of a step that stands, see `Network.absorb`; what it raises refuses the step after all."""
        if type(self.network).absorb is Network.absorb:
            return
        try:
            with torch.no_grad():
                self.network.absorb(sample, y)
        except MISTAKES as error:
            explain("absorb", self.network, sample.u, error)


def _picked(network: Network) -> str:
    """What to do about several outputs."""
    for name, part in network.named_modules():
        if isinstance(part, torch.nn.RNNBase):
            cell = f"Recurrent(torch.nn.{type(part).__name__}Cell(...), readout) carries it from step to step"
            return f"{name} ({type(part).__name__}) returns its state beside its output: {cell}"
    return "wrap the module in one that picks the tensor"


def derivative(terms: Sequence[Tensor], factors: Sequence[Tensor], wrt: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """∂(Σ factor·term)/∂x for each x in wrt; the graph stays."""
    try:
        return differentiate(terms, factors, wrt, keep=True)
    except RuntimeError as error:
        raise HLError(
            f"derivative of H': got {first_line(error)}; expected a network and a loss that torch can "
            "differentiate; build a new Learner after parameters were frozen or moved."
        ) from error


class AutogradFlow(Flow):
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
        """(∂f^h/∂h, ∂f^h/∂θ): a row per entry of f^h, a column per entry of h and of θ, all of them flat.

        All rows in one batched call where the derivatives have a batched form.
        """
        like = [*self._leaves.values(), *self.theta]
        rows = torch.cat([x.flatten() for x in self._live.values()] or [torch.empty(0)])
        found = rows.new_zeros(len(rows), sum(x.numel() for x in like))
        if rows.requires_grad:
            eye = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
            try:
                d = torch.autograd.grad(rows, like, eye, retain_graph=True, allow_unused=True, is_grads_batched=True)
                parts = [found.new_zeros(len(rows), x.numel()) if g is None else g.reshape(len(rows), -1)
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
