"""One step of state and costate, not yet taken."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .arrays import Arrays, axpy, zeros
from .flow import Law


class Move(NamedTuple):
    """h⁺ and z⁺ (arrays by name), and what the weights' costates need: ∂H'/∂θ = scale · dtheta, None for zero.

    z = None is zero: a network without state has none. H' = φ · loss + z·v with the z and v of `flow`,
    v = f^h - (g/2) z.
    """

    h: Arrays
    z: Arrays | None
    dtheta: Sequence[Tensor | None]
    output: Any
    loss: Any
    flow: tuple[Arrays | None, Arrays] = (None, {})
    scale: Any = 1.0

    def powers(self) -> list[Any]:
        """z·f^h - (g/2)|z|² of each component of the state: what the ranks of a chain add up, too."""
        z, v = self.flow
        return [] if z is None else [(z[name] * x).sum() for name, x in v.items()]


def controlled(v: Arrays, z: Arrays | None, g: Any) -> Arrays:
    """v - g z: the flow under the control -g z."""
    if z is None or (isinstance(g, float) and g == 0.0):
        return v
    return {name: x - g * z[name] for name, x in v.items()}


def costate(z: Arrays | None, dh: Arrays, h: Arrays, c: Any) -> Arrays:
    """z⁺ = z - τ (s ∂H'/∂h + η_z z)  (E*3), with the shapes of h where both are zero."""
    keep, gain = 1 - c.tau * c.eta_z, -c.tau * c.s
    if z is None:
        return {name: zeros(x, *x.shape) if dh[name] is None else gain * dh[name] for name, x in h.items()}
    return {name: axpy(keep, x, gain, dh[name]) for name, x in z.items()}


def stateless(law: Law, sample: Any, c: Any) -> Move:
    """A network without state, in either order: H' = φL  (P, eq. 20).

    φ is left to the weights' update as one factor, so that the identity with SGD holds to the last bit.
    """
    at = law.read(sample.u, {}, sample.target)
    _, dtheta = at.pull(1.0)
    return Move({}, None, dtheta, at.y, at.loss, scale=c.phi)


quietly = np.errstate(over="ignore", invalid="ignore")  # what overflows is told by the learner, as Diverged
