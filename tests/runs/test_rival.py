"""A race of any two learners on one stream; T1, live: torch.optim.SGD has HL's weights, until a setting is touched."""

import numpy as np
import pytest
import torch

from hlcore import HLError, OutputNetwork, Settings, experiments, learners
from hlcore.experiments import Experiment, Setup
from hlcore.learners import BaseLearner, Step
from hlcore.runs.run import Run
from hlcore.streams import iris

NAMES = ("hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river")


def racing(name="iris-mlp", at=0, **options):
    run = Run(experiments.get(name, dtype="float64", **options), capacity=400)
    run.step(at)
    run.race("sgd")
    return run


def flat(learner):
    return torch.cat([x.detach().flatten() for x in learner.traced()["theta"].values()])


@pytest.mark.parametrize("name", ["iris-linear", "iris-mlp", "iris-mlp-state"])
@pytest.mark.parametrize("at", [0, 37])
def test_T1_sgd_moves_as_the_learner(name, at):
    run = racing(name, at)
    run.step(300)
    theta = run.recorder.window("theta")
    assert run.rival.gap < 1e-12 and np.abs(theta[-1] - theta[at]).max() > 0.01, "equal, and moved"
    run.set(beta=run.settings.beta * 1.1)
    run.step(50)
    assert run.rival.gap > 1e-4, "negative control: a touched setting parts them"


@pytest.mark.parametrize(
    "settings",
    [
        Settings.from_sgd(0.01, tau=0.5),  # without momentum torch keeps no buffer
        Settings(tau=1.0, eta=1.0, beta=0.05, phi=0.4),  # and never dampens
        Settings.from_sgd(0.01, momentum=0.9, dampening=0.3, tau=2.0),
        Settings(tau=0.5, eta=2.6, beta=0.02, phi=1.0),  # momentum below zero
    ],
)
@pytest.mark.parametrize("sgd_first", [False, True])
def test_T1_for_every_reading_as_sgd(settings, sgd_first):
    experiment = experiments.get("iris-mlp", dtype="float64").replace(settings=settings)
    if sgd_first:
        mapped = learners.get("sgd").settings_from(settings)
        experiment = experiment.replace(learner_name="sgd", settings=mapped)
    run = Run(experiment)
    run.step(int(sgd_first))  # torch's own first step is not dampened
    run.race("hamiltonian" if sgd_first else "sgd")
    run.step(200)
    theta = run.recorder.window("theta")
    assert run.rival.gap < 1e-12 and np.abs(theta[-1] - theta[0]).max() > 1e-3


def test_dropout_draws_the_same_for_both():
    def build(seed):
        module = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Dropout(0.5), torch.nn.Linear(9, 3))
        return Setup(OutputNetwork(module), iris(seed), torch.nn.functional.cross_entropy, Settings(beta=0.05, eta=0.5))

    setup = build(0)
    run = Run(Experiment("d", "", "", build, setup.loss, setup.settings, "sequential", dtype="float64"))
    alone = Run(Experiment("d", "", "", build, setup.loss, setup.settings, "sequential", dtype="float64"))
    run.race()
    run.step(100)
    alone.step(100)
    assert run.rival.gap < 1e-12
    assert (run.recorder.window("theta") == alone.recorder.window("theta")).all(), "the rival disturbs nothing"


def test_a_reset_resets_the_rival():
    run = racing()
    run.set(eta=0.3)
    run.step(20)
    assert run.rival.gap > 0
    run.reset()
    run.step(20)
    assert run.rival.gap < 1e-12 and run.rival.steps == 20
    run.race(None)
    run.reset()
    assert run.rival is None


def test_its_window_follows_the_record():
    run = racing(at=10)
    run.step(500)
    steps = run.recorder.window("step")
    assert np.isfinite(run.rival.window(steps)).all() and len(steps) == 400
    assert run.rival.window(steps, 3) == pytest.approx(run.recorder.window("theta")[:, 3], abs=1e-6)
    assert np.isnan(run.rival.window(np.array([5, 10]))).all()
    assert np.isfinite(run.rival.window(np.array([510.0]))).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stream", ["tracker-sinusoid", "iris-linear"])
