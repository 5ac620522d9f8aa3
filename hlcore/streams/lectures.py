"""The lectures of the signal school (K): eight signals, each described by three tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import bad, unknown, whole
from ..law.sample import Sample
from .signals import Function, sines, square
from .stream import Stream

TOKENS = ("3sin", "square", "hf", "lf", "ha", "la")


class Signal(NamedTuple):
    """A signal t -> number, and the tokens that describe it."""

    tokens: tuple[str, ...]
    x: Function


def _signals() -> dict[str, Signal]:
    high, low = (0.8, 0.16, 0.16), (0.16, 0.16, 0.8)
    found: dict[str, Signal] = {}
    for kind, names in (("3sin", "smo"), ("square", "squ")):
        for pitch in ("Hf", "Lf"):
            for loud, a in (("Ha", 1.0), ("La", 0.5)):
                if kind == "3sin":
                    x = sines((0.11, 0.07, 0.05), [a * c for c in (high if pitch == "Hf" else low)])
                else:
                    x = square(0.06 if pitch == "Hf" else 0.03, a, 0.5)
                found[names + pitch + loud] = Signal((kind, pitch.lower(), loud.lower()), x)
    return found


SIGNALS: Mapping[str, Signal] = _signals()
HELD_OUT = "squLfLa"  # the one that K never teaches


class Lectures(Stream):
    """`rounds` times a lecture of `steps` samples on each signal, each beginning at t = 0, with end=True at its last.

    u is the descriptor d (a 1 for each token), then `silent` zeros: the slot of a signal that is not given (K).
    announced  True: each lecture begins with d alone, without target: a network that starts free is born there
    The stream ends after the last round; every sample has the same tensor u throughout a lecture.
    """

    def __init__(
        self,
        signals: Mapping[str, Signal],
        steps: int = 1000,
        rounds: int = 3,
        step: float = 0.1,
        tokens: Sequence[str] = TOKENS,
        silent: int = 0,
        announced: bool = False,
    ) -> None:
        if not signals:
            raise bad("signals", "none", "at least one to teach")
        self.steps, self.silent, self.announced = whole("steps", steps), whole("silent", silent, 0), announced
        self.names = list(signals)
        self._u = [describe(s.tokens, tokens, silent) for s in signals.values()]
        self._targets = [heard(s.x, steps, step) for s in signals.values()]
        self.lecture = self.steps + announced  # samples in one
        self.length = whole("rounds", rounds) * len(self.names) * self.lecture

    def place(self, k: int) -> tuple[int, str, int]:
        """(round, signal, step in the lecture, -1 for its announcement) of sample k."""
        lecture, q = divmod(k, self.lecture)
        return lecture // len(self.names), self.names[lecture % len(self.names)], q - self.announced

    def sample(self, k: int) -> Sample:
        """(descriptor, signal) at its step."""
        lecture, q = divmod(k, self.lecture)
        i, q = lecture % len(self.names), q - self.announced
        return Sample(self._u[i], None if q < 0 else self._targets[i][q], end=q == self.steps - 1)


def describe(tokens: Sequence[str], vocabulary: Sequence[str] = TOKENS, silent: int = 0) -> Tensor:
    """The descriptor (1, len(vocabulary) + silent): 1 for each token."""
    if isinstance(tokens, str):
        raise bad("tokens", repr(tokens), "a sequence of tokens", f"write ({tokens!r},)")
    for token in tokens:
        if token not in vocabulary:
            raise unknown("token", token, vocabulary)
    d = [float(token in tokens) for token in vocabulary]
    return torch.tensor([d + [0.0] * silent], dtype=torch.get_default_dtype())


def heard(x: Callable[[float], object], steps: int, step: float) -> Tensor:
    """x(0), x(step), … as (steps, 1, 1)."""
    values = [float(x(k * step)) for k in range(steps)]  # type: ignore[arg-type]
    return torch.tensor(values, dtype=torch.get_default_dtype()).view(steps, 1, 1)
