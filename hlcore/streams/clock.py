"""A live source: a stream read against the clock, which does not wait."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..errors import bad, number
from ..law.sample import Sample
from .stream import Stream, replayable


class Clock:
    """Samples of `stream` that arrive every `period` seconds; what arrives while the learner is busy is lost.

    Each sample carries dt = tau * (ticks since the sample processed before), so that the learner knows how much time
    it missed (P, section 5). `dropped` counts the lost ones. A live source cannot be replayed.
    """

    def __init__(
        self, stream: Stream, period: float, tau: float = 1.0,
        now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.stream = replayable("Clock stream", stream)
        self.period, self.tau = number("period", period, positive=True), number("tau", tau, positive=True)
        self._now, self._sleep = now, sleep
        self.dropped = 0

    def __getitem__(self, k: int) -> Sample:
        raise bad("Clock", "an index", "a walk", "a live source cannot be replayed: record its stream instead")

    def __iter__(self) -> Iterator[Sample]:
        start, last = self._now(), -1
        while True:
            tick = math.floor((self._now() - start) / self.period)
            if tick <= last:
                self._sleep(max(0.0, start + (last + 1) * self.period - self._now()))
                tick = max(last + 1, math.floor((self._now() - start) / self.period))
            if self.stream.length is not None and tick >= self.stream.length:
                return
            self.dropped += tick - last - 1
            yield replace(self.stream[tick], dt=self.tau * (tick - last))
            last = tick
