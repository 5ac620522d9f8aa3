"""The fleet: bursts over real processes with the bits of one, a plug pulled while it plays, and the way back."""

import asyncio

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import Fleet


def chain():
    return experiments.get("digits-chain", depth=4, width=128, batch=599, hold=8)


@pytest.mark.slow
def test_bursts_have_the_bits_of_one_process_also_after_a_rank_was_lost():
    async def played():
        fleet = Fleet(chain())
        fleet._gate.set_state({"pong": 10**9})
        fleet.play()
        while fleet.ticks < 40:
            await asyncio.sleep(0.02)
        fleet._loop.post("kill", 1)
        await asyncio.wait_for(fleet._loop.wait(), 60)
        return fleet

    fleet = asyncio.run(played())
    assert fleet.lost is not None and fleet.lost.rank == 1 and fleet._play.description == "Resume"
    assert "rank 1" in fleet._alarm.value and f"goes on from tick {fleet.ticks:,}" in fleet._alarm.value
    at = fleet.ticks
    fleet.step()
    assert fleet.ticks == at + 40 and fleet.lost is None and "<svg" in fleet._picture.value
    one = chain().run(fleet.ticks)
    assert np.array_equal(fleet.run.trajectory.theta.values, one.theta.values[-40:])
    assert not np.array_equal(fleet.run.trajectory.theta.values, one.theta.values[:40])


def test_bad_input_is_told():
    with pytest.raises(HLError, match="Chain"):
        Fleet("digits-chain")
    fleet = Fleet(chain())
    for rank in (0, 2, -1):
        with pytest.raises(HLError, match="rank" if rank else "Play first"):
            fleet.kill(rank)
    assert repr(fleet) == "Fleet()"
