"""Samples that wait: each stays for several steps, so that a chain of groups has time to see it through."""

from __future__ import annotations

from dataclasses import replace

from ..errors import bad, whole
from ..law.sample import Sample
from .stream import Stream


class Held(Stream):
    """Sample k of `stream` at steps k·steps … (k+1)·steps - 1, with end=False: nothing is cleared in between."""

    def __init__(self, stream: Stream, steps: int) -> None:
        if not isinstance(stream, Stream):
            raise bad("Held stream", type(stream).__name__, "a replayable hlcore.streams.Stream")
        self.stream, self.steps = stream, whole("steps", steps)
        self.length = None if stream.length is None else stream.length * steps

    def sample(self, k: int) -> Sample:
        """stream[k // steps], not the end of anything."""
        return replace(self.stream[k // self.steps], end=False)
