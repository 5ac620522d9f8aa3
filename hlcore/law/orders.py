"""In which order the four equations take their step.

Both orders return a `Move`: the next h and z, and what the weight costates need. The learner then makes
ω⁺ = ω - τ(s ∂H'/∂θ + ηω) (E*4) and θ⁺ = θ - τβω (E*2), with the old ω in Euler order, the new one in sequential order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from ..errors import bad
from .arrays import blend, tensor
from .hamiltonian import Hamiltonian
from .hand import Slopes
from .network import State
from .point import Tensors
from .sample import Sample
from .settings import Settings


class Move(NamedTuple):
    """One step, not yet taken: ∂H'/∂θ is scale * dtheta."""

    h: Tensors
    z: Tensors | None
    dtheta: Sequence[Tensor | None]
    scale: float
    output: Tensor
    loss: float
    hamiltonian: float


Order: TypeAlias = Callable[[Hamiltonian, Settings, float, float, Sample, State, Tensors | None, Tensors], Move]


quietly = np.errstate(over="ignore", invalid="ignore")  # what overflows is told by the learner, as Diverged


@quietly
def euler(
    law: Hamiltonian,
    settings: Settings,
    tau: float,
    phi: float,
    sample: Sample,
    h: State,
    z: Tensors | None,
    theta: Tensors,
) -> Move:
    """Algorithm 1 of P: all four derivatives at t.

    h⁺ = h + τ f^h(u,h,θ)                    (E*1)
    z⁺ = z - τ (s ∂H'/∂h + η_z z)            (E*3)
    """
    if not h:
        return stateless(law, phi, sample, theta)
    hand = law.by_hand(sample, h, z, tau, theta)
    at = _by_autograd(law, tau, phi, sample, h, z, theta) if hand is None else hand.slopes(phi)
    h_next = {name: tensor(x + tau * at.v[name]) for name, x in at.h.items()}
    z_next = _costate(at.z, at.dh, settings, tau)
    return Move(h_next, z_next, at.dtheta, 1.0, at.output, at.loss, law.value(at.loss, phi, at.z, at.v))


@quietly
def sequential(
    law: Hamiltonian,
    settings: Settings,
    tau: float,
    phi: float,
    sample: Sample,
    h: State,
    z: Tensors | None,
    theta: Tensors,
) -> Move:
    """State, then costate, then weights, each with what is already new (P, section 4).

    h⁺ = h + τ f^h(u,h,θ)
    z⁺ = z - τ (s (φ ∂L/∂h⁺ + (∂f^h/∂h)ᵀz) + η_z z)      the loss at the moved state, f^h where it moved it
    ∂H'/∂θ = φ ∂L/∂θ + (∂f^h/∂θ)ᵀ z⁺

    The graph runs through the move with factor -s, so that one derivative of φL + r·f^h, r = z⁺ + τsφ ∂L/∂h⁺, gives
    ∂L/∂h⁺ and ∂H'/∂θ at once: what the loss sends through the move is -τsφ ∂L/∂h⁺, the part of z⁺ that r lacks.
    """
    if not h:
        return stateless(law, phi, sample, theta)
    hand = law.by_hand(sample, h, z, tau, theta)
    if hand is not None:
        to = hand.moved(phi, tau, 1 - tau * settings.dissipation_z, -tau * settings.s)
        h_next, z_next = ({name: tensor(x) for name, x in part.items()} for part in (to.h, to.z))
        return Move(h_next, z_next, to.dtheta, 1.0, to.output, to.loss, law.value(to.loss, phi, to.z, to.v))
    leaves = h if z is None else _leaves(h)
    v = law.velocity(sample.u, leaves, tau)
    moved: Tensors = {}
    for name, x in leaves.items():
        step = v[name] * tau if settings.s == -1 else 2 * tau * v[name].detach() - tau * v[name]
        following = step if x is None else x.detach() + step
        moved[name] = following if following.requires_grad else following.requires_grad_()
    y = law.output(sample.u, moved)
    L = law.instantaneous_loss(y, sample.target)
    rest: Tensors | None = None
    if z is not None:
        dh, _ = law.derivative(None, phi, z, v, list(_known(leaves, v).values()), keep=True)
        rest = _costate(z, dict(zip(h, dh, strict=True)), settings, tau)
    d, scale = law.derivative(L, phi, rest, v, [*moved.values(), *theta.values()])
    dL, dtheta = d[: len(moved)], d[len(moved) :]
    loss = _float(L)
    gain = -tau * settings.s * scale
    rest = _zeros(moved) if rest is None else rest
    z = {name: r if g is None else r.add(g, alpha=gain) for (name, r), g in zip(rest.items(), dL, strict=True)}
    return Move(_detached(moved), z, dtheta, scale, y, loss, law.value(loss, phi, z, _detached(v)))


def stateless(law: Hamiltonian, phi: float, sample: Sample, theta: Tensors) -> Move:
    """A network without state, in either order: H' = φL  (P, eq. 20)."""
    y = law.output(sample.u, {})
    L = law.instantaneous_loss(y, sample.target)
    dtheta, scale = law.derivative(L, phi, None, {}, list(theta.values()))
    loss = _float(L)
    return Move({}, None, dtheta, scale, y, loss, phi * loss)


ORDERS: dict[str, Order] = {"euler": euler, "sequential": sequential}


def _by_autograd(
    law: Hamiltonian, tau: float, phi: float, sample: Sample, h: State, z: Tensors | None, theta: Tensors
) -> Slopes:
    """H' and its derivative, all at t."""
    leaves = _leaves(h)
    v = law.velocity(sample.u, leaves, tau)
    known = _known(leaves, v)
    y = law.output(sample.u, known)
    L = law.instantaneous_loss(y, sample.target)
    z = _zeros(known) if z is None else z
    d, _ = law.derivative(L, phi, z, v, [*known.values(), *theta.values()])
    dh = dict(zip(known, d, strict=False))
    return Slopes(_detached(known), z, _detached(v), dh, d[len(known) :], y, _float(L))


def _costate(z: dict[str, Any], dh: dict[str, Any], settings: Settings, tau: float) -> Tensors:
    """z⁺ = z - τ (s ∂H'/∂h + η_z z)  (E*3)."""
    keep, gain = 1 - tau * settings.dissipation_z, -tau * settings.s
    return {name: tensor(blend(keep, x, gain, dh[name])) for name, x in z.items()}


def _leaves(h: State) -> State:
    """No gradient flows through time: at every step h is a leaf."""
    return {name: None if x is None else x.detach().requires_grad_() for name, x in h.items()}


def _known(h: State, v: Tensors) -> Tensors:
    """h with the components whose shape only the velocity told as leaves of zeros."""
    known: Tensors = {}
    for name, x in h.items():
        if x is not None and not x.is_floating_point():
            raise bad(f"initial_state[{name!r}]", str(x.dtype), "a tensor of floats")
        known[name] = v[name].detach().new_zeros(v[name].shape).requires_grad_() if x is None else x
    return known


def _detached(x: Tensors) -> Tensors:
    return {name: part.detach() for name, part in x.items()}


def _zeros(h: Tensors) -> Tensors:
    return {name: x.detach().new_zeros(x.shape) for name, x in h.items()}


def _float(L: Tensor | None) -> float:
    return 0.0 if L is None else L.item()
