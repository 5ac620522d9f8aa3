"""What forward HL is raced against on real streams: persistence and river's learners, behind `Learner`'s own `step`."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, whole
from ..law.point import Report
from ..law.sample import Sample


class Persistence:
    """y_k = u_k: tomorrow is as today. Nothing is learned."""

    def step(self, sample: Sample) -> Report:
        """u as the forecast of the target."""
        if sample.u.shape != sample.target.shape:
            raise bad("Persistence", f"u {tuple(sample.u.shape)}", f"the target's {tuple(sample.target.shape)}")
        return _report(0.0, sample.u, sample.target)


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
        u, target = _numbers(sample)
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
        u, target = _numbers(sample)
        if not self.steps:
            self.model.learn_one(u[0])
        try:
            (y,) = self.model.forecast(1)
        except (IndexError, ValueError):
            y = u[0]  # not begun yet
        self.model.learn_one(target)
        self.steps += 1
        return _report(float(self.steps), torch.tensor([[y]], dtype=torch.float64), sample.target)


def _numbers(sample: Sample) -> tuple[list[float], float]:
    if sample.batch_size != 1 or sample.target is None or sample.target.numel() != 1:
        raise bad("sample", f"batch {sample.batch_size}", "one sample with one number as target")
    return sample.u.double().flatten().tolist(), float(sample.target)


def _report(t: float, y: Tensor, target: Tensor) -> Report:
    """The loss is the square of the error; there is no Hamiltonian."""
    return Report(t, float((y - target).square().mean()), 0.0, y)


def _require(model: Any, *methods: str) -> None:
    if not all(callable(getattr(model, name, None)) for name in methods):
        raise bad("river model", type(model).__name__, f"an instance with {' and '.join(methods)}")
