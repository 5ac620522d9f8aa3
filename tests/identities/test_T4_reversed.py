"""The reversed stream is a stream: n tokens, then the same reversed, the last not repeated."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hlcore import HLError, Sample
from hlcore.streams import Reversed, Signal, Stream, sines

few = settings(max_examples=25, deadline=None, derandomize=True)


class Sequences(Stream):
    """Sequences of the given lengths, for one round or without end; a token's input is its index."""

    def __init__(self, lengths, rounds=1):
        self.ends = [n == k + 1 for n in lengths for k in range(n)]
        self.length = None if rounds is None else rounds * len(self.ends)

    def sample(self, k):
        return Sample(torch.tensor([[k]]), end=self.ends[k % len(self.ends)])


def expected(lengths, window):
    """By hand: for each sequence its indices, and those of the way back."""
    found, start = [], 0
    for n in lengths:
        there = list(range(start, start + n))
        back = there[-2::-1] if n > 1 else []
        found.append(there + (back if window is None else back[: window - 1]))
        start += n
    return found


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    window=st.none() | st.integers(1, 7),
    rounds=st.sampled_from([1, None]),
)
@few
def test_the_reversed_stream_is_the_sequence_and_its_reverse(lengths, window, rounds):
    stream, parts = Reversed(Sequences(lengths, rounds), window), expected(lengths, window)
    whole = [index for part in parts for index in part]
    assert stream.length == (len(whole) if rounds else None)
    samples = [stream[k] for k in reversed(range(len(whole)))][::-1]
    assert [int(s.u) for s in samples] == whole
    assert [s.end for s in samples] == [k == len(part) - 1 for part in parts for k in range(len(part))]
    turned = [k >= n - 1 for part, n in zip(parts, lengths, strict=True) for k in range(len(part))]
    assert [stream.token(k) for k in range(len(whole))] == list(zip(whole, turned, strict=True))


def test_the_reversed_stream_is_replayable():
    stream = Reversed(Sequences([3, 1, 4], None), window=3)
    walked = [int(s.u) for s, _ in zip(stream, range(40), strict=False)]
    fresh = Reversed(Sequences([3, 1, 4], None), window=3)
    assert [int(fresh[k].u) for k in (39, 7, 12, 0)] == [walked[k] for k in (39, 7, 12, 0)]


def test_bad_input_is_told(monkeypatch):
    monkeypatch.setattr("hlcore.streams.reversed.LONGEST", 50)
    for make, word in (
        (lambda: Reversed([1, 2]), "Stream"),
        (lambda: Reversed(Sequences([2]), window=0), "window"),
        (lambda: Reversed(Signal(sines([1.0], [1.0])))[0], "without end"),
    ):
        with pytest.raises(HLError, match=word):
            make()
