"""Forward propagation of errors through time, as a learner."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..declared import setting
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from .catalogue import register
from .forward_costate import FPTT as EXACT
from .forward_costate import gradient_from
from .held_inputs import HeldInputs, TurnSettings, tokens_or_none


@dataclass(frozen=True)
class FPTTSettings(TurnSettings):
    """Those of a learner that holds inputs, and

    passes  1 to L + 1 for L layers: how often the inputs are shown; None: L + 1, the exact gradient
    """

    passes: int | None = setting(None, "m", "passes", "times the inputs are shown", tokens_or_none, scale="whole")


@register("fptt")
class FPTT(HeldInputs):
    """Learns from the exact gradient of a sequence, its costate carried forward; `Diverged` where a network forgets."""

    title = "FPTT"
    stateful = True
    settings_type = FPTTSettings
    equations = (
        "h' = f(u, h, θ), the inputs are held; every {every} tokens, {passes} passes:",
        "p<sub>0</sub> = Σ (∂h/∂h<sub>0</sub>)ᵀ g, g = ∂L/∂h",
        "z = (∂h⁺/∂h)<sup>-T</sup> p, p⁺ = z - g",
        "ω' = {phi} (∂h⁺/∂θ)ᵀ z - {eta} ω",
        "θ' = -{beta} ω, each step {tau}",
    )

    def _gradient(self, held: Sequence[Sample], start: State, c: Any) -> Tensors:
        return gradient_from(self.law, held, start, c.passes, c.tau, EXACT)
