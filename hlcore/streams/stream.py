"""What every stream is: samples by index."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from ..errors import bad
from ..law.sample import Sample


class Stream(ABC):
    """A pure function index -> Sample, fixed by its arguments and its seed, so that it can be replayed.

    length   number of samples, or None for a stream without end
    answers  True for a World, whose next sample depends on what the learner did: only it has a state, and acts
    """

    length: int | None = None
    answers: bool = False

    @abstractmethod
    def sample(self, k: int) -> Sample:
        """The k-th sample; k is in range."""

    def act(self, output: Tensor) -> None:  # noqa: B027
        """What every run loop says after a step: the output of the sample just taken."""

    def state(self) -> Any:
        """What the next samples depend on beside the index, as JSON has it."""
        return None

    def restore(self, state: Any) -> None:  # noqa: B027
        """Go back to where `state` was told."""

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


def replayable(what: str, stream: Any) -> Stream:
    """`stream` if its samples can be asked for in any order, or an HLError."""
    if not isinstance(stream, Stream) or stream.answers:
        answers = "its next sample depends on what is done" if isinstance(stream, Stream) else ""
        raise bad(what, type(stream).__name__, "a replayable hlcore.streams.Stream", answers)
    return stream


def walked(stream: Any) -> Iterator[Any]:
    """A walk through `stream` from its beginning, or an HLError where there is nothing to walk through."""
    try:
        return iter(stream)
    except TypeError:
        raise bad("stream", type(stream).__name__, "an iterable of Samples") from None
