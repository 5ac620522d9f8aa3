"""Targets that come late, together with an output that comes late too."""

from __future__ import annotations

from dataclasses import replace

from ..errors import bad, whole
from ..law.sample import Sample
from .stream import Stream


class Late(Stream):
    """Sample k has the input of stream[k] and the target of stream[k - steps]; None before the first.

    A parallel Chain of G groups shows the output of sample k - G at step k: `Late(stream, G)` compares it with its own
    target instead of a newer one.
    """

    def __init__(self, stream: Stream, steps: int) -> None:
        if not isinstance(stream, Stream):
            raise bad("Late stream", type(stream).__name__, "a replayable hlcore.streams.Stream")
        self.stream, self.steps = stream, whole("steps", steps, 0)
        self.length = stream.length

    def sample(self, k: int) -> Sample:
        """stream[k] with the target of stream[k - steps]."""
        target = self.stream[k - self.steps].target if k >= self.steps else None
        return replace(self.stream[k], target=target)
