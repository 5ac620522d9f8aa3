"""One step of all four equations as a pure function of (θ, h, z, ω, sample, settings).

`torch.func.vmap`, `torch.func.jvp` and CUDA graphs pass through it: no number is looked at, nothing is checked, nothing
moves in place. `hlcore.Learner` is the same orders with refusal, in place.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from .arrays import Arrays
from .closed_form import Closed, ClosedForm
from .euler import euler
from .flow import Flow, Pulled, Reading, Slopes
from .loss import CheckedLoss, squares
from .metric import share
from .move import Move
from .network import Network
from .point import Tensors
from .sample import Sample
from .sequential import sequential
from .weights import advanced

ORDERS: dict[str, Any] = {"euler": euler, "sequential": sequential}


class Phase(NamedTuple):
    """(θ, ω) by name, and (h, z) by name; z = None is zero. A tree of tensors, as vmap and jvp take it.

    v is the metric's, by the names of θ; None is zero.
    """

    theta: Tensors
    omega: Tensors
    h: Tensors
    z: Tensors | None
    v: Tensors | None = None


def step(network: Network, loss: Any, order: str, at: Phase, sample: Sample, c: Any) -> tuple[Phase, Move]:
    """(the phase after the step, the move that made it); c: the settings in force, as `Settings.at` gives them.

    The numbers in c may be tensors, batched by vmap or dual by jvp. `network` lends its form alone: its weights are
    at.theta, its buffers are read and must not move. h must be known: begin with `first_phase`.
    """
    law = functional(network, loss, at.theta)
    move = ORDERS[order](law, sample, at.h, at.z, c)
    fresh = order == "sequential"
    held = {} if share(c) is None else at.v or {name: torch.zeros_like(w) for name, w in at.omega.items()}
    now = list(at.theta.values()), list(at.omega.values()), list(held.values())
    theta, omega, v = advanced(*now, move.dtheta, move.scale, c, fresh)
    ended = sample.end or not move.h
    return (
        Phase(
            dict(zip(at.theta, theta, strict=True)),
            dict(zip(at.omega, omega, strict=True)),
            dict(at.h) if ended and not move.h else _begun(at.h, network, sample) if ended else move.h,
            None if ended else move.z,
            dict(zip(held, v, strict=True)) or None,
        ),
        move,
    )


def first_phase(network: Network, sample: Sample, tau: float) -> Phase:
    """θ as it is, ω = 0, h at the start of a sequence, its shapes told by a dry velocity; z = 0."""
    theta = {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}
    h = network.initial_state(sample.batch_size)
    if any(x is None for x in h.values()):
        with torch.no_grad():
            v = network.velocity(sample.u, h, tau)
        h = {name: torch.zeros_like(v[name]) if x is None else x for name, x in h.items()}
    known = {name: x.detach().clone() for name, x in h.items() if x is not None}
    return Phase(theta, {name: torch.zeros_like(p) for name, p in theta.items()}, known, None)


def _begun(h: Tensors, network: Network, sample: Sample) -> Tensors:
    """The state at the start of a sequence, with the shapes of h."""
    start = network.initial_state(sample.batch_size)
    return {name: torch.zeros_like(x) if start[name] is None else start[name].detach() for name, x in h.items()}  # type: ignore[union-attr]


def functional(network: Network, loss: Any, theta: Tensors) -> "FunctionalLaw":
    """H' with the weights as an argument, in closed form where network and loss have one."""
    form, checked = network.closed_form(), CheckedLoss(loss)
    if isinstance(form, ClosedForm) and Closed.holds(form) and checked.slope() is not None:
        trained = [p for p in network.parameters() if p.requires_grad]
        return _ClosedLaw(network, loss, theta, Closed(form, network, checked, trained))
    return FunctionalLaw(network, loss, theta)


class FunctionalLaw:
    """H' with the weights as an argument: its maps by torch.func, so that transforms pass."""

    def __init__(self, network: Network, loss: Any, theta: Tensors) -> None:
        self.loss = mean_square if CheckedLoss(loss).slope() is squares else loss
        self.weights = theta
        self._parts = _Parts(network)

    def flow(self, u: Any, h: Tensors, tau: Any) -> Flow:
        """f^h at h."""
        return _FunctionalFlow(self, u, h, tau)

    def read(self, u: Any, h: Tensors, target: Any) -> Reading:
        """f^y and L at h."""

        def value(h: Tensors, theta: Tensors) -> tuple[Tensor, Tensor]:
            y = self.call(theta, "output", u, h)
            return self.loss(y, target), y

        if target is None:
            return Reading(self.call(self.weights, "output", u, h), 0.0, lambda phi: (dict.fromkeys(h), self.nothing))
        found: Any = vjp(value, h, self.weights, has_aux=True)
        L, pull, y = found

        def pulled(phi: Any) -> Pulled:
            dh, dtheta = pull(phi * torch.ones_like(L))
            return dh, list(dtheta.values())

        return Reading(y, L, pulled)

    @property
    def nothing(self) -> Slopes:
        """No derivative by any weight."""
        return [None] * len(self.weights)

    def call(self, theta: Tensors, part: str, *given: Any) -> Any:
        """velocity or output of the network with these weights."""
        return functional_call(self._parts, {f"network.{name}": p for name, p in theta.items()}, (part, *given))


def mean_square(y: Tensor, target: Tensor) -> Tensor:
    """torch's mse_loss, whose own second derivative has no tangent (torch 2.13: "ZeroTensors are immutable")."""
    return (y - target).square().mean()


class _FunctionalFlow(Flow):
    def __init__(self, law: FunctionalLaw, u: Any, h: Tensors, tau: Any) -> None:
        self._law, self._u, self.h = law, u, h
        found: Any = vjp(lambda h, theta: law.call(theta, "velocity", u, h, tau), h, law.weights)
        self.v, self._pull = found
        self.theta = list(law.weights.values())

    def pull(self, z: Arrays | None) -> Pulled:
        if z is None:
            return dict.fromkeys(self.h), self._law.nothing
        dh, dtheta = self._pull({name: z[name] for name in self.v})
        return dh, list(dtheta.values())

    def to_state(self, z: Arrays | None) -> Arrays:
        return self.pull(z)[0]

    def to_weights(self, z: Arrays | None) -> Slopes:
        return self.pull(z)[1]

    def read(self, h: Arrays, target: Any) -> Reading:
        return self._law.read(self._u, h, target)


class _ClosedLaw(FunctionalLaw):
    def __init__(self, network: Network, loss: Any, theta: Tensors, closed: Closed) -> None:
        super().__init__(network, loss, theta)
        given = dict(zip(map(id, closed.theta), theta.values(), strict=True))
        self._closed, self._w = closed, [given.get(id(p), p.detach()) for p in closed.weights]

    def flow(self, u: Any, h: Tensors, tau: Any) -> Flow:
        return self._closed.with_weights(torch, self._w, u, h, tau) or super().flow(u, h, tau)


class _Parts(nn.Module):
    """A network whose forward is one of its methods, as functional_call wants it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, part: str, *given: Any) -> Any:
        return getattr(self.network, part)(*given)
