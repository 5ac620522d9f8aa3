"""The learner "river" is river's own regression on the entries of u, step by step."""

import pytest
import torch
from torch.nn.functional import mse_loss, smooth_l1_loss

from hlcore import Diverged, HLError, Learner, OutputNetwork, Recorder, Sample, Settings, experiments, learners
from hlcore.experiments.forecasts import FORMS
from hlcore.learners.river import RiverSettings
from hlcore.runs.prequential import prequential
from hlcore.streams import Changes, real

KIND = learners.get("river")


def stream():
    return Changes(real("sp500-swing").values, 3, 5)


@pytest.mark.parametrize(("loss", "name"), [(smooth_l1_loss, "Huber"), (mse_loss, "Squared")])
def test_it_is_rivers_regression(loss, name):
    from river import linear_model, optim

    kind = getattr(optim.losses, name)
    model = linear_model.LinearRegression(
        optim.SGD(0.01), loss=kind(1.0) if name == "Huber" else kind(), l2=0.02, intercept_lr=0.01
    )
    samples = stream()
    learner = KIND(FORMS["plain"].network(samples.inputs), loss, RiverSettings(lr=0.01, l2=0.02))
    for k in range(300):
        x = {f"u[{i}]": v for i, v in enumerate(samples[k].u.flatten().tolist())}
        expected = model.predict_one(x)
        model.learn_one(x, float(samples[k].target))
        assert float(learner.step(samples[k]).output) == expected
    theta = learner.traced()["theta"]
    assert {k: float(v) for k, v in theta.items()} == {**model.weights, "intercept": model.intercept}
    assert max(abs(float(v)) for v in theta.values()) > 0.05


def test_it_is_hl_without_momentum_on_a_plain_network():
    """T1 once more, against a third implementation of SGD, by the mapping of its own settings."""
    samples, settings = stream(), Settings(tau=0.5, eta=2.0, phi=2.0, beta=0.02)
    mine = Learner(FORMS["plain"].network(samples.inputs), smooth_l1_loss, settings, "sequential")
    theirs = KIND(FORMS["plain"].network(samples.inputs), smooth_l1_loss, KIND.settings_from(settings))
    a, b = (prequential(each, stream(), 400).forecast.values for each in (mine, theirs))
    assert abs(a - b).max() < 1e-12 and abs(a).max() > 0.1


def test_it_is_recorded_and_its_network_stands_still():
    learner, samples = experiments.get("forecast-sp500-swing", learner="river").learner(0)
    before, recorder = [p.detach().clone() for p in learner.network.parameters()], Recorder()
    learner.run(samples, 50, recorder)
    data = recorder.trajectory()
    assert data.weight.values.tolist()[-1] == "intercept" and data.theta.shape[0] == 50 and "omega" not in data
    assert {"lr", "l2", "tau"} <= set(data.data_vars) and float(abs(data.theta).max()) > 0
    assert all(map(torch.equal, learner.network.parameters(), before))


@pytest.mark.parametrize(
    "sample",
    [
        Sample(torch.ones(2, 1), torch.ones(2, 1)),
        Sample(torch.ones(1, 1), torch.ones(1, 2)),
        Sample(torch.ones(1, 1)),
        Sample(torch.ones(1, 1), torch.tensor([1])),
        Sample((torch.ones(1, 1), torch.ones(1, 1)), torch.ones(1, 1)),
        "sample",
    ],
)
def test_what_river_cannot_take_is_told_and_nothing_is_learned(sample):
    learner = KIND(OutputNetwork(torch.nn.Linear(1, 1)), mse_loss)
    with pytest.raises(HLError):
        learner.step(sample)
    assert learner.steps == 0 and learner.memory == {}


def test_a_regression_that_runs_away_is_refused():
    learner = KIND(OutputNetwork(torch.nn.Linear(1, 1)), mse_loss, RiverSettings(lr=1e290))
    with pytest.raises(Diverged, match="theta"):
        for _ in range(20):
            learner.step(Sample(torch.full((1, 1), 1e9), torch.ones(1, 1)))
    assert all(bool(torch.isfinite(x)) for x in learner.traced()["theta"].values())
