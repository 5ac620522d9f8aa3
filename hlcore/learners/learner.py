"""The learner: a network that moves through phase space along a stream."""

import math
from typing import Any, ClassVar, Self

from ..errors import HLError, bad, number
from ..law.arrays import owned, scalar, tensors
from ..law.loss import Loss
from ..law.move import stateless
from ..law.network import Network
from ..law.sample import Sample
from ..law.settings import Settings
from ..law.step import ORDERS
from ..law.weights import received
from .base import BaseLearner
from .captured import Captured
from .catalogue import register
from .terms import Quantity, Regime, Step

REGIMES = (  # name, the largest τη, words; the first that holds
    ("frozen", -math.inf, "β = 0: the weights stand still"),
    ("undamped", 0.0, "η = 0: nothing is forgotten, the weights swing without loss"),
    ("overdamped", 1.0, "τη ≤ 1: ω forgets smoothly"),
    ("oscillating", 2.0, "1 < τη ≤ 2: ω changes sign at every step and settles"),
    ("unstable", math.inf, "τη > 2: ω grows at every step, whatever the data say"),
)


@register("hamiltonian")
class Learner(BaseLearner):
    """State (h, θ) and costate (z, ω) of a network, integrated forward over a stream (P, Algorithm 1).

    order        "euler" (everything at t) or "sequential" (state, costate, weights)
    torch_start  torch's two conventions, for `like_sgd`: the first step of a weight is undampened (τφ = 1), and a
                 weight without gradient in a step stands still. Off: the law itself, E*4 with ∂H'/∂θ = 0.
    reset_omega  clear ω together with h and z after a sample with end=True (P never does)

    A step that would write inf or nan raises `Diverged` and leaves everything at the point before it.
    """

    title = "Hamiltonian Learning"
    settings_type = Settings
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "z": Quantity("z", "costate of h"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("ω", "costate of θ", "weight"),
    }
    conjugate = ("h", "z")
    equations = (
        "H' = {phi} L + z·f - ½ {control} |z|²",
        "h' = f(u, h, θ) - {control} z",
        "θ' = -{beta} ω",
        "z' = -{s} ∂H'/∂h - {eta_z} z",
        "ω' = -{s} ∂H'/∂θ - {eta} ω",
        "each step: x ← x + {tau} x'",
    )
    orders = tuple(ORDERS)

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: Settings | None = None,
        order: str | None = None,
        *,
        torch_start: bool = False,
        reset_omega: bool = False,
        momentum: float | None = None,
    ) -> None:
        self.torch_start, self.reset_omega = torch_start, reset_omega
        self._momentum: tuple[Any, float | None] = (None, momentum)
        super().__init__(network, loss, settings, order)
        self._momentum = self.settings, momentum
        self._move = ORDERS[self.order]
        self.fresh = self.order == "sequential"  # type: ignore[misc]
        self._lift = 1.0

    @classmethod
    def like_sgd(
        cls, network: Network, loss: Loss, lr: float, momentum: float = 0.0, dampening: float = 0.0, tau: float = 1.0
    ) -> Self:
        """A learner whose weights are those of torch.optim.SGD, step by step (P, section 4; theorem T1).

        Sequential order, `Settings.from_sgd`, and torch's two conventions (`torch_start`). Without momentum torch keeps
        no buffer and so never dampens: dampening then counts as 0. While these settings are in force, ω keeps the
        fraction `momentum` itself, not 1-τη with the rounding of η, which a chaotic run would amplify.
        """
        momentum = number("momentum", momentum)
        settings = Settings.from_sgd(lr, momentum, number("dampening", dampening) if momentum else 0.0, tau)
        return cls(network, loss, settings, "sequential", torch_start=True, momentum=momentum)

    @property
    def options(self) -> dict[str, Any]:
        """torch_start, reset_omega, and the momentum of `like_sgd` while its settings are in force."""
        like, momentum = self._momentum
        momentum = momentum if momentum is not None and like == self.settings else None
        return {"torch_start": self.torch_start, "reset_omega": self.reset_omega, "momentum": momentum}

    def captured(self, sample: Sample, every: int = 100, live: bool = False) -> Captured:
        """This learner's steps as replays of one CUDA graph (`learners.captured`); samples are like this one.

        every  steps between two looks for inf and nan      live  settings can change without a new capture
        """
        if type(self).propose is not Learner.propose:
            raise bad("captured", type(self).__name__, "a Learner with the propose of its own", "call learner.step")
        return Captured(self, sample, every, live)

    def propose(self, sample: Sample) -> Step:
        """The move of this order, and how the weights' costates take it: ω⁺ = (1-τη) ω - τs ∂H'/∂θ (E*4)."""
        c, self._lift = self.numbers(sample), 1.0
        phi = c.phi
        if self.torch_start and self.steps == 0:
            c = c._replace(phi=1 / c.tau)  # what brings a weight's first gradient to τφ = 1, as torch has it
        elif self.torch_start and phi > 0:
            self._lift = 1 / (c.tau * phi)
        h, z = self.state_for(sample)
        move = self._move(self.law, sample, h, z, c) if h else stateless(self.law, sample, c)
        loss = scalar(move.loss)
        like, momentum = self._momentum
        kept = momentum is not None and sample.dt is None and (like is self._settings or like == self._settings)
        slopes, gain, keep = received(self.law.theta, move.dtheta, move.scale, c)
        return Step(
            tensors(move.h),
            None if move.z is None else tensors(move.z),
            owned(move.output, move.h),
            loss,
            c.phi * loss + sum(map(float, move.powers())),
            slopes,
            gain,
            momentum if kept else keep,  # type: ignore[arg-type]
        )

    @classmethod
    def regime(cls, settings: Settings) -> Regime:
        """The regime of the weight costate, whose homogeneous factor is 1 - τη (E*4), and the map to SGD."""
        x, frozen = settings.tau * settings.eta, isinstance(settings.beta, float) and settings.beta == 0
        at = 0 if frozen else next(k for k, (_, most, _) in enumerate(REGIMES) if x <= most)
        kind, _, words = REGIMES[at]
        cure = "lower {eta} or {tau}" if kind == "unstable" else "lower {tau}, {beta} or {phi}, or raise {eta}"
        return Regime(kind, words, kind == "unstable", _as_sgd(settings), cure)

    def clear(self) -> None:
        """h to its initial state, z to zero, as after a sample with end=True."""
        if self.reset_omega:
            self._omega.reset()
        super().clear()

    def _weigh(self, step: Step, c: Any) -> None:
        assert step.dtheta is not None
        missing = "stand" if self.torch_start else "decay"
        self._omega.propose(step.dtheta, step.gain, step.keep, missing, self._lift, c)

    def _arrive(self, step: Step, sample: Sample) -> None:
        if sample.end and self.reset_omega:
            self._omega.reset()
        super()._arrive(step, sample)


def _as_sgd(settings: Settings) -> str:
    """The map to torch.optim.SGD: lr τβ, momentum 1-τη and its memory 1/τη in steps, dampening 1-τφ."""
    if not isinstance(settings.beta, float) or callable(settings.phi):
        return "as SGD: β or φ is not one number"
    try:
        sgd, x = settings.to_sgd(), settings.tau * settings.eta
    except HLError as error:
        return f"as SGD: not at all, {error}"
    memory = "for ever" if x == 0 else f"≈ {1 / x:.3g} step{'s' if 1 / x >= 1.5 else ''}" if x < 1 else "the last step"
    return (
        f"as SGD: lr τβ = {sgd['lr']:.3g} · momentum 1-τη = {sgd['momentum']:.3g} (memory {memory})"
        f" · dampening 1-τφ = {sgd['dampening']:.3g}"
    )
