"""Prequential evaluation: every sample is first foretold, then learned from."""

import math
from collections.abc import Callable, Iterable
from itertools import islice
from numbers import Real
from typing import Protocol

import numpy as np
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..errors import MISTAKES, bad, described, first_line, kind, number, whole
from ..law.point import Report
from ..law.sample import Sample
from ..records.columns import Dataset
from ..streams.stream import Stream, walked

Reading = Callable[[int, Tensor], Tensor]


class Stepper(Protocol):
    """What can be judged: every learner, and whatever else has this one method."""

    def step(self, sample: Sample) -> Report:
        """Output first, from what was learned before; then learn from the sample's target."""


def prequential(learner: Stepper, stream: Iterable[Sample], steps: int, read: Reading | None = None) -> Dataset:
    """error_k = forecast_k - target_k, where forecast_k was made before target_k was used (Dawid 1984; Gama 2013).

    In both orders of `Learner` the output is evaluated with the weights before the step, so `learner.step` is test,
    then learn: target_k cannot move forecast_k. Target k must be known when sample k + 1 arrives: one step ahead.

    steps  samples to go through
    read   (k, y) -> y in the unit of the series, for outputs and targets alike, such as `Changes.read`; None: as it is

    Returns forecast, target and error, (step, channel), and loss (step). Where targets are classes, the forecast is the
    class of the largest output, and error is 1 where it is another, (step, sample). A last batch that is smaller is
    filled up with nan. Raises HLError for a sample without target, before anything is learned where the stream can be
    replayed, and for a stream that ends before `steps`; what the learner raises (`Diverged`) goes through.
    """
    import xarray

    whole("steps", steps)
    if not callable(getattr(learner, "step", None)):
        raise bad("learner", type(learner).__name__, "one with a method step(sample)")
    if read is not None and not callable(read):
        raise bad("read", repr(read), "a function (k, y) -> y, or None")
    if isinstance(stream, Stream) and stream.length is not None and stream.length < steps:
        raise bad("stream", f"{stream.length} samples", f"at least {steps}", "ask for fewer steps")
    walk = walked(stream)
    if isinstance(stream, Stream) and not stream.answers:  # told before anything is learned
        for k in range(steps):
            _require_target(k, stream[k])
            _in_unit(read, k, stream[k].target)
    forecasts, targets, losses = list[Tensor](), list[Tensor](), list[float]()
    for k, sample in enumerate(islice(walk, steps)):
        _require_target(k, sample)
        report = learner.step(sample)
        classes = not sample.target.is_floating_point() and sample.target.shape != report.output.shape
        found = report.output.detach().argmax(1) if classes else report.output.detach()
        forecast, target = (_in_unit(read, k, x) for x in (found, sample.target))
        forecasts.append(forecast.flatten())
        targets.append(target.flatten())
        losses.append(report.loss)
        if isinstance(stream, Stream):
            stream.act(report.output)
    if len(losses) < steps:
        raise bad("stream", f"{len(losses)} samples", f"at least {steps}", "ask for fewer steps")
    y, known = (pad_sequence(x, batch_first=True, padding_value=math.nan).cpu().numpy() for x in (forecasts, targets))
    error, axes = ((y != known) + 0.0 * y if classes else y - known), ("step", "sample" if classes else "channel")
    data = {"forecast": (axes, y), "target": (axes, known), "error": (axes, error), "loss": ("step", losses)}
    return xarray.Dataset(data, {"step": np.arange(steps)})


def _in_unit(read: Reading | None, k: int, x: Tensor) -> Tensor:
    if read is None:
        return x.double()
    try:
        found = read(k, x.double())
    except MISTAKES as error:
        raise bad(
            "read", f"{type(error).__name__}: {first_line(error)}", "a function (k, y) -> y of tensors"
        ) from error
    return kind("read", found, Tensor, "a function (k, y) -> y of tensors")


def _require_target(k: int, sample: Sample) -> None:
    if not isinstance(sample, Sample):
        raise bad(f"sample {k}", type(sample).__name__, "an hlcore.Sample", "streams.Labelled makes them of pairs")
    if not isinstance(sample.target, Tensor):
        raise bad(f"target of sample {k}", type(sample.target).__name__, "a tensor to compare with")


def drifts(signal: Iterable[float], delta: float = 0.002) -> list[int]:
    """Where the mean of a signal, say of |error|, is found to have changed: the samples at which ADWIN drops its past.

    ADWIN keeps a window and drops its older part when the means of two parts differ by more than chance allows (Bifet
    and Gavaldà 2007; river.drift.ADWIN). It looks every 32 samples: a change is found after it happened, never before.

    delta  chance of a false alarm, in (0, 1)
    """
    from river.drift import ADWIN

    if not 0 < number("delta", delta) < 1:
        raise bad("delta", delta, "a number between 0 and 1")
    kind("signal", signal, Iterable, "numbers")
    if isinstance(signal, (Tensor, np.ndarray)) and signal.ndim != 1:
        raise bad("signal", described(signal), "numbers in one axis")
    detector, found = ADWIN(delta=delta), list[int]()
    for k, value in enumerate(signal):
        if isinstance(value, bool) or not isinstance(value, (Real, np.number, Tensor)) or not math.isfinite(value):
            raise bad(f"signal at sample {k}", repr(value), "a finite number")
        detector.update(float(value))
        if detector.drift_detected:
            found.append(k)
    return found
