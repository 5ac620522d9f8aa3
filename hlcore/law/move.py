"""One step of state and costate, not yet taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .arrays import Arrays, axpy, plus, zeros
from .hamiltonian import Hamiltonian


class Move(NamedTuple):
    """h⁺ and z⁺ (arrays by name), and what the weights' costates need: ∂H'/∂θ = scale · dtheta, None for zero.

    H' = φ · loss + power. z = None is zero: a network without state has none.
    """

    h: Arrays
    z: Arrays | None
    dtheta: Sequence[Tensor | None]
    output: Any
    loss: Any
    power: Any
    scale: Any = 1.0


def costate(z: Arrays | None, dh: Arrays, h: Arrays, c: Any) -> Arrays:
    """z⁺ = z - τ (s ∂H'/∂h + η_z z)  (E*3), with the shapes of h where both are zero."""
    keep, gain = 1 - c.tau * c.eta_z, -c.tau * c.s
    if z is None:
        return {name: zeros(x, *x.shape) if dh[name] is None else gain * dh[name] for name, x in h.items()}
    return {name: axpy(keep, x, gain, dh[name]) for name, x in z.items()}


def added(one: Arrays, other: Arrays) -> Arrays:
    """The sum of two derivatives by h; None counts as zero."""
    return {name: plus(x, other[name]) for name, x in one.items()}


def added_slopes(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """The sum of two derivatives by θ."""
    return [b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True)]


def stateless(law: Hamiltonian, sample: Any, c: Any) -> Move:
    """A network without state, in either order: H' = φL  (P, eq. 20).

    φ is left to the weights' update as one factor, so that the identity with SGD holds to the last bit.
    """
    at = law.read(sample.u, {}, sample.target)
    _, dtheta = at.pull(1.0)
    return Move({}, None, dtheta, at.y, at.loss, 0.0, c.phi)


quietly = np.errstate(over="ignore", invalid="ignore")  # what overflows is told by the learner, as Diverged
