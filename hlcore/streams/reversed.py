"""A sequence followed by its own reverse: the stream on which BPTT is a forward learner."""

from bisect import bisect_right
from dataclasses import replace

from ..errors import bad, whole
from ..law.sample import Sample
from .stream import Stream, replayable

LONGEST = 1_000_000  # tokens after which a sequence is taken for an endless stream


def there_and_back(n: int, window: int | None = None) -> list[int]:
    """0 … n-1, then n-2 … 0, or only the next window - 1 of those: the last token is not repeated (P, eq. 24-27)."""
    back = n if window is None else min(n, whole("window", window))
    return [*range(n), *range(n - 2, n - 1 - back, -1)]


class Reversed(Stream):
    """Each sequence of `stream` (up to an end=True), then the same tokens reversed, the last one not repeated.

    window  None: back to the first token; r: only the last r - 1 tokens are reversed, as truncated BPTT(r) needs

    A sequence of n tokens becomes one of 2n - 1 (n + r - 1). Only its very last token has end=True.
    """

    def __init__(self, stream: Stream, window: int | None = None) -> None:
        self.stream = replayable("Reversed stream", stream)
        self.window = None if window is None else whole("window", window)
        self._starts, self._turned = [0], [0]  # where each sequence begins, in `stream` and here
        if stream.length is not None:
            while self._starts[-1] < stream.length:
                self._next_sequence()
            self.length = self._turned[-1]

    def token(self, k: int) -> tuple[int, bool]:
        """(index in `stream` of token k, whether it is on the way back; the turning token is)."""
        while self._turned[-1] <= whole("k", k, 0):
            self._next_sequence()
        i = bisect_right(self._turned, k) - 1
        q, n = k - self._turned[i], self._starts[i + 1] - self._starts[i]
        return self._starts[i] + there_and_back(n, self.window)[q], q >= n - 1

    def sample(self, k: int) -> Sample:
        """Token k, its end mark moved to the end of the way back."""
        index, _ = self.token(k)
        return replace(self.stream[index], end=k + 1 in self._turned)

    def _next_sequence(self) -> None:
        start, n = self._starts[-1], 1
        while not self.stream[start + n - 1].end and start + n != self.stream.length:
            n += 1
            if n > LONGEST:
                raise bad("Reversed stream", "a sequence without end", "samples with end=True now and then")
        self._starts.append(start + n)
        self._turned.append(self._turned[-1] + len(there_and_back(n, self.window)))
