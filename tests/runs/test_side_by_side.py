"""Runs side by side are the single runs; what flies away does so by itself; what does not fit is told."""

import pytest
import torch

from hlcore import HLError, experiments
from hlcore.runs.side_by_side import SideBySide
from hlcore.studies.far_recall import LAST, recalled
from hlcore.studies.following import follow, follow_all

CASES = {  # who is asked when differs by seed; nobody is told anything; a batch; two settings
    "echo-recall": [{"delay": 12, "units": 4, "beta": b, "eta_z": z} for b, z in ((0.0015, 0.0), (0.0003, 0.9))],
    "local-tracking-forward": [{"case": "fast"}],
    "few-shot-spikes": [{}],
    "memory-chain": [{"length": 5, "units": 3, "batch": 4, "metric": "none"}],
}


@pytest.mark.parametrize("name", CASES)
def test_runs_side_by_side_are_the_single_runs(name):
    made = [experiments.get(name, dtype="float64", **options) for options in CASES[name]]
    pairs = [(experiment, seed) for experiment in made for seed in (0, 3)]
    lanes, losses = SideBySide(pairs), []
    for _ in range(60):
        losses.append(lanes.step().loss)
    for i, (experiment, seed) in enumerate(pairs):
        learner, stream = experiment.learner(seed)
        start = {k: x.clone() for k, x in learner.point.theta.items()}
        alone = [learner.step(stream[k]).loss for k in range(60)]
        asked = [k for k in range(60) if stream[k].target is not None]
        assert [float(losses[k][i]) for k in asked] == pytest.approx([alone[k] for k in asked], rel=1e-9, abs=1e-12)
        for k, x in learner.point.theta.items():
            assert float((lanes.phase.theta[k][i] - x).abs().max()) <= 1e-11
        assert any(not torch.equal(x, start[k]) for k, x in learner.point.theta.items()), "weights moved"


def test_sign_flips_are_signed_steps_of_the_law():
    many = follow_all("local-tracking", "clamped", 400, 2)
    alone = [follow(experiments.get("local-tracking", dtype="float64"), 400, seed) for seed in (0, 1)]
    assert [x.error for x in many] == pytest.approx([x.error for x in alone], rel=1e-9) and many[0] != many[1]


def test_one_that_flies_away_takes_nobody_with_it():
    fast, slow = (
        experiments.get("local-tracking-forward", case="fast", dtype="float64", eta=eta) for eta in (230.0, 5.5)
    )
    lanes = SideBySide([(fast, 0), (slow, 0)])
    for _ in range(400):
        lanes.step()
    gone, here = lanes.phase.theta["W"]
    learner, stream = slow.learner(0)
    for k in range(400):
        learner.step(stream[k])
    assert not float(gone.abs().max()) < 1e30 and float((here - learner.point.theta["W"]).abs().max()) <= 1e-11


def test_what_does_not_fit_is_told():
    with pytest.raises(HLError, match="pure function"):
        SideBySide([(experiments.get("echo-recall", learner="one-step"), 0)])
    with pytest.raises(HLError, match="episodes: got 199"):
        recalled(1, LAST - 1, {"delay": 2})
    with pytest.raises(HLError, match="one length"):
        lanes = SideBySide([(experiments.get("memory-chain", length=n), 0) for n in (1, 3)])
        lanes.step()
        lanes.step()


def test_the_tables_of_studies_count_what_they_say():
    told = {"delay": 1, "vary": False, "units": 2}
    share = recalled(2, 3 * LAST, told, {**told, "beta": 0.0})
    assert share.shape == (2, 2) and float(share[0].min()) > 0.1 + float(share[1].max())
