"""river's learners: its linear regression as a learner like any other, and others behind `Learner`'s own `step`."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, smooth_l1_loss

from ..declared import BaseSettings, positive, setting
from ..errors import Diverged, bad, whole
from ..law.point import Report, Tensors
from ..law.sample import Sample
from ..law.settings import WeightSettings
from .base import BaseLearner
from .catalogue import register
from .terms import Quantity, Regime, Step


@dataclass(frozen=True)
class RiverSettings(BaseSettings):
    """Those of river's linear regression: lr γ >= 0, l2 λ >= 0, and tau, the time that a step takes."""

    lr: float = setting(0.01, "γ", "learning rate", "w⁺ = w - γ g; type 0 to freeze")
    l2: float = setting(0.0, "λ", "penalty", "g = ∂L/∂w + λ w; type 0 for none")
    tau: float = setting(1.0, "τ", "step", "time per step", positive)


@register("river")
class RiverRegressor(BaseLearner):
    """river's LinearRegression by plain SGD on the entries of u, whatever the network is: y = w·u + b.

    One sample a step (batch 1), one number to foretell. The loss is the experiment's where river has it (absolute,
    Huber), else the square of the error. The network stands still: it is only there to be raced against.
    """

    title = "river's linear regression"
    settings_type = RiverSettings
    quantities: ClassVar[dict[str, Quantity]] = {"theta": Quantity("w", "weights", "weight")}
    conjugate = ("theta", "theta")
    equations = ("y = w·u + b", "g = ∂L(y)/∂w + {l2} w", "w⁺ = w - {lr} g", "each step takes {tau}")

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> RiverSettings:
        """γ = τβφ/η: the rate at which HL goes downhill in the long run."""
        if not isinstance(settings, WeightSettings) or not isinstance(settings.beta, float):
            return RiverSettings.of(settings)
        c = settings.at(0.0)
        return RiverSettings(lr=c.tau * c.beta * c.phi / c.eta if c.eta else RiverSettings().lr, tau=c.tau)

    @classmethod
    def regime(cls, settings: RiverSettings) -> Regime:
        """Whether anything moves."""
        frozen = settings.lr == 0
        kind, words = ("frozen", "γ = 0: the weights stand still") if frozen else ("plain", "plain SGD")
        return Regime(kind, words, cure="lower {lr}")

    def propose(self, sample: Sample) -> Step:
        """Foretell the target, then learn from it: the next weights and the number of steps so far are its memory."""
        u, target = numbers(sample)
        if not sample.target.is_floating_point():
            raise bad("sample", "a class as target", "a number to foretell", "take a learner that has a network")
        model, x = self._model(), {f"u[{i}]": value for i, value in enumerate(u)}
        y = float(model.predict_one(x))
        model.learn_one(x, target)
        output = torch.tensor([[y]], dtype=torch.float64)
        loss = float(self.loss(output, sample.target.to(output).view(1, 1)))
        weights = {k: float(w) for k, w in model.weights.items()}
        told = {**weights, "intercept": float(model.intercept)}
        for name, w in told.items():
            if not math.isfinite(w):
                raise Diverged("theta", name, self.t, self.steps)
        memory = {"weights": weights, "intercept": float(model.intercept), "seen": self.memory.get("seen", 0) + 1}
        return Step({}, None, output, loss, 0.0, None, memory=memory)

    def traced(self) -> dict[str, Tensors]:
        """w and b."""
        told = {**self.memory.get("weights", {}), "intercept": self.memory.get("intercept", 0.0)}
        return {"theta": {name: torch.tensor(w, dtype=torch.float64) for name, w in told.items()}}

    def _arrive(self, step: Step, sample: Sample) -> None:
        """The network has not been asked: its state is where it was."""

    def _model(self) -> Any:
        from river import linear_model, optim

        losses: dict[Any, Any] = {smooth_l1_loss: optim.losses.Huber(1.0), l1_loss: optim.losses.Absolute()}
        loss, s = losses.get(self.loss, optim.losses.Squared()), self.settings
        model = linear_model.LinearRegression(optim.SGD(s.lr), loss=loss, l2=s.l2, intercept_lr=s.lr)
        for name, w in self.memory.get("weights", {}).items():
            model._weights[name] = w
        model.intercept, model.optimizer.n_iterations = self.memory.get("intercept", 0.0), self.memory.get("seen", 0)
        return model


