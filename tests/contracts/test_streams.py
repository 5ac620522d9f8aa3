"""Streams are pure functions of (seed, index); a live source drops what arrives while the learner is busy."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hlcore import streams
from hlcore.streams.chaos import Lorenz
from hlcore.streams.recall import Copied, Recall, Sung

REPLAYABLE = {
    "iris": lambda seed: streams.iris(seed, batch=4),
    "digits": lambda seed: streams.digits(seed, batch=7),
    "mnist": lambda seed: streams.mnist(10, seed, batch=3),
    "sines": lambda seed: streams.Signal(streams.sines([0.1, 0.2 + seed], [1.0, 0.5])),
    "water-flow": lambda seed: streams.water_flow(horizon=1 + seed),
}


@pytest.mark.parametrize("name", REPLAYABLE)
def test_a_sample_depends_on_seed_and_index_alone(name):
    one, two, other = REPLAYABLE[name](0), REPLAYABLE[name](0), REPLAYABLE[name](1)
    order = [5, 400, 3, 400, 0, 41]
    for k in order:
        a, b = one[k], two[k]
        assert torch.equal(a.u, b.u) and torch.equal(a.target, b.target) and a.end == b.end
    walked = list(itertools.islice(two.since(3), 3))
    assert torch.equal(walked[2].u, one[5].u)
    assert any(not torch.equal(one[k].target, other[k].target) for k in range(50)), "the seed matters"


@given(seed=st.integers(0, 100), batch=st.integers(1, 160), epoch=st.integers(0, 5))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_every_epoch_is_a_permutation(seed, batch, epoch):
    x = torch.arange(150)
    stream = streams.Labelled(x, x, seed, batch)
    n = stream.per_epoch
    seen = torch.cat([stream[k].u for k in range(epoch * n, epoch * n + n)])
    assert torch.equal(seen.sort().values, x)
    following = torch.cat([stream[k].u for k in range(epoch * n + n, epoch * n + 2 * n)])
    assert not torch.equal(seen, following), "permuted anew"


def test_real_data_are_the_known_ones():
    assert streams.iris(batch=150)[0].u.shape == (150, 4)
    assert streams.iris(batch=150)[0].target.bincount().tolist() == [50, 50, 50]
    assert streams.digits(batch=1797)[0].u.shape == (1797, 1, 8, 8)
    digits = streams.mnist(10, batch=100)[0]
    assert digits.u.shape == (100, 1, 28, 28) and digits.target.bincount().tolist() == [10] * 10
    assert float(digits.u.min()) >= 0 and float(digits.u.max()) == 1.0
    flow = streams.water_flow()
    assert flow.round == 1267 and float(flow.values[0]) == pytest.approx((100.59 - 100) / 50)
    assert [k for k in range(2 * 1267) if flow[k].end] == [1266, 2533]


def test_a_signal_foretells_itself():
    stream = streams.Signal(streams.sines([0.25], [2.0], [0.25]), step=0.5, horizon=3)
    for k in (0, 1, 7):
        assert float(stream[k].u) == pytest.approx(2 * math.cos(2 * math.pi * 0.25 * 0.5 * k))
        assert torch.equal(stream[k].target, stream[k + 3].u)
    square = streams.square(0.5, amplitude=3.0)
    assert [square(t) for t in (0.0, 0.9, 1.1, 1.9, 2.0)] == [3, 3, -3, -3, 3]
    assert streams.Signal(lambda t: [t, -t], step=1.0)[2].u.tolist() == [[2.0, -2.0]]


class Time:
    """A clock of our own, so that nothing here waits."""

    def __init__(self):
        self.now = 100.0

    def sleep(self, seconds):
        self.now += seconds


def test_a_clock_drops_what_arrives_while_the_learner_is_busy():
    time = Time()
    counting = streams.Labelled(torch.arange(1000), torch.arange(1000), epochs=1)
    clock = streams.Clock(counting, period=0.1, tau=0.5, now=lambda: time.now, sleep=time.sleep)
    walk = iter(clock)
    taken = []
    for busy in (0.0, 0.0, 0.35, 0.0, 0.05, 1.02, 0.0):
        sample = next(walk)
        taken.append((round((time.now - 100.0) / 0.1, 1), sample.dt))
        time.now += busy
    assert taken == [(0, 0.5), (1, 0.5), (2, 0.5), (5.5, 1.5), (6, 0.5), (7, 0.5), (17.2, 5.0)]
    assert clock.dropped == 2 + 9
    quick = list(itertools.islice(streams.Clock(counting, 0.1, now=lambda: time.now, sleep=time.sleep), 50))
    assert [s.dt for s in quick] == [1.0] * 50, "an idle learner misses nothing"


def test_a_clock_ends_with_its_stream():
    time = Time()
    short = streams.Labelled(torch.arange(5), torch.arange(5), epochs=1)
    assert len(list(streams.Clock(short, 0.1, now=lambda: time.now, sleep=time.sleep))) == 5


FAR = {
    "recall": lambda seed, batch: Recall(12, seed, batch=batch),
    "copied": lambda seed, batch: Copied(5, seed, batch),
    "sung": lambda seed, batch: Sung(16, seed, batch),
    "lorenz": lambda seed, batch: Lorenz(seed, batch=batch),
}


@pytest.mark.parametrize("name", FAR)
def test_rows_of_a_batch_are_streams_of_their_own(name):
    one, two, other = FAR[name](0, 3), FAR[name](0, 3), FAR[name](1, 3)
    walk = [one[k] for k in range(60)]
    assert all(torch.equal(two[k].u, walk[k].u) for k in (41, 3, 59, 0)), "of seed and index alone"
    assert any(not torch.equal(other[k].u, walk[k].u) for k in range(60)), "the seed matters"
    u = torch.stack([sample.u for sample in walk])
    assert u.shape[1] == 3 and all(not torch.equal(u[:, a], u[:, b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert FAR[name](0, 1)[7].u.shape == (1, *u.shape[2:])


def test_what_is_asked_for_is_what_was_told():
    stream, noise = Recall(12, 0, batch=4), []
    for episode in range(50):
        samples = [stream[13 * episode + k] for k in range(13)]
        cue = sum(s.u[:, 0] for s in samples)
        asked = [s for s in samples if s.target is not None]
        assert len(asked) == 1 and torch.equal(asked[0].target[:, 0], cue) and bool((cue.abs() == 1).all())
        assert all(bool((s.u[:, 2] == (s is asked[0])).all()) for s in samples)
        noise += [s.u[:, 1] for s in samples]
    told = torch.cat(noise)
    assert bool((told.abs() == 1).all()) and abs(float(told.mean())) < 4 / len(told) ** 0.5, (
        "fair signs, to 4 deviations"
    )
    copied = Copied(5, 0, 3)
    assert all(torch.equal(copied[k].target, copied[k - 5].u if k >= 5 else 0 * copied[0].u) for k in range(12))
