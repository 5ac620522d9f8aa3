"""The waves: when the local gradient is backprop's, and the panel that plays it."""

import asyncio

import numpy as np
import pytest

from hlcore import HLError
from hlcore.lab import Waves, wave
from hlcore.studies.chain_waves import CUTS, DEPTH


@pytest.mark.parametrize("groups", CUTS.values(), ids=list(CUTS))
def test_the_angle_is_zero_after_two_ticks_a_group_and_not_before(groups):
    shown = wave(groups)
    n = len(shown.wrong)
    assert (shown.angle[2 * n :] < 1e-9).all() and (shown.angle[: 2 * n] > 1e-3).all()
    assert np.allclose(np.cos(np.radians(shown.angle[1:])), shown.cosine[1:], atol=1e-12), "the angle of this cosine"
    early = wave(groups, hold=2 * n - 1)
    assert (early.angle > 1e-3).all(), "a sample that leaves a tick too early"


def test_the_waves_go_up_and_come_back_one_group_a_tick():
    shown = wave("layer")
    for i in range(DEPTH):
        assert shown.wrong[i, i] < 1e-12, "group i is right when the sample has passed it"
        assert (shown.wrong[i, :i] > 1e-3).all()
    assert [int(np.flatnonzero(z > 0)[0]) for z in shown.costate] == [DEPTH - 1 - i for i in range(DEPTH)]


def test_the_panel_plays_what_is_chosen():
    async def played():
        waves = Waves(ticks=14)
        waves._gate.set_state({"pong": 10**9})
        assert "exact for the first time after 12 ticks" in waves._status.value
        waves.reset()
        assert "tick 1 of 14" in waves._status.value and "exact" not in waves._status.value
        assert waves.figure.data[0].z[0][1:] == (None,) * 13 or list(waves.figure.data[0].z[0][1:]) == [None] * 13
        waves.play()
        waves._loop.post("groups", "2 groups")
        await asyncio.wait_for(waves._loop.wait(), 30)
        return waves

    waves = asyncio.run(played())
    assert waves.at == 14 and "2 groups" in waves._status.value and "after 4 ticks" in waves._status.value
    assert len(waves.figure.data[2].y) == 14 and not waves.playing
    waves.set(eta_z=0.5)
    assert waves._controls["eta_z"].value == 0.5 and "exact" not in waves._status.value


def test_bad_input_is_told_and_changes_nothing():
    waves = Waves()
    for change in ({"hold": 0}, {"groups": "7 groups"}, {"eta_z": -1.0}, {"depth": 3}):
        with pytest.raises(HLError):
            waves.set(**change)
    assert waves.chosen == {"groups": next(iter(CUTS)), "hold": 40, "eta_z": 0.0}
    assert repr(waves) == "Waves()"
