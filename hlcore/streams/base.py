"""What every replayable stream is: samples by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from ..errors import complain
from ..sample import Sample


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
            raise complain("stream index", repr(k), "a whole number >= 0")
        if k < 0 or (self.length is not None and k >= self.length):
            upper = "" if self.length is None else f" and < {self.length}"
            raise complain("stream index", k, f"a whole number >= 0{upper}")
        return self.sample(k)

    def __iter__(self) -> Iterator[Sample]:
        return self.since(0)

    def since(self, k: int) -> Iterator[Sample]:
        """Walk the stream from sample k on: how a run is resumed or forked."""
        while self.length is None or k < self.length:
            yield self[k]
            k += 1


def count(name: str, value: Any, least: int = 1) -> int:
    """`value` if it is a whole number >= least, or an HLError that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise complain(name, repr(value), f"a whole number >= {least}")
    return value
