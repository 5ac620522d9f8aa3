"""The one-step law: credit for the present alone."""

from ..law.arrays import moved, owned, scalar, tensors
from ..law.flow import added_slopes
from ..law.sample import Sample
from .base import BaseLearner
from .catalogue import register
from .terms import Step


@register("one-step")
class OneStep(BaseLearner):
    """z = ∂L/∂h⁺: HL whose costate has no past (J dropped), the spatial gradient (arXiv 2603.28750, 2605.24709)."""

    title = "One step"
    equations = (
        "h' = f(u, h, θ)",
        "z = {phi} ∂L/∂h⁺",
        "ω' = {phi} ∂L/∂θ + (∂h⁺/∂θ)ᵀ z - {eta} ω",
        "θ' = -{beta} ω",
        "each step: x ← x + {tau} x'",
    )

    def propose(self, sample: Sample) -> Step:
        """The loss at the moved state, pulled back through one step."""
        c, (h, _) = self.numbers(sample), self.state_for(sample)
        f = self.law.flow(sample.u, h, c.tau)
        after = moved(f.h, f.v, c.tau)
        at = f.read(after, sample.target)
        dh, slopes = at.pull(1.0)
        z = {name: c.tau * (0 * after[name] if g is None else g) for name, g in dh.items()}
        slopes = added_slopes(f.to_weights(z), slopes)
        loss = scalar(at.loss)
        y, found = owned(at.y, after), tensors(after)
        return Step(found, None, y, loss, c.phi * loss, slopes, c.tau * c.phi, 1 - c.tau * c.eta)
