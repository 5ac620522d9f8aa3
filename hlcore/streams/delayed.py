"""Samples that wait, and targets that come late: what a chain of groups needs to see a sample through."""

from dataclasses import replace

from ..errors import whole
from ..law.sample import Sample
from .stream import Stream, replayable


class Held(Stream):
    """Sample k of `stream` at steps k·steps … (k+1)·steps - 1, with end=False: nothing is cleared in between."""

    def __init__(self, stream: Stream, steps: int) -> None:
        self.stream, self.steps = replayable("Held stream", stream), whole("steps", steps)
        self.length = None if stream.length is None else stream.length * steps

    def sample(self, k: int) -> Sample:
        return replace(self.stream[k // self.steps], end=False)


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
