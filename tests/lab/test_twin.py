"""T1, live: torch.optim.SGD beside the learner has the same weights, until one setting is touched."""

import numpy as np
import pytest
import torch

from hlcore import HLError, OutputNetwork, Settings, experiments
from hlcore.experiments import Experiment, Setup
from hlcore.runs.run import Session
from hlcore.streams import iris


def racing(name="iris-mlp", at=0, **options):
    run = Session(experiments.get(name, dtype="float64", **options), capacity=400)
    run.step(at)
    run.race(True)
    return run


@pytest.mark.parametrize("name", ["iris-linear", "iris-mlp", "iris-mlp-state"])
@pytest.mark.parametrize("at", [0, 37])
def test_T1_the_twin_moves_as_the_learner(name, at):
    run = racing(name, at)
    run.step(300)
    theta = run.recorder.window("theta")
    assert run.twin.gap < 1e-12 and np.abs(theta[-1] - theta[at]).max() > 0.01, "equal, and moved"
    run.set(beta=run.settings.beta * 1.1)
    run.step(50)
    assert run.twin.gap > 1e-4, "negative control: a touched setting parts them"


@pytest.mark.parametrize(
    "settings",
    [
        Settings.from_sgd(0.01, tau=0.5),  # without momentum torch keeps no buffer
        Settings(tau=1.0, eta=1.0, beta=0.05, phi=0.4),  # and never dampens
        Settings.from_sgd(0.01, momentum=0.9, dampening=0.3, tau=2.0),
        Settings(tau=0.5, eta=2.6, beta=0.02, phi=1.0),  # momentum below zero
    ],
)
def test_T1_for_every_reading_as_sgd(settings):
    run = Session(experiments.get("iris-mlp", dtype="float64").replace(settings=settings))
    run.race(True)
    run.step(200)
    theta = run.recorder.window("theta")
    assert run.twin.gap < 1e-12 and np.abs(theta[-1] - theta[0]).max() > 1e-3


def test_dropout_draws_the_same_for_both():
    def build(seed):
        module = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Dropout(0.5), torch.nn.Linear(9, 3))
        return Setup(OutputNetwork(module), iris(seed), torch.nn.functional.cross_entropy, Settings(beta=0.05, eta=0.5))

    setup = build(0)
    run = Session(Experiment("d", "", "", build, setup.loss, setup.settings, "sequential", dtype="float64"))
    alone = Session(Experiment("d", "", "", build, setup.loss, setup.settings, "sequential", dtype="float64"))
    run.race(True)
    run.step(100)
    alone.step(100)
    assert run.twin.gap < 1e-12
    assert (run.recorder.window("theta") == alone.recorder.window("theta")).all(), "the twin disturbs nothing"


def test_a_reset_resets_the_twin():
    run = racing()
    run.set(eta=0.3)
    run.step(20)
    assert run.twin.gap > 0
    run.reset()
    run.step(20)
    assert run.twin.gap < 1e-12 and run.twin.steps == 20


def test_its_window_follows_the_record():
    run = racing(at=10)
    run.step(500)
    steps = run.recorder.window("step")
    assert np.isfinite(run.twin.window(steps)).all() and len(steps) == 400
    assert run.twin.window(steps, 3) == pytest.approx(run.recorder.window("theta")[:, 3], abs=1e-6)
    assert np.isnan(run.twin.window(np.array([5, 10]))).all() and np.isfinite(run.twin.window(np.array([510.0]))).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [("tracker-water-flow", {}), ("iris-mlp", {"order": "euler"}), ("iris-mlp", {"phi": lambda t: 1.0})],
)
def test_where_the_theorem_does_not_hold_it_says_so(name, options):
    run = Session(experiments.get(name, **options))
    with pytest.raises(HLError, match="SGD twin"):
        run.race(True)
    run.step(3)
    assert run.twin is None
