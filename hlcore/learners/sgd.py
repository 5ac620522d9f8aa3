"""torch.optim.SGD as a learner: what Hamiltonian Learning is without momentum of its own, and the other side of T1."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ..declared import BaseSettings, positive, setting
from ..errors import bad
from ..law.arrays import moved, owned
from ..law.hamiltonian import derivative
from ..law.sample import Sample
from ..law.settings import Settings, WeightSettings
from ..law.weights import Weights
from .base import BaseLearner
from .catalogue import register
from .terms import Quantity, Regime, Step


def _finite(name: str, value: Any) -> float:
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not -sys.float_info.max <= value <= sys.float_info.max:
        raise bad(name, repr(value), "a finite number")
    return float(value)


@dataclass(frozen=True)
class SGDSettings(BaseSettings):
    """Those of torch.optim.SGD, and the time that a step takes.

    lr         γ >= 0     momentum  μ, below zero too, as HL's 1-τη may be     dampening  ρ
    tau        τ > 0; the step of a network's own state, and of the clock

    As HL has them: η = (1-μ)/τ, β = γ/τ, φ = (1-ρ)/τ (P, section 4).
    """

    lr: float = setting(0.01, "γ", "learning rate", "θ⁺ = θ - γb; type 0 to freeze")
    momentum: float = setting(0.0, "μ", "momentum", "share of b kept", _finite, scale="linear")
    dampening: float = setting(0.0, "ρ", "dampening", "share of g lost", _finite, scale="linear")
    tau: float = setting(1.0, "τ", "step", "time per step", positive)

    @property
    def eta(self) -> float:
        """(1-μ)/τ."""
        return (1 - self.momentum) / self.tau

    @property
    def beta(self) -> float:
        """γ/τ."""
        return self.lr / self.tau

    @property
    def phi(self) -> float:
        """(1-ρ)/τ; without momentum torch never dampens."""
        return (1 - self.dampening if self.momentum else 1.0) / self.tau


@register("sgd")
class SGD(BaseLearner):
    """b⁺ = μ b + (1-ρ) g, θ⁺ = θ - γ b⁺, by torch.optim.SGD itself; b is ω (P, section 4; theorem T1).

    g = ∂L(f^y(h + τ f^h(u,h,θ), ŷ))/∂θ with h as it is: no gradient through time. For a network without state, or one
    whose samples all have end=True, this is plain SGD, and HL in sequential order has the same weights. On a state that
    lives on it is backpropagation cut off after one step.

    torch's two conventions: the first gradient of a weight is not dampened, nor is any while μ = 0.
    """

    title = "torch.optim.SGD"
    settings_type = SGDSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("b", "momentum buffer", "weight"),
    }
    equations = (
        "g = ∂L(y⁺)/∂θ",
        "b⁺ = {momentum} b + (1 - {dampening}) g",
        "θ⁺ = θ - {lr} b⁺",
        "h⁺ = h + {tau} f(u, h, θ)",
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._omega = _Buffers(self.law.names, self.law.theta)

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> SGDSettings:
        """γ = τβ, μ = 1-τη, ρ = 1-τφ; without momentum 1-ρ goes into γ. HLError where SGD has nothing like it."""
        if not isinstance(settings, WeightSettings):
            return SGDSettings.of(settings)
        if callable(settings.phi):
            raise bad("learner 'sgd'", "a schedule φ", "a number", "torch.optim.SGD has no schedule of its own")
        known = (
            settings if isinstance(settings, Settings) else WeightSettings.of(settings)
        )  # a window means nothing here
        found = known.to_sgd()
        if found["momentum"] == 0:
            found = {"lr": found["lr"] * (1 - found["dampening"])}
        return SGDSettings(**found, tau=settings.tau)

    @classmethod
    def regime(cls, settings: SGDSettings) -> Regime:
        """The regime of the buffer, whose homogeneous factor is μ, and the map to HL."""
        size = abs(settings.momentum)
        note = (
            f"as HL: τ = {settings.tau:.3g} · η = {settings.eta:.3g} · β = {settings.beta:.3g} · φ = {settings.phi:.3g}"
        )
        for kind, holds, words in (
            ("frozen", settings.lr == 0, "γ = 0: the weights stand still"),
            ("unstable", size > 1, "|μ| > 1: b grows at every step, whatever the data say"),
            ("undamped", size == 1, "|μ| = 1: nothing is forgotten"),
            ("oscillating", settings.momentum < 0, "μ < 0: b changes sign at every step and settles"),
            ("plain", size == 0, "μ = 0: each step forgets the one before"),
            ("smooth", True, f"b remembers about {1 / max(1 - size, 1e-9):.3g} steps"),
        ):
            if holds:
                return Regime(kind, words, kind == "unstable", note, "lower {lr} or {momentum}")
        raise AssertionError

    @classmethod
    def beside(cls, other: BaseLearner) -> Self:
        """torch.optim.SGD from where `other` is now, its ω as buffer."""
        rival = super().beside(other)
        if not isinstance(other, cls) and not getattr(other, "torch_start", False):
            rival._omega.begin([True] * len(rival.law.theta))  # the law dampens a first gradient, too
        return rival

    def propose(self, sample: Sample) -> Step:
        """g of this sample; nothing moves."""
        law, tau = self.law, self.numbers(sample).tau
        h, after = self.state_for(sample)[0], dict[str, Tensor]()
        if h:
            at = h if self._h is None else {name: None if x is None else x.detach() for name, x in h.items()}
            after = moved(at, law.velocity(sample.u, at, tau), tau)
        y = law.output(sample.u, after)
        L = law.loss(y, sample.target)
        g: Sequence[Tensor | None] = [None] * len(law.theta)
        if L is not None and L.requires_grad:
            g = derivative([L], [torch.ones_like(L)], law.theta)
        s = self.settings
        share = 1 - s.dampening if s.momentum else 1.0
        reached = {name: x.detach() for name, x in after.items()}
        return Step(reached, None, owned(y, after), 0.0 if L is None else L.item(), 0.0, g, share, s.momentum)

    def _weigh(self, step: Step, c: Any) -> None:
        assert step.dtheta is not None
        self._omega.scale_by(self.settings.lr)
        self._omega.propose(step.dtheta, step.gain, step.keep, "stand", 1 / step.gain if step.gain else 1.0)


class _Buffers(Weights):
    """The momentum buffers of a torch.optim.SGD, as views of one vector; proposed and checked as ω is."""

    def __init__(self, names: list[str], theta: list[Tensor]) -> None:
        self._optimiser = torch.optim.SGD(theta or [torch.nn.Parameter(torch.empty(0))])
        super().__init__(names, theta)

    def begin(self, started: list[bool]) -> None:
        """Which weights have a buffer: the others' first gradient becomes theirs."""
        super().begin(started)
        for p, view, begun in zip(self.theta, self._views, started, strict=True):
            self._optimiser.state[p]["momentum_buffer"] = view if begun else None

    def propose(
        self, gradients: Sequence[Tensor | None], gain: float, keep: float, missing: str, lift: float, c: Any = None
    ) -> None:
        """As ω is proposed."""
        super().propose(gradients, gain, keep, missing, lift)
        self._share, self._kept = gain, keep

    def overflow(self, tau: float, fresh: bool) -> tuple[str, str] | None:
        """The stride is γ b⁺, whatever the time that a step takes."""
        return super().overflow(1.0, True)

    def commit(self, tau: float, fresh: bool) -> None:
        """One step of the optimiser; the gradients that a user may keep on the weights come back."""
        momentum, gradients = self._kept, self._gradients
        self._optimiser.param_groups[0].update(lr=self._beta, momentum=momentum, dampening=1 - self._share)
        kept = [p.grad for p in self.theta]
        for p, g in zip(self.theta, gradients, strict=True):
            p.grad = g
        self._optimiser.step()
        for p, g, before, view in zip(self.theta, gradients, kept, self._views, strict=True):
            p.grad = before
            if g is not None:
                state = self._optimiser.state[p]
                found = g if momentum == 0 else state["momentum_buffer"]
                if found is not view:
                    view.copy_(found)
                    state["momentum_buffer"] = view
        self.started = [s or g is not None for s, g in zip(self.started, gradients, strict=True)]
        self._all_started = all(self.started)
        self._gradients = ()
