"""REINFORCE: ω's trace, and reward as the third factor."""

from dataclasses import dataclass

import torch

from ..declared import setting
from ..law.arrays import scalar
from ..law.flow import flat
from ..law.sample import Sample
from ..law.settings import WeightSettings
from .base import BaseLearner
from .catalogue import register
from .terms import Step


@dataclass(frozen=True)
class ReinforceSettings(WeightSettings):
    """The weights' settings; τη = 1: a step is what has just been earned."""

    eta: float = setting(1.0, "η", "dissipation of ω", "1/time; type 0 for none")
    discount: float = setting(0.95, "γ", "discount", "of the trace, a move", scale="linear")


@register("reinforce")
class Reinforce(BaseLearner):
    """e⁺ = γe + ∂L/∂θ with L = -log π(a), and r·e in the place of ∂H'/∂θ; a world's moves (Williams 1992).

    Over an episode that is Σ_k r_k Σ_{j<=k} γ^{k-j} ∂L_j/∂θ, policy gradient with discounted returns: no episode is
    kept, the trace e (`memory`) is. It is cleared where an episode ends.
    """

    title = "REINFORCE"
    stateful = False
    settings_type = ReinforceSettings
    equations = (
        "L = -log π(a)",
        "e⁺ = {discount} e + ∂L/∂θ",
        "ω' = {phi} r e - {eta} ω",
        "θ' = -{beta} ω",
        "each step: x ← x + {tau} x'",
    )

    def propose(self, sample: Sample) -> Step:
        """The trace with this move in it, times its reward."""
        c, theta = self.numbers(sample), self.law.theta
        at = self.law.read(sample.u, {}, sample.target)
        slopes = flat(at.pull(1.0)[1], theta)
        trace = c.discount * self.memory.get("trace", torch.zeros_like(slopes)) + slopes
        reward, alive = (0.0, 1.0) if sample.target is None else sample.target[0, 1:3].tolist()
        parts = (reward * trace).split([p.numel() for p in theta])
        step = [x.view_as(p) for x, p in zip(parts, theta, strict=True)]
        loss, memory = scalar(at.loss), {"trace": trace if alive else torch.zeros_like(trace)}
        return Step({}, None, at.y.detach(), loss, c.phi * loss, step, c.tau * c.phi, 1 - c.tau * c.eta, memory)
