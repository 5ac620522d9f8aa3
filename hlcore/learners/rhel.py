"""Recurrent Hamiltonian echo learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..declared import positive, setting
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from .catalogue import register
from .echo import echo_from, require_leapfrog
from .held_inputs import HeldInputs, TurnSettings


@dataclass(frozen=True)
class RHELSettings(TurnSettings):
    """Those of a learner that holds inputs, and

    eps  ε, how hard the way back is kicked: the gradient's error is O(ε²), its rounding O(1/ε)
    """

    eps: float = setting(1e-3, "ε", "kick", "p += ε ∂L/∂q", positive)


@register("rhel")
class RHEL(HeldInputs):
    """Learns a `Leapfrog` from two ways back that the network makes itself, kicked by ±ε (Pourcel and Ernoult 2025)."""

    title = "Hamiltonian echo"
    settings_type = RHELSettings
    equations = (
        "there: (q, p)' = (p, -∂V/∂q), the inputs are held",
        "back: p ← -p, inputs reversed, p ← p ± {eps} ∂L/∂q",
        "g = -[Σ ∂V/∂θ]<sub>±ε</sub> / 2ε, every {every} tokens",
        "ω' = {phi} g - {eta} ω",
        "θ' = -{beta} ω, each step {tau}",
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        require_leapfrog(self.network)

    def _gradient(self, held: Sequence[Sample], start: State, c: Any) -> Tensors:
        return echo_from(self.law, held, start, c.eps, False, c.tau)
