"""The order in which each equation takes what is already new: state, costate, weights."""

from typing import Any

from .arrays import moved
from .flow import Law, added, added_slopes
from .move import Move, controlled, costate, quietly, stateless


@quietly
def sequential(law: Law, sample: Any, h: Any, z: Any, c: Any) -> Move:
    """State, then costate, then weights (P, section 4); c: the settings in force (`Settings.at`).

    h⁺ = h + τ (f^h(u,h,θ) - g z)
    z⁺ = z - τ (s (φ ∂L/∂h⁺ + (∂f^h/∂h)ᵀz) + η_z z)      the loss at the moved state, f^h where it moved it
    ∂H'/∂θ = φ ∂L/∂θ + (∂f^h/∂θ)ᵀ z⁺                      ω, then θ with the new ω (`law.weights`)
    """
    if not h:
        return stateless(law, sample, c)
    f = law.flow(sample.u, h, c.tau)
    z = f.as_given(z)
    after = moved(f.h, controlled(f.v, z, c.control), c.tau)
    at = f.read(after, sample.target)
    dh, dtheta = at.pull(c.phi)
    z = costate(z, added(f.to_state(z), dh), after, c)
    return Move(after, z, added_slopes(f.to_weights(z), dtheta), at.y, at.loss, (z, controlled(f.v, z, c.control / 2)))
