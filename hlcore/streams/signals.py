"""Signals of time that never end: sums of sines, square waves, or any function."""

import math
import sys
from collections.abc import Callable, Sequence
from numbers import Real

import torch

from ..errors import bad, first_line, number, whole
from ..law.sample import Sample
from .stream import Stream

Function = Callable[[float], float | Sequence[float]]


class Signal(Stream):
    """u = x(t_k), target = x(t_k + horizon·step) at t_k = k·step, without end: predict the signal a little ahead.

    x         t -> number, or -> a sequence of numbers (channels)
    step      time between samples, > 0
    horizon   how many samples ahead the target lies, >= 0
    """

    def __init__(self, x: Function, step: float = 0.1, horizon: int = 1) -> None:
        if not callable(x):
            raise bad("signal", repr(x), "a function t -> number", "hlcore.streams.sines(...) makes one")
        self.x, self.step = x, number("step", step, positive=True)
        self.horizon = whole("horizon", horizon, 0)
        self.dtype = torch.get_default_dtype()

    def sample(self, k: int) -> Sample:
        return Sample(self._at(k), self._at(k + self.horizon), end=False)

    def _at(self, k: int) -> torch.Tensor:
        value = self.x(k * self.step)
        channels = [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]
        return torch.tensor([channels], dtype=self.dtype)


def sines(frequencies: Sequence[float], amplitudes: Sequence[float], phases: Sequence[float] | None = None) -> Function:
    """x(t) = Σ a_i sin(2π(f_i t + p_i)); frequencies in cycles per unit of time, phases in cycles."""
    try:
        frequencies, amplitudes = list(frequencies), list(amplitudes)
        shifts = [0.0] * len(frequencies) if phases is None else list(phases)
    except TypeError as error:
        raise bad("sines", first_line(error), "lists of numbers") from error
    if not len(frequencies) == len(amplitudes) == len(shifts) or not shifts:
        got = f"{len(frequencies)} frequencies, {len(amplitudes)} amplitudes, {len(shifts)} phases"
        raise bad("sines", got, "the same number of each, at least one")
    for x in (*frequencies, *amplitudes, *shifts):
        if isinstance(x, bool) or not isinstance(x, Real) or not abs(x) <= sys.float_info.max:
            raise bad("sines", repr(x), "finite numbers")
    parts = list(zip(frequencies, amplitudes, shifts, strict=True))
    return lambda t: sum(a * math.sin(2 * math.pi * (f * t + p)) for f, a, p in parts)


def square(frequency: float, amplitude: float = 1.0, phase: float = 0.0) -> Function:
    """x(t) = +a in the first half of each period, -a in the second."""
    frequency = number("frequency", frequency, positive=True)
    return lambda t: amplitude if (frequency * t + phase) % 1.0 < 0.5 else -amplitude
