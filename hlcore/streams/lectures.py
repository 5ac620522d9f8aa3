"""The lectures of the signal school (K): eight signals, each described by three tokens."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import bad, known, whole
from ..law.sample import Sample
from .signals import Function, sines, square
from .stream import Stream

TOKENS = ("3sin", "square", "hf", "lf", "ha", "la")


class Signal(NamedTuple):
    """A signal t -> number, and the tokens that describe it."""

    tokens: tuple[str, ...]
    x: Function


def _wave(kind: str, high: bool, a: float) -> Function:
    if kind == "square":
        return square(0.06 if high else 0.03, a, 0.5)
    return sines((0.11, 0.07, 0.05), [a * c for c in ((0.8, 0.16, 0.16) if high else (0.16, 0.16, 0.8))])


SIGNALS: Mapping[str, Signal] = {
    ("smo" if kind == "3sin" else "squ") + pitch + loud: Signal(
        (kind, pitch.lower(), loud.lower()), _wave(kind, pitch == "Hf", 1.0 if loud == "Ha" else 0.5)
    )
    for kind, pitch, loud in product(("3sin", "square"), ("Hf", "Lf"), ("Ha", "La"))
}
HELD_OUT = "squLfLa"  # the one that K never teaches


class Lectures(Stream):
    """`rounds` times a lecture of `steps` samples on each signal, each beginning at t = 0, with end=True at its last.

    u is the descriptor d (a 1 for each token), then `silent` zeros: the slot of a signal that is not given (K).
    announced  True: each lecture begins with d alone, without target: a network that starts free is born there
    The stream ends after the last round; every sample has the same tensor u throughout a lecture.
    """

    def __init__(
        self, signals: Mapping[str, Signal], steps: int = 1000, rounds: int = 3, silent: int = 0,
        announced: bool = False,
    ) -> None:  # fmt: skip
        if not signals:
            raise bad("signals", "none", "at least one to teach")
        self.steps, self.silent, self.announced = whole("steps", steps), whole("silent", silent, 0), announced
        self.names = list(signals)
        self._u = {name: describe(s.tokens, silent) for name, s in signals.items()}
        self._targets = {name: heard(s.x, steps) for name, s in signals.items()}
        self.lecture = self.steps + announced  # samples in one
        self.length = whole("rounds", rounds) * len(self.names) * self.lecture

    def place(self, k: int) -> tuple[int, str, int]:
        """(round, signal, step in the lecture, -1 for its announcement) of sample k."""
        lecture, q = divmod(k, self.lecture)
        return lecture // len(self.names), self.names[lecture % len(self.names)], q - self.announced

    def sample(self, k: int) -> Sample:
        _, name, q = self.place(k)
        return Sample(self._u[name].clone(), None if q < 0 else self._targets[name][q].clone(), end=q == self.steps - 1)


def describe(tokens: Sequence[str], silent: int = 0) -> Tensor:
    """The descriptor (1, len(TOKENS) + silent): 1 for each token."""
    if isinstance(tokens, str):
        raise bad("tokens", repr(tokens), "a sequence of tokens", f"write ({tokens!r},)")
    for token in tokens:
        known("token", token, TOKENS)
    d = [float(token in tokens) for token in TOKENS]
    return torch.tensor([d + [0.0] * silent], dtype=torch.get_default_dtype())


def heard(x: Callable[[float], object], steps: int, step: float = 0.1) -> Tensor:
    """x(0), x(step), … as (steps, 1, 1)."""
    values = [float(x(k * step)) for k in range(steps)]  # type: ignore[arg-type]
    return torch.tensor(values, dtype=torch.get_default_dtype()).view(steps, 1, 1)
