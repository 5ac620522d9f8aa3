"""Least control in two phases: a held sample settles under a controller, then the weights move once."""

from typing import Any

from ..law.sample import Sample
from ..law.settings import Settings
from .catalogue import register
from .learner import Learner
from .terms import Regime, Step


@register("least-control")
class LeastControl(Learner):
    """The law of `Learner`, whose weights stand until a sample ends and then move by what they find at the rest.

    At rest f^h = g z and φ ∂L/∂h + (∂f^h/∂h)ᵀz = 0: the control -g z is the least that holds the network there, and
    ∂H'/∂θ is the derivative of 𝓗(θ) = min_h |f^h|²/2g + φL (Meulemans et al. 2022, arXiv 2207.01332, with 1/α = gφ; the
    link to H' is ours). g = 0: backprop at a free rest. Streams end their samples: `Held(stream, steps, ends=True)`.

        while held:  h' = f^h - g z,  z' = ∂H'/∂h          at its end:  ω⁺ = (1 - τη) ω + τ ∂H'/∂θ,  θ⁺ = θ - τβ ω⁺
    """

    title = "Least control"
    equations = (*Learner.equations[:2], *Learner.equations[3:4], "at the end: ω' = ∂H'/∂θ - {eta} ω, θ' = -{beta} ω")  # type: ignore[assignment]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fresh = True  # type: ignore[misc]  # there is one move a sample: by its own gradient

    def propose(self, sample: Sample) -> Step:
        """As ever, but the weights stand while the sample is held."""
        step = super().propose(sample)
        return step if sample.end else step._replace(dtheta=None)

    @classmethod
    def regime(cls, settings: Settings) -> Regime:
        """Whether an output with loss curvature 1 can settle at unit speed: τ < 2/(1 + gφ)."""
        phi = settings.phi_at(0.0)
        limit, strength = 2 / (1 + settings.control * phi), settings.control * phi
        words = f"1/α = gφ = {strength:.3g}; where the loss has curvature 1 rests are reached for τ < {limit:.3g}"
        kind = "free" if strength == 0 else "controlled" if settings.tau < limit else "ringing"
        return Regime(kind, words, kind == "ringing", cure="lower τ or g")
