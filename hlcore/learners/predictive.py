"""Predictive coding: states descend an energy whose gradients are those of H', and then the weights do."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ..declared import setting
from ..errors import bad, known, whole
from ..law.arrays import Arrays, axpy, owned, scalar, tensors
from ..law.flow import Flow, Slopes, added_slopes
from ..law.move import controlled
from ..law.sample import Sample
from ..law.settings import WeightSettings
from ..networks import ReadChain
from .base import BaseLearner
from .catalogue import register
from .terms import Quantity, Regime, Step

MODES = (("relax", "relax"), ("fixed predictions", "fixed"), ("Z-IL", "wave"))


def _mode(name: str, value: Any) -> str:
    return str(known(name, value, [mode for _, mode in MODES]))


def _moves(name: str, value: Any) -> int:
    return whole(name, value, 0)


@dataclass(frozen=True)
class PredictiveSettings(WeightSettings):
    """The weights' settings, and how states are inferred.

    inference  moves of the states before the weights move, >= 0
    rate       γ of a move; above 2/λ_max of the energy's Hessian, about 2/(1 + |W|²), it grows
    mode       "relax": h ← h - γ ∂F/∂h | "fixed": predictions and derivatives stay those of the start, errors relax
               | "wave": γ = 1, as many moves as states, weights read as the error reaches them (Z-IL): backprop
    """

    inference: int = setting(8, "T", "inference", "moves of h a step", _moves, scale="whole")
    rate: float = setting(0.1, "γ", "inference rate", "h ← h - γ ∂F/∂h")
    mode: str = setting("relax", "mode", "inference", "", _mode, scale="choice", choices=MODES)


@register("predictive")
class Predictive(BaseLearner):
    """F = φL + ½|e|², e = h - f̂ = -τ f^h (eq. 9), is max_z [H' - |z|²/2τ²] (ours): z = τ² f^h = -τe, the rest is H'.

        h ← h - γ ∂H'/∂h,   z = τ² f^h,   `inference` times;      ω' = ∂H'/∂θ - ηω,   θ' = -βω

    A sequence begins with the feed-forward states of a `ReadChain`, else with the initial ones; within it (a `Held`
    sample) h goes on from where it was: with inference = 1 that is incremental predictive coding (iPC). Of a
    `ReadChain` the output and L are the forecast's, made before a target was seen. H' is the energy F.
    """

    title = "Predictive coding"
    settings_type = PredictiveSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "z": Quantity("z", "-τ times the error"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("ω", "costate of θ", "weight"),
    }
    conjugate = ("h", "z")
    equations = (
        "F = {phi} L + ½|e|², z = -τ e = τ² f(u, h, θ)",
        "h ← h - {rate} ∂H'/∂h, {inference} times",
        "{mode}",
        "ω' = ∂H'/∂θ - {eta} ω",
        "θ' = -{beta} ω",
        "each step: x ← x + {tau} x'",
    )

    def propose(self, sample: Sample) -> Step:
        """∂F/∂θ at the inferred states."""
        c = self.numbers(sample)
        free = self._free(sample, c)
        at = free.read(free.h, None)
        f, z, slopes = (self._relaxed if c.mode == "relax" else self._carried)(sample, c, free)
        reading = f.read(f.h, sample.target)
        energy = c.phi * scalar(reading.loss) + _dot(z, controlled(f.v, z, 0.5 / c.tau**2))
        loss = scalar(free.read(free.h, sample.target).loss)
        return Step(tensors(f.h), tensors(z), owned(at.y, free.h), loss, energy, slopes, c.tau, 1 - c.tau * c.eta)

    @classmethod
    def regime(cls, settings: PredictiveSettings) -> Regime:
        """How far the inference is from backprop, in words."""
        words = {
            "relax": "the states relax, and settle where F is least",
            "fixed": "predictions stay: the errors are those of backprop once they have arrived",
            "wave": "each layer is read when the error arrives: backprop",
        }
        return Regime(settings.mode, words[settings.mode], cure="lower γ, β or φ")

    def _free(self, sample: Sample, c: Any) -> Flow:
        """The flow at the states that no target has touched."""
        if isinstance(self.network, ReadChain):
            return self.law.flow(sample.u, dict(self.network.settled(sample.u)), c.tau)
        h, _ = self.state_for(sample)
        if not h:
            raise bad("Predictive", "a network without state", "one with a state", "hlcore.networks.ReadChain is one")
        return self.law.flow(sample.u, h, c.tau)

    def _relaxed(self, sample: Sample, c: Any, free: Flow) -> tuple[Flow, Arrays, Slopes]:
        """(flow, z, ∂H'/∂θ) after the moves; the states begin as they were left, or free."""
        f = free if self._h is None else self.law.flow(sample.u, self._h, c.tau)
        for moves in range(c.inference + 1):
            z = {name: c.tau**2 * v for name, v in f.v.items()}
            dh, dtheta = f.derivative(f.read(f.h, sample.target), c.phi, z)
            if moves == c.inference:
                break
            moved = {name: axpy(1.0, x, -c.rate, dh[name]) for name, x in f.h.items()}
            f = self.law.flow(sample.u, dict(tensors(moved)), c.tau)
        return f, z, dtheta

    def _carried(self, sample: Sample, c: Any, free: Flow) -> tuple[Flow, Arrays, Slopes]:
        """The same with z as what is kept, z ← z + γτ ∂H'/∂h at the free states (E*3 with held states).

        "wave" is Z-IL in the form that is backprop's to the bit: γ = 1, each z moved and read once, as the error comes
        down to it, before which neither it nor the state has moved.
        """
        z: Arrays = {name: 0 * v for name, v in free.v.items()}
        at, wave = free.read(free.h, sample.target), c.mode == "wave"
        turns = [[name] for name in reversed(z)] if wave else [list(z)] * c.inference
        for names in turns:
            dh, _ = free.derivative(at, c.phi, z)
            gain = c.tau if wave else c.rate * c.tau
            z |= {name: z[name] + gain * dh[name] for name in names if dh[name] is not None}
        return free, z, added_slopes(free.to_weights(z), at.pull(c.phi)[1])


def _dot(z: Arrays, v: Arrays) -> float:
    """z·v."""
    return sum(float((z[name] * x).sum()) for name, x in v.items())
