"""The picture of the schedule is what the chain does: samples are numbers, layers are identities."""

from itertools import islice

import pytest
import torch

from hlcore import Chain, HLError, Learner, Sample, Settings
from hlcore.networks import chain_schedule as schedule

PARALLEL = """
group 3  . . 0 1 2 3
group 2  . 0 1 2 3 4
group 1  0 1 2 3 4 5
   tick  0 1 2 3 4 5
"""

PARALLEL_HELD_TWO = """
group 3  . . 0 0 1 1 2 2
group 2  . 0 0 1 1 2 2 3
group 1  0 0 1 1 2 2 3 3
   tick  0 1 2 3 4 5 6 7
"""

DELAY_FREE = """
group 3  . . 0 . . 1 . . 2
group 2  . 0 . . 1 . . 2 .
group 1  0 . . 1 . . 2 . .
   tick  0 1 2 3 4 5 6 7 8
"""

COSTATES = """
group 3  .  .  .  .  0  1  2  3  4  5  6
group 2  .  .  .  .  .  0  1  2  3  4  5
group 1  .  .  .  .  .  .  0  1  2  3  4
   tick  0  1  2  3  4  5  6  7  8  9 10
"""


@pytest.mark.parametrize(
    ("rows", "ticks", "text"),
    [
        (schedule.states(3), 6, PARALLEL),
        (schedule.states(3, hold=2), 8, PARALLEL_HELD_TWO),
        (schedule.states(3, hold=3, schedule="delay_free"), 9, DELAY_FREE),
    ],
)
def test_the_picture(rows, ticks, text):
    assert schedule.picture(rows, ticks) == text.strip()


def test_the_picture_of_the_costates():
    assert schedule.picture(schedule.costates(3), 11).split() == COSTATES.split()


def runs(groups, hold, kind, ticks):
    """What a chain of identities computes (sample + 1, or None for zero) and its costates, tick by tick."""
    chain = Chain([torch.nn.Identity() for _ in range(groups)], schedule=kind)
    learner = Learner(chain, lambda y, target: (y**2).sum() / 2, Settings(beta=0.0), "euler")
    seen, carried = [], []
    for k in range(ticks):
        before = learner.point.clone()
        learner.step(Sample(torch.full((1, 1), 1.0 + k // hold), 0, end=False))
        now = [float(x) for x in learner.point.h.values()]
        turns = range(groups) if kind == "parallel" else [k % groups]
        seen.append(tuple(int(x) - 1 if x and i in turns else None for i, x in enumerate(now)))
        z = [float(x) for x in before.z.values()] or [0.0] * groups
        carried.append(tuple(int(x) - 1 if x else None for x in z))
    return seen, carried


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("hold", [1, 3])
def test_the_schedule_is_what_the_chain_does(groups, hold):
    seen, carried = runs(groups, hold, "parallel", 20)
    assert seen == list(islice(schedule.states(groups, hold), 20))
    assert carried == list(islice(schedule.costates(groups, hold), 20))
    assert groups == 1 or seen != carried
    seen, _ = runs(groups, groups, "delay_free", 20)
    assert seen == list(islice(schedule.states(groups, groups, "delay_free"), 20))
    assert groups == 1 or seen != list(islice(schedule.states(groups, groups), 20)), "another schedule differs"


@pytest.mark.parametrize(
    ("arguments", "word"), [((0,), "groups"), ((2, 0), "hold"), ((2, 1, "paralel"), "parallel"), ((True,), "groups")]
)
def test_bad_schedules_are_told(arguments, word):
    with pytest.raises(HLError, match=word):
        next(schedule.states(*arguments))
