"""A cart steered by hand, by the demanded costate and by HL: who pays what (T10, as lab 07 shows it)."""

import numpy as np
import pytest

from hlcore import HLError
from hlcore.lab import Steering
from hlcore.studies.steering import START, by_hand, demanded, learned


def test_T10_the_end_given_no_hand_is_better():
    best = learned(1, demanded())
    assert abs(best.way[0] - START).max() == 0 and 1.0 < best.cost[-1] < 1.1
    rng = np.random.default_rng(0)
    assert all(by_hand(rng.normal(0, 0.5, 8)).cost[-1] > best.cost[-1] for _ in range(40))
    turns = np.diff(best.way[:, 2]).reshape(8, -1).sum(1) / 0.5  # its own turns, held through eighths
    assert by_hand(turns).cost[-1] == pytest.approx(best.cost[-1], rel=0.03), "and the hand comes near it"
    assert learned(1, demanded() + 0.1).cost[-1] > 1.01 * best.cost[-1], "another costate costs more"


def test_HL_forward_needs_friction_and_pays():
    idle = by_hand([0.0]).cost[-1]
    assert learned(-1).cost[-1] > 10 * idle, "without friction the force swings the cart up"
    assert learned(1, demanded()).cost[-1] < learned(-1, eta=2.0).cost[-1] < idle


def test_the_panel_has_three_rides_and_tells_their_costs():
    panel = Steering()
    assert panel.rides[0].cost[-1] == pytest.approx(2.0, abs=0.01)
    panel.set(turn_1=-0.5, turn_2=0.5, eta=2.0)
    assert 1.06 < panel.rides[0].cost[-1] < 1.3 < panel.rides[2].cost[-1] < 1.8
    assert f"{panel.rides[0].cost[-1]:.3f}" in panel._status.value
    with pytest.raises(HLError):
        by_hand([1.0, 2.0, 3.0])
