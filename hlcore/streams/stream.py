"""What every replayable stream is: samples by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ..errors import bad
from ..law.sample import Sample


class Stream(ABC):
    """A pure function index -> Sample, fixed by its arguments and its seed, so that it can be replayed.

    length  number of samples, or None for a stream without end
    """

    length: int | None = None

    @abstractmethod
    def sample(self, k: int) -> Sample:
        """The k-th sample; k is in range."""

    def __getitem__(self, k: int) -> Sample:
        if isinstance(k, bool) or not isinstance(k, int):
            raise bad("stream index", repr(k), "a whole number >= 0")
        if k < 0 or (self.length is not None and k >= self.length):
            upper = "" if self.length is None else f" and < {self.length}"
            raise bad("stream index", k, f"a whole number >= 0{upper}")
        return self.sample(k)

    def __iter__(self) -> Iterator[Sample]:
        return self.since(0)

    def since(self, k: int) -> Iterator[Sample]:
        """Walk the stream from sample k on: how a run is resumed or forked."""
        while self.length is None or k < self.length:
            yield self[k]
            k += 1
