"""Every run loop acts in a world; every learner is judged and compared by the same code."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import hlcore
from hlcore import HLError, Learner, OutputNetwork, Recorder, Settings, experiments, learners
from hlcore.learners import SGD
from hlcore.learners.sgd import SGDSettings
from hlcore.runs.alignment import alignment
from hlcore.runs.prequential import drifts, prequential
from hlcore.streams import World, iris


class Corridor(World):
    """Five rooms in a row; the last one pays and ends the episode."""

    def begin(self, rng):
        return (int(rng.integers(0, 3)),)

    def move(self, state, action, rng):
        to = min(max(state[0] + (1 if action else -1), 0), 4)
        return float(to == 4), (to,), to == 4

    def features(self, state):
        return np.eye(5)[state[0]]


def td(y, t):
    """½ (Q(s)[a] - r - 0.9 max Q(s'))²."""
    goal = t[0, 1] + 0.9 * t[0, 2].clamp(min=0) * y[0, 1].detach().max()
    return 0.5 * (t[0, 2] >= 0) * (y[0, 0, t[0, 0].long()] - goal).square()


td.own_shapes = True


def made():
    torch.manual_seed(1)
    return Learner(OutputNetwork(torch.nn.Linear(5, 2)), td, Settings(eta=0.5, beta=0.1), "sequential")


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.network.parameters()])


def test_every_run_loop_acts_in_a_world():
    by_hand, world = made(), Corridor(3)
    for k in range(120):
        world.act(by_hand.step(world[k]).output)
    ways = {
        "run": lambda learner, there: learner.run(there, 120),
        "run in two parts": lambda learner, there: (learner.run(there, 50), learner.run(there, 70)),
        "recorded": lambda learner, there: learner.run(there, 120, Recorder()),
        "prequential": lambda learner, there: prequential(learner, there, 120, read=lambda k, y: y.flatten()[:1]),
        "alignment": lambda learner, there: alignment(learner, there, 120),
    }
    for name, way in ways.items():
        learner, there = made(), Corridor(3)
        way(learner, there)
        assert there.state() == world.state() and torch.equal(weights(learner), weights(by_hand)), name
    learner = made()
    with pytest.raises(HLError, match="act"):
        learner.run(Corridor(3).since(0), 120)
    assert learner.steps == 1, "negative control: a bare walk does not act"


@pytest.mark.parametrize("name", ["hamiltonian", "sgd", "rtrl"])
def test_without_a_state_every_gradient_is_the_true_one(name):
    learner, stream = experiments.get("iris-mlp", learner=name, dtype="float64").learner(0)
    found = alignment(learner, stream, 30)
    assert found.attrs["learner"] == name
    assert np.abs(found.cosine - 1).max() < 1e-12 and np.abs(found.length - 1).max() < 1e-12


def test_one_step_of_bptt_is_not_the_true_gradient_of_a_state_that_lives_on():
    made = {n: experiments.get("tracker-sinusoid", learner=n, dtype="float64").learner(0) for n in ("sgd", "rtrl")}
    short, exact = (alignment(learner, stream, 60) for learner, stream in made.values())
    assert np.nanmax(np.abs(exact.cosine - 1)) < 1e-12 and np.nanmin(short.cosine) < 0.999


@pytest.mark.parametrize("name", ["hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river"])
def test_every_learner_foretells_before_it_is_told(name):
    def forecasts(altered=None):
        learner, stream = experiments.get("forecast-approval", learner=name, dtype="float64").learner(0)
        samples = [stream[k] for k in range(40)]
        if altered is not None:
            samples[altered] = type(samples[0])(samples[altered].u, -samples[altered].target, samples[altered].end)
        return prequential(learner, samples, 40).forecast.values[:, 0]

    plain, other = forecasts(), forecasts(20)
    assert np.array_equal(plain[:21], other[:21]) and not np.allclose(plain[21:], other[21:], atol=1e-9)


@pytest.mark.parametrize("value", [None, "x", np.nan, np.inf, True])
def test_a_signal_of_anything_else_than_numbers_is_told(value):
    with pytest.raises(HLError, match="sample 1"):
        drifts([1.0, value])
    assert drifts([1.0, 2, np.float32(3), torch.tensor(4.0)]) == []


@pytest.mark.parametrize("name", ["hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river"])
def test_every_learner_tells_bad_input_alike(name):
    kind, network = learners.get(name), OutputNetwork(torch.nn.Linear(4, 3))
    learner = kind(network, cross_entropy)
    for wrong in (
        lambda: learner.run(3),
        lambda: learner.run(iris(), -1),
        lambda: learner.run([]),
        lambda: learner.step("sample"),
        lambda: kind(network, "mse"),
        lambda: kind(torch.nn.Linear(4, 3), cross_entropy),
        lambda: kind(network, cross_entropy, "settings"),
        lambda: kind(network, cross_entropy, order="backwards"),
    ):
        with pytest.raises(HLError):
            wrong()
    assert learner.steps == 0


def test_settings_of_another_learner_are_mapped():
    learner = SGD(OutputNetwork(torch.nn.Linear(4, 3)), cross_entropy, Settings(tau=0.5, eta=0.4, beta=0.3, phi=2.0))
    assert learner.settings == SGDSettings(0.15, 0.8, 0.0, 0.5)


def test_classes_are_foretold_and_a_smaller_last_batch_is_filled_up():
    def classifier():
        torch.manual_seed(0)
        return Learner.like_sgd(OutputNetwork(torch.nn.Linear(4, 3)), cross_entropy, 0.1)

    learner, twin, stream = classifier(), classifier(), iris(batch=4)
    found = prequential(learner, stream, 40)
    for k in range(40):
        sample = stream[k]
        y = twin.step(sample).output.argmax(1).numpy()
        n = len(y)
        assert (found.forecast[k].values[:n] == y).all() and (found.target[k].values[:n] == sample.target.numpy()).all()
        assert (found.error[k].values[:n] == (y != sample.target.numpy())).all()
        assert np.isnan(found.forecast[k].values[n:]).all() and np.isnan(found.error[k].values[n:]).all()
    assert found.sizes == {"step": 40, "sample": 4} and int(np.isnan(found.error.values).sum()) == 2
    assert 0 < float(np.nanmean(found.error)) < 0.7


def test_what_cannot_be_judged_is_told_before_anything_is_learned():
    class Gap(type(iris())):
        def sample(self, k):
            return super().sample(k) if k < 3 else hlcore.Sample(torch.ones(1, 4))

    for stream in (Gap(torch.randn(9, 4), torch.randn(9, 3)), [(1, 2)], 5, iris(epochs=1, batch=150)):
        learner = made()
        with pytest.raises(HLError):
            prequential(learner, stream, 5)
        assert learner.steps == 0
