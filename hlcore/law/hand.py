"""H' and its derivative at one point without autograd, from what network and loss worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..errors import MISTAKES, explain
from .arrays import blend, light, tensor, zeros
from .network import Arrays, Read, State, Velocity, by_hand

if TYPE_CHECKING:
    from .hamiltonian import Hamiltonian
    from .point import Tensors
    from .sample import Sample

BY_HAND = "pullback (f^h and f^y)"


class Slopes(NamedTuple):
    """H' at one point: what it is made of, ∂H'/∂h and ∂H'/∂θ. h, z, v, dh are arrays as `light` gives them."""

    h: dict[str, Any]
    z: dict[str, Any]
    v: dict[str, Any]
    dh: dict[str, Any]
    dtheta: Sequence[Tensor | None]
    output: Tensor
    loss: float


class Hand(NamedTuple):
    """f^h at a point (h, z), its velocity v, and how to pull costates back; `read` is f^y, wherever it is wanted."""

    law: Hamiltonian
    sample: Sample
    xp: Any
    h: Arrays
    z: Arrays
    v: Arrays
    back: Velocity
    read: Read
    names: list[str]  # of θ

    @classmethod
    def taken(
        cls, law: Hamiltonian, sample: Sample, h: State, z: Tensors | None, tau: float, theta: Tensors
    ) -> Hand | None:
        """The network's own `pullback` at this point; None where it has none, or a state's shape is not known yet."""
        pullback = by_hand(law.network)
        if pullback is None:
            return None
        start, weights = list(h.values()), list(theta.values())
        for x in start:
            if x is None:
                return None
        for p in weights:
            if not p.requires_grad:
                return None
        n, costate = len(start), start if z is None else list(z.values())
        xp, *arrays = light(*start, *costate, *weights)  # type: ignore[arg-type]
        at, weighed = arrays[:n], arrays[n : 2 * n] if z is not None else [zeros(x, *x.shape) for x in arrays[:n]]
        point, costates = dict(zip(h, at, strict=True)), dict(zip(h, weighed, strict=True))
        try:
            found = pullback(xp, sample.u, point, dict(zip(theta, arrays[2 * n :], strict=True)), tau)
        except MISTAKES as error:
            explain(BY_HAND, law.network, sample.u, error)
        if found is None:
            return None
        v, back, read = found
        return cls(law, sample, xp, point, costates, v, back, read, list(theta))

    def slopes(self, phi: float) -> Slopes:
        """H' and its derivative, all at (h, z)."""
        try:
            y, loss, d, dtheta = self._loss(self.h, phi)
            dh, more = self.back(self.z)
            dh = {name: dh[name] if d is None else dh[name] + d[name] for name in self.h}
        except MISTAKES as error:
            explain(BY_HAND, self.law.network, self.sample.u, error)
        return Slopes(self.h, self.z, self.v, dh, self._listed(more, dtheta), y, loss)

    def moved(self, phi: float, tau: float, keep: float, gain: float) -> Slopes:
        """The point after the move in sequential order: h⁺ = h + τv, z⁺ = keep z + gain (φ ∂L/∂h⁺ + (∂f^h/∂h)ᵀ z).

        Then ∂H'/∂θ = φ ∂L/∂θ + (∂f^h/∂θ)ᵀ z⁺, with f^h where it moved h. `dh` is not filled.
        """
        h = {name: x + tau * self.v[name] for name, x in self.h.items()}
        try:
            y, loss, d, dtheta = self._loss(h, phi)
            dh, _ = self.back(self.z)
            dh = {name: dh[name] if d is None else dh[name] + d[name] for name in h}
            z = {name: blend(keep, x, gain, dh[name]) for name, x in self.z.items()}
            _, more = self.back(z)
        except MISTAKES as error:
            explain(BY_HAND, self.law.network, self.sample.u, error)
        return Slopes(h, z, self.v, {}, self._listed(more, dtheta), y, loss)

    def _loss(self, h: Arrays, phi: float) -> tuple[Tensor, float, Arrays | None, Arrays]:
        """y, L, and φ times its derivatives with respect to h (None without a target) and the weights."""
        y, back = self.read(h)
        target, law = self.sample.target, self.law
        if target is None:
            return tensor(y), 0.0, None, {}
        goal = light(target)[1] if law.slope is not None and isinstance(target, Tensor) else None
        if goal is not None and goal.dtype == y.dtype and (goal.shape == y.shape or law.own_shapes):
            L, g = law.slope(self.xp, y, goal)
        else:
            output = tensor(y).detach().requires_grad_()
            found = law.instantaneous_loss(output, target)
            assert found is not None
            L, g = found.item(), light(torch.autograd.grad(found, output)[0])[1]
        return tensor(y), L, *back(g if phi == 1.0 else phi * g)

    def _listed(self, one: Arrays, other: Arrays) -> list[Tensor | None]:
        """∂H'/∂θ in the order of θ, None where nothing depends on it."""
        both = one | {name: d + one[name] if name in one else d for name, d in other.items()}
        return [tensor(both[name]) if name in both else None for name in self.names]


def squares(xp: Any, y: Any, target: Any) -> tuple[float, Any]:
    """(y - ŷ)², the mean over all entries (torch's mse_loss), and its slope."""
    e = y - target
    flat, share = e.ravel(), 1 / math.prod(e.shape)
    return share * float(flat @ flat), (2 * share) * e
