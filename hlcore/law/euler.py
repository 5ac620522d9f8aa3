"""The order of Algorithm 1: everything at t."""

from typing import Any

from .arrays import moved
from .flow import Law
from .move import Move, controlled, costate, quietly, stateless


@quietly
def euler(law: Law, sample: Any, h: Any, z: Any, c: Any) -> Move:
    """All four derivatives at t (P, Algorithm 1); c: the settings in force (`Settings.at`).

    h⁺ = h + τ (f^h(u,h,θ) - g z)            (E*1; g = 0 in the paper)
    z⁺ = z - τ (s ∂H'/∂h + η_z z)            (E*3)
    ω and θ follow with the old ω            (E*4, E*2; `law.weights`)
    """
    if not h:
        return stateless(law, sample, c)
    f = law.flow(sample.u, h, c.tau)
    z = f.as_given(z)
    after = moved(f.h, controlled(f.v, z, c.control), c.tau)
    at = f.read(f.h, sample.target)
    dh, dtheta = f.derivative(at, c.phi, z)
    return Move(after, costate(z, dh, f.h, c), dtheta, at.y, at.loss, (z, controlled(f.v, z, c.control / 2)))
