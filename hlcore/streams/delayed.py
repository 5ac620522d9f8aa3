"""Samples that wait, and targets that come late, as a chain of groups needs them; samples that do not wait."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..errors import bad, number, whole
from ..law.sample import Sample
from .stream import Stream, replayable


class Held(Stream):
    """Sample k of `stream` at steps k·steps … (k+1)·steps - 1, with end=False: nothing is cleared in between.

    ends  end=True at the last of them: two phases, what settles while a sample is held and what is done at its end
    """

    def __init__(self, stream: Stream, steps: int, ends: bool = False) -> None:
        self.stream, self.steps, self.ends = replayable("Held stream", stream), whole("steps", steps), ends
        self.length = None if stream.length is None else stream.length * steps

    def sample(self, k: int) -> Sample:
        return replace(self.stream[k // self.steps], end=self.ends and k % self.steps == self.steps - 1)


class Late(Stream):
    """Sample k has the input of stream[k] and the target of stream[k - steps]; None before the first.

    A parallel Chain of G groups shows the output of sample k - G at step k: `Late(stream, G)` compares it with its own
    target instead of a newer one.
    """

    def __init__(self, stream: Stream, steps: int) -> None:
        self.stream, self.steps = replayable("Late stream", stream), whole("steps", steps, 0)
        self.length = stream.length

    def sample(self, k: int) -> Sample:
        target = self.stream[k - self.steps].target if k >= self.steps else None
        return replace(self.stream[k], target=target)


class Clock:
    """Samples of `stream` that arrive every `period` seconds; what arrives while the learner is busy is lost.

    Each sample carries dt = tau * (ticks since the sample processed before), so that the learner knows how much time
    it missed (P, section 5). `dropped` counts the lost ones. A live source cannot be replayed.

    longest  ticks; a longer gap (a laptop was asleep) is an HLError, after which a new walk goes on. None: no gap is
             too long, and the learner bridges it (`law.gap`)
    """

    def __init__(
        self, stream: Stream, period: float, tau: float = 1.0,
        now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
        longest: int | None = None,
    ) -> None:  # fmt: skip
        self.stream = replayable("Clock stream", stream)
        self.period, self.tau = number("period", period, positive=True), number("tau", tau, positive=True)
        self._now, self._sleep = now, sleep
        self.longest = None if longest is None else whole("longest", longest)
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
            if self.longest is not None and last >= 0 and tick - last > self.longest:
                raise bad(
                    "Clock", f"a gap of {tick - last} ticks", f"at most {self.longest}", "walk it anew, and go on"
                )
            self.dropped += tick - last - 1
            yield replace(self.stream[tick], dt=self.tau * (tick - last))
            last = tick