def test_a_learner_raced_by_itself_is_itself(name, stream):
    """A rival goes on from where the learner is: all that the next steps depend on is carried over."""
    if (name, stream) == ("river", "iris-linear"):
        pytest.skip("river's regression foretells one number")
    run = Run(experiments.get(stream, learner=name))
    run.step(47)
    before = flat(run.learner).clone()
    run.race(name)
    assert run.rival.learner.network is not run.learner.network
    run.step(60)
    assert run.rival.gap == 0 and not torch.equal(flat(run.learner), before), "the same bits, and moved"
    run.race(name)
    run.set(tau=run.settings.tau * 0.5, **({"lr": 0.001} if name in ("sgd", "river") else {}))
    run.step(60)
    assert run.rival.gap > 0, "a setting changed while racing is not taken over"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rival", NAMES)
def test_any_two_learners_race_on_one_stream(name, rival):
    run = Run(experiments.get("tracker-sinusoid", learner=name), capacity=200)
    run.step(25)
    run.race(rival)
    alone = run.rival.learner
    assert (alone.t, alone.steps) == (run.learner.t, 25)
    run.step(40)
    assert run.rival.error is None and run.rival.steps == 40
    assert np.isnan(run.rival.gap) if "river" in (name, rival) and name != rival else run.rival.gap >= 0
    assert (run.rival.gap == 0) == (name == rival)
    assert np.isfinite(run.rival.recorder.window("loss")).all()


class Reckless(BaseLearner):
    """Its steps grow without end."""

    name, title = "reckless", "Reckless"

    def propose(self, sample):
        h = {k: x * 1e200 for k, x in self.state_for(sample)[0].items()}
        return Step(h, None, torch.zeros(1, 1), 0.0, 0.0, None)


def test_a_rival_that_diverges_stands_still_and_says_so(monkeypatch):
    monkeypatch.setitem(learners.catalogue._LEARNERS, "reckless", Reckless)
    run = Run(experiments.get("tracker-sinusoid", dtype="float64"))
    run.step(5)
    run.race("reckless")
    run.step(50)
    assert run.learner.steps == 55 and np.isinf(run.rival.gap) and "non-finite" in str(run.rival.error)
    assert run.rival.steps < 5 and len(run.rival.recorder) == run.rival.steps


@pytest.mark.parametrize(
    ("name", "options", "rival", "word"),
    [
        ("iris-mlp", {"phi": lambda t: 1.0}, "sgd", "schedule"),
        ("iris-mlp", {"beta": {"module.0.0.weight": 0.1}}, "sgd", "per parameter"),
        ("iris-mlp", {}, "sdg", "'sgd'"),
    ],
)
def test_a_race_that_cannot_be_is_told_and_changes_nothing(name, options, rival, word):
    run = Run(experiments.get(name, **options))
    run.race("hamiltonian")
    with pytest.raises(HLError, match=word):
        run.race(rival)
    run.step(3)
    assert run.rival.name == "hamiltonian" and run.rival.gap == 0


def test_back_begins_the_race_anew_from_there():
    run = racing("tracker-sinusoid")
    run.step(30)
    assert run.rival.gap > 0, "T1 does not hold where a state lives on"
    run.back(20)
    assert run.rival.born == 20 and run.rival.gap == 0


@pytest.mark.parametrize("bad", [1.5, {}, "no such thing", b"sgd", float("nan"), []])
def test_who_is_no_learner_does_not_race(bad):
    run = Run(experiments.get("iris-linear"))
    run.race("rtrl")
    with pytest.raises(HLError):
        run.race("sgd", bad)
    assert [rival.name for rival in run.rivals] == ["rtrl"]
    run.race("sgd", "sgd", None)
    assert [rival.name for rival in run.rivals] == ["sgd"]
