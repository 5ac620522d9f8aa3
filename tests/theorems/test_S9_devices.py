"""S9 over real processes: one owner for each cut edge finds the exact answer whatever letters do, two owners do not."""

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.devices import Workers
from hlcore.devices.graph_part import Mailbox, shares

TICKS = 500
GRAPH = {"nodes": 8, "p_out": 0.08, "lam": 3.0, "labelled": 0.75, "noise": 1.0, "share": 1.0, "dtype": "float64"}


@pytest.fixture(scope="module")
def workers():
    with Workers(4) as pool:
        yield pool


@pytest.fixture(scope="module")
def alone():
    """The experiment, its trajectory in one process, and where it comes to rest."""
    experiment = experiments.get("graph-held", **GRAPH)
    learner, stream = experiment.learner()
    path = []
    for k in range(2 * TICKS):
        learner.step(stream[k])
        path.append(learner.network.theta.detach().numpy().copy())
    assert np.abs(path[-1] - path[-2]).max() < 1e-14
    return experiment, np.stack(path[:TICKS]), path[-1]


def away(found, best):
    return float(np.abs(found.trajectory.theta.values[-1] - best).max())


@pytest.mark.parametrize("ranks", [2, 4])
def test_G7_two_owners_have_the_bits_of_one_process_while_every_letter_comes_in_its_tick(workers, alone, ranks):
    experiment, path, _ = alone
    found = workers.run(experiment, 100, ranks, owners=2).trajectory.theta.values
    assert np.array_equal(found, path[:100]) and np.abs(path[99]).max() > 0.1
    once = workers.run(experiment, 100, ranks).trajectory.theta.values
    assert not np.array_equal(once, path[:100]), "the control: with one owner u comes back a tick later"


@pytest.mark.parametrize("post", [{"late": 1}, {"lost": 0.3}])
def test_G7_the_control_two_owners_and_bad_post_are_wrong_for_ever(workers, alone, post):
    experiment, _, best = alone
    assert away(workers.run(experiment, TICKS, 2, owners=2, every=TICKS, **post), best) > 1e-3


@pytest.mark.parametrize(("ranks", "post"), [(4, {}), (2, {"lost": 0.3})])
def test_G8_one_owner_is_exact_though_letters_are_lost(workers, alone, ranks, post):
    experiment, _, best = alone
    found = workers.run(experiment, 2 * TICKS, ranks, every=TICKS, **post)
    assert away(found, best) < 1e-12
    assert float(abs(found.trajectory.u).max()) <= 3.0 + 1e-12
    assert found.lanes.sizes["lane"] == ranks


def test_G8_one_owner_and_letters_three_ticks_late_still_come_to_the_exact_answer(workers):
    """With curvature on both sides: 4e-6 … 3e-7 … 1e-8 at 900, 1200, 1500 ticks; two owners stay where they are."""
    labelled = GRAPH | {"labelled": 1.0}
    learner, stream = experiments.get("graph-held", **labelled).learner()
    for k in range(2 * TICKS):
        learner.step(stream[k])
    best = learner.network.theta.detach().numpy()
    experiment = experiments.get("graph-held", **labelled | {"share": 0.2})
    path = workers.run(experiment, 3 * TICKS, 2, every=TICKS, late=3).trajectory.theta.values
    near = np.abs(path - best).max((1, 2))
    assert near[2] < 1e-7 and near[2] < near[1] / 10 < near[0] / 100
    assert away(workers.run(experiment, TICKS, 2, owners=2, every=TICKS, late=3), best) > 1e-3


def test_letters_are_late_and_lost_by_the_same_chance():
    letters = [torch.tensor([float(k)]) for k in range(50)]
    box = Mailbox(0, 0, 1, 2, 0.0)
    assert [box.pass_on(k, x) for k, x in enumerate(letters)][2:] == letters[:-2]
    came = [[b.pass_on(k, x) is not None for k, x in enumerate(letters)] for b in (Mailbox(0, 0, 1, 0, 0.3),) * 1]
    again = Mailbox(0, 0, 1, 0, 0.3)
    assert came[0] == [again.pass_on(k, x) is not None for k, x in enumerate(letters)]
    assert 0.5 < np.mean(came) < 0.9


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"owners": 3}, "1 or 2"),
        ({"lost": 1.0}, "below 1"),
        ({"late": -1}, "late"),
        ({"balance": (3, 3)}, "add up"),
        ({"checkpoint": "a.hl"}, "none of them"),
    ],
)
def test_bad_options_are_told(workers, alone, options, word):
    with pytest.raises(HLError, match=word):
        workers.run(alone[0], 5, 2, **options)


def test_a_chain_has_no_owners(workers):
    with pytest.raises(HLError, match="take a graph"):
        workers.run(experiments.get("digits-chain"), 5, 2, late=1)
    assert shares(5, 2, None) == [3, 2]
