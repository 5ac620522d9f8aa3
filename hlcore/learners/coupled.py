"""Clients on a graph, and how hard an edge may pull as a setting that moves while they learn."""

from dataclasses import dataclass
from typing import Any

from ..declared import setting
from ..errors import kind
from ..law.sample import Sample
from ..law.settings import Settings
from ..networks import Graph
from .catalogue import register
from .learner import Learner
from .terms import Step


@dataclass(frozen=True)
class CoupledSettings(Settings):
    """Those of the four equations, and

    lam  λ >= 0: the bound |u_e| <= λA_e of total variation, or the weight of springs; 0: each client for itself
    """

    lam: float = setting(0.1, "λ", "pull of an edge", "|u| ≤ λ; type 0 for none")


@register("coupled")
class Coupled(Learner):
    """The law of `Learner` on a `Graph` that takes λ from the settings, step by step (ours)."""

    title = "Clients on a graph"
    settings_type = CoupledSettings
    equations = (
        "H' = {phi} (ΣL<sub>i</sub> + u·Dθ) + z·f - ½ {control} |z|²",
        "u ← u + σ D(2θ - θ<sub>-</sub>), |u| ≤ {lam}",
        *Learner.equations[2:],
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        kind("network", self.network, Graph, "an hlcore.networks.Graph")

    def propose(self, sample: Sample) -> Step:
        """As ever, at the λ of now."""
        self.network.couple(self.numbers(sample).lam)  # type: ignore[operator]
        return super().propose(sample)
