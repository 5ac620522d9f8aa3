"""Second order: the gain of recursive least squares in the place of β."""

from dataclasses import dataclass

import torch

from ..declared import positive, setting
from ..law.arrays import scalar
from ..law.flow import flat
from ..law.hamiltonian import derivative
from ..law.sample import Sample
from ..law.settings import WeightSettings
from .base import BaseLearner
from .catalogue import register
from .terms import Step


@dataclass(frozen=True)
class SecondOrderSettings(WeightSettings):
    """The weights' settings; with η = 1/τ (no memory in ω) and β = φ = 1 this is ridge regression, exactly."""

    eta: float = setting(1.0, "η", "dissipation of ω", "1/time; type 0 for none")
    ridge: float = setting(1.0, "λ", "ridge", "Λ at the first step", positive)


@register("second-order")
class SecondOrder(BaseLearner):
    """θ⁺ = θ - Λ⁻¹ x e of a world's moves: e the TD error, x the derivative of the value that is learned, Λ = λ + Σxxᵀ.

    Stateless networks, one move a step, a loss whose derivative is e·x, as `td`'s is. Λ⁻¹ is kept by Sherman and
    Morrison's formula: (weights)² numbers, however long the run. The settings of another learner count for nothing
    here but τ: a gain is no rate. Source: recursive least squares; as a part of stable Q-learning, S8's abstract.
    """

    title = "Second order"
    stateful = False
    settings_type = SecondOrderSettings
    equations = (
        "H' = {phi} L",
        "Λ = {ridge} + Σ x xᵀ",
        "ω' = Λ⁻¹ ∂H'/∂θ - {eta} ω",
        "θ' = -{beta} ω",
        "each step: x ← x + {tau} x'",
    )

    @classmethod
    def settings_from(cls, settings: WeightSettings) -> SecondOrderSettings:  # type: ignore[override]
        """Those of another learner but for its rate."""
        tau = getattr(settings, "tau", 1.0)
        return cls.settings_type(tau=tau, eta=1 / tau, beta=1 / tau, phi=1 / tau)

    def propose(self, sample: Sample) -> Step:
        """Λ⁻¹ with this move's x in it, then the step."""
        c, theta = self.numbers(sample), self.law.theta
        at = self.law.read(sample.u, {}, sample.target)
        slopes = flat(at.pull(1.0)[1], theta)
        inverse = self.memory.get("inverse", torch.eye(len(slopes), dtype=slopes.dtype, device=slopes.device) / c.ridge)
        if sample.target is not None and sample.target[0, 2] >= 0:
            learned = at.y[0, 0, int(sample.target[0, 0])]
            x = flat(derivative([learned], [torch.ones_like(learned)], theta), theta)
            gain = inverse @ x
            inverse = inverse - torch.outer(gain, gain) / (1 + x @ gain)
        parts = (inverse @ slopes).split([p.numel() for p in theta])
        step = [x.view_as(p) for x, p in zip(parts, theta, strict=True)]
        loss = scalar(at.loss)
        memory = {"inverse": inverse}
        return Step({}, None, at.y.detach(), loss, c.phi * loss, step, c.tau * c.phi, 1 - c.tau * c.eta, memory)