class Persistence:
    """y_k = u_k: tomorrow is as today. Nothing is learned."""

    def step(self, sample: Sample) -> Report:
        """u as the forecast of the target."""
        u, target = (x if isinstance(x, Tensor) else None for x in (sample.u, sample.target))
        if u is None or target is None or u.shape != target.shape:
            told, wanted = ("none" if x is None else tuple(x.shape) for x in (u, target))
            raise bad("Persistence", f"u {told} and target {wanted}", "tensors of one shape")
        return _report(0.0, u, target)


class Regressor:
    """One of river's regressors: predict_one(x), then learn_one(x, target), x = the entries of the last `lags` u.

    Before there are `lags` of them the first u stands in. One sample a step (batch 1), one number to foretell.
    """

    def __init__(self, model: Any, lags: int = 1) -> None:
        _require(model, "predict_one", "learn_one")
        self.model, self.lags, self.steps = model, whole("lags", lags), 0
        self._past: deque[list[float]] = deque(maxlen=lags)

    def step(self, sample: Sample) -> Report:
        """Foretell the target, then learn from it."""
        u, target = numbers(sample)
        self._past.extendleft([u] * (1 if self._past else self.lags))
        x = {f"u{i}[{j}]": value for i, row in enumerate(self._past) for j, value in enumerate(row)}
        y = float(self.model.predict_one(x))
        self.model.learn_one(x, target)
        self.steps += 1
        return _report(float(self.steps), torch.tensor([[y]], dtype=torch.float64), sample.target)


class Forecaster:
    """One of river's time series models: forecast(1), then learn_one(target); it is told the first u to begin with.

    While a model has not seen enough to say anything, the last value stands in for its forecast.
    """

    def __init__(self, model: Any) -> None:
        _require(model, "forecast", "learn_one")
        self.model, self.steps = model, 0

    def step(self, sample: Sample) -> Report:
        """Foretell the target, then learn from it."""
        u, target = numbers(sample)
        if not self.steps:
            self.model.learn_one(u[0])
        try:
            (y,) = self.model.forecast(1)
        except (IndexError, ValueError):
            y = u[0]  # not begun yet
        self.model.learn_one(target)
        self.steps += 1
        return _report(float(self.steps), torch.tensor([[y]], dtype=torch.float64), sample.target)


def numbers(sample: Any) -> tuple[list[float], float]:
    """The entries of u, and the target, of a sample for river."""
    if not isinstance(sample, Sample):
        raise bad("step", type(sample).__name__, "an hlcore.Sample", "write Sample(u, target)")
    u, target = sample.u, sample.target
    if not isinstance(u, Tensor) or not isinstance(target, Tensor) or sample.batch_size != 1 or target.numel() != 1:
        got = f"batch {sample.batch_size} and target {tuple(target.shape) if isinstance(target, Tensor) else target}"
        raise bad("sample", got, "one sample with one number as target")
    return u.double().flatten().tolist(), float(target)


def _report(t: float, y: Tensor, target: Any) -> Report:
    """The loss is the square of the error; there is no Hamiltonian."""
    return Report(t, float((y - target.to(y.device)).square().mean()), 0.0, y)


def _require(model: Any, *methods: str) -> None:
    if not all(callable(getattr(model, name, None)) for name in methods):
        raise bad("river model", type(model).__name__, f"an instance with {' and '.join(methods)}")
