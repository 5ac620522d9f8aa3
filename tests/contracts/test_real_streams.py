"""Real series know no future; prequential means: foretold before told."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import smooth_l1_loss

from hlcore import HLError, Learner, OutputNetwork, Sample, Settings, experiments, streams
from hlcore.experiments.forecasts import FORMS
from hlcore.networks import Sparse
from hlcore.online import Forecaster, Persistence, Regressor, drifts
from hlcore.runs.prequential import prequential
from hlcore.streams import Changes, Series, real

SERIES = ("water-flow", "approval", "sp500", "sp500-swing", "passengers")


def same(a, b):
    return torch.equal(a.u, b.u) and torch.equal(a.target, b.target) and a.end == b.end


def wander(n=80, seed=0):
    return np.random.default_rng(seed).normal(size=n).cumsum()


def test_the_series_are_those_that_river_iterates_over():
    from river import datasets

    flow = [y for _, y in datasets.WaterFlow()]
    approval = [y for _, y in datasets.TrumpApproval()]
    passengers = [y for _, y in datasets.AirlinePassengers()]
    for name, values in (("water-flow", flow), ("approval", approval), ("passengers", passengers)):
        assert real(name).values.tolist() == values
    days = list(datasets.SP500Stocks())
    following = [y for _, y in days]  # river's own target: the next day's mean return
    assert np.diff(real("sp500").values) == pytest.approx(following[:-1], abs=2e-6)
    assert real("sp500-swing").values == pytest.approx([np.mean([abs(r) for r in x.values()]) for x, _ in days])
    assert {name: len(real(name).values) for name in SERIES} == dict(
        zip(SERIES, (1268, 1001, 1257, 1257, 144), strict=True)
    )


def test_round_units_are_of_order_one():
    for name in SERIES:
        series = real(name)
        assert 0.5 < np.abs(series.scaled).max() < 15
        assert series.zero + series.one * series.scaled == pytest.approx(series.values)


def test_a_sample_of_changes_by_hand():
    x = np.array([1.0, 3.0, 2.0, 2.5, 9.0, 8.0])  # d = 0, 2, -1, .5, 6.5, -1
    stream = Changes(x, lags=2, rhythm=4, memory=3, limit=5.0)
    assert stream.inputs == 4 and stream.round == 5
    # k = 3: |d| of the last three 2, 1, .5, so s = 1; mean of 3, 2, 2.5 is 2.5; a round ago: the change into x_0, none
    assert stream[3].u.tolist() == [[0.5, -1.0, 0.0, 0.0]] and stream[3].target.tolist() == [[6.5]]
    # k = 4: 1, .5, 6.5, so s = 1; mean of 2, 2.5, 9 is 4.5; one round before x_5 - x_4 was x_1 - x_0 = 2; cut at 5
    assert stream[4].u.tolist() == [[5.0, 0.5, 2.0, -4.5]] and stream[4].target.tolist() == [[-1.0]]
    assert [stream[k].end for k in range(10)] == [False, False, False, False, True] * 2


@pytest.mark.parametrize("name", SERIES)
def test_changes_are_a_function_of_the_index_and_begin_anew_in_every_round(name):
    one, two = (Changes(real(name).values, 3, real(name).rhythm) for _ in range(2))
    for k in (7, 130, 3, 130, 0):
        assert same(one[k], two[k]) and same(one[k], one[k + one.round])


@given(n=st.integers(4, 60), cut=st.integers(1, 60), seed=st.integers(0, 99), memory=st.integers(1, 70))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_nothing_of_the_future_is_in_a_sample(n, cut, seed, memory):
    cut = min(cut, n - 1)
    x, other = wander(n, seed), wander(n, seed)
    other[cut:] = 100 + 7 * wander(n, seed + 1)[cut:]  # another future, of another size, from sample `cut` on
    a, b = (Changes(v, lags=2, rhythm=5, memory=memory) for v in (x, other))
    for k in range(cut):
        assert torch.equal(a[k].u, b[k].u) and a.scale[k] == b.scale[k], "x_0 … x_k are the same"
        assert torch.equal(a[k].target, b[k].target) == (k + 1 < cut), "the target is x_{k+1}"
    if cut < a.round:
        assert not torch.equal(a[cut].u, b[cut].u)
    first, second = ((v - v.mean()) / v.std() for v in (x, other))
    assert not np.allclose(first[:cut], second[:cut]), "control: a fitted scale gives the future away"


@pytest.mark.parametrize("name", SERIES)
def test_the_target_reads_as_the_next_value_and_zero_as_this_one(name):
    x = real(name).values
    stream = Changes(x)
    for k in range(stream.round):
        assert float(stream.read(k, stream[k].target.double())) == pytest.approx(x[k + 1], rel=1e-6, abs=1e-6)
        assert float(stream.read(k, torch.zeros(1))) == pytest.approx(x[k], rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_forecaster_begins_as_persistence_and_then_moves(form):
    learner, stream = experiments.get("forecast-approval", network=form).learner(seed=3)
    y = prequential(learner, stream, 60).forecast.values[:, 0]
    assert y[0] == 0 and np.abs(y[1:]).max() > 0.01


def test_the_persistence_row_is_the_mean_step():
    from tests.benchmarks.streams import race
    from tests.benchmarks.streams.racers import RACERS

    for name in SERIES:
        x, skipped = real(name).values, race.warm_up(name)
        by_hand = np.mean([abs(x[k + 1] - x[k]) for k in range(skipped, len(x) - 1)])
        assert race.errors(RACERS["persistence"], name, 0)[skipped:].mean() == pytest.approx(by_hand, rel=1e-4)


class Peeping:
    """Learns first and is asked afterwards: what prequential evaluation is there to exclude."""

    def __init__(self, learner):
        self.learner = learner

    def step(self, sample):
        report = self.learner.step(sample)
        h = {k: v.detach() for k, v in (self.learner._h or {}).items()}
        return report._replace(output=self.learner.network.output(sample.u, h))


def hl(form, order):
    def make():
        learner, _ = experiments.get("forecast-approval", network=form, order=order, dtype="float64").learner(0)
        return learner, Changes(wander(), FORMS[form].lags, 7)

    return make


def river(kind):
    from river.linear_model import LinearRegression
    from river.time_series import SNARIMAX, HoltWinters

    def make():
        learner = {
            "linear": lambda: Regressor(LinearRegression(), lags=4),
            "holt winters": lambda: Forecaster(HoltWinters(0.5, 0.1)),
            "snarimax": lambda: Forecaster(SNARIMAX(2, 1, 1)),
        }[kind]()
        return learner, Series(wander())

    return make


MAKERS = {f"hl {form}, {order}": hl(form, order) for form in FORMS for order in ("euler", "sequential")}
MAKERS |= {f"river {kind}": river(kind) for kind in ("linear", "holt winters", "snarimax")}


def forecasts(make, altered=None, wrap=lambda learner: learner):
    """All forecasts, with the target of one sample turned round: a mere shift may leave the slope of a Huber loss."""
    learner, stream = make()
    samples = [stream[k] for k in range(60)]
    if altered is not None:
        s = samples[altered]
        samples[altered] = Sample(s.u, -s.target, s.end)
    return prequential(wrap(learner), samples, 60).forecast.values[:, 0]


def is_honest(make, k, **more):
    return np.array_equal(forecasts(make, **more)[: k + 1], forecasts(make, k, **more)[: k + 1])


@pytest.mark.parametrize("name", MAKERS)
def test_a_target_moves_later_forecasts_and_not_its_own(name):
    for k in (3, 20, 41):  # in sample 0 there is no past yet, and where nothing comes in nothing is learned
        assert is_honest(MAKERS[name], k)
        assert not np.allclose(forecasts(MAKERS[name])[k + 1 :], forecasts(MAKERS[name], k)[k + 1 :], atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_a_learner_that_peeps_is_caught(form):
    assert not is_honest(hl(form, "sequential"), 20, wrap=Peeping)


def test_without_momentum_plain_linear_hl_is_rivers_linear_regression():
    """T1 once more, on a real stream and against a third implementation of SGD."""
    from river import linear_model, optim

    stream = Changes(real("sp500-swing").values, 3, 5)
    network = FORMS["plain"].network(stream.inputs)
    mine = Learner(network, smooth_l1_loss, Settings(tau=0.5, eta=2.0, phi=2.0, beta=0.02), "sequential")
    model = linear_model.LinearRegression(optim.SGD(0.01), loss=optim.losses.Huber(1.0), intercept_lr=0.01)
    a, b = (prequential(x, stream, 400).forecast.values for x in (mine, Regressor(model)))
    assert np.abs(a - b).max() < 1e-12 and np.abs(a).max() > 0.1
    momentum = Learner(FORMS["plain"].network(stream.inputs), smooth_l1_loss, Settings(eta=0.5, beta=0.01))
    assert np.abs(prequential(momentum, stream, 400).forecast.values - b).max() > 1e-3


def test_prequential_tells_forecast_target_and_error():
    x = wander(20)
    told = prequential(Persistence(), Series(x), 19)
    assert told.forecast.values[:, 0] == pytest.approx(x[:-1], rel=1e-5)
    assert told.error.values[:, 0] == pytest.approx(-np.diff(x), abs=1e-5)
    assert told.loss.values == pytest.approx(np.diff(x) ** 2, abs=1e-4) and told.error.dims == ("step", "channel")
    doubled = prequential(Persistence(), Series(x), 19, read=lambda k, y: 2 * y + k)
    assert np.allclose(doubled.error, 2 * told.error)


def test_drift_is_found_where_there_is_one_and_after_it():
    noise = np.random.default_rng(0).uniform(size=1200)
    assert drifts(noise) == []
    noise[700:] += 0.5
    found = drifts(noise)
    assert found and 700 < found[0] < 800


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (lambda: real("aproval"), "'approval'"),
        (lambda: Changes(np.ones((3, 2))), "one axis"),
        (lambda: Changes(np.array([1.0, np.nan, 2.0])), "finite"),
        (lambda: Changes(wander(), lags=3, rhythm=3), "rhythm"),
        (lambda: Changes(wander(), limit=0), "limit"),
        (lambda: experiments.get("forecast-sp500", network="lstm"), "recurrent"),
        (lambda: Sparse(3, scale=0), "scale"),
        (lambda: prequential(Persistence(), Series(wander()), 0), "steps"),
        (lambda: prequential(Persistence(), [Sample(torch.ones(1, 1))], 1), "target of sample 0"),
        (lambda: prequential(Persistence(), [Sample(torch.ones(1, 1), torch.ones(1, 1))], 2), "at least 2"),
        (lambda: Persistence().step(Sample(torch.ones(1, 2), torch.ones(1, 1))), "(1, 2)"),
        (lambda: Regressor(torch.nn.Linear(1, 1)), "predict_one"),
        (lambda: Forecaster(Persistence()), "forecast"),
        (lambda: drifts([0.0], delta=2), "delta"),
        (lambda: drifts([np.inf]), "finite"),
    ],
)
def test_bad_input_is_told(wrong, word):
    with pytest.raises(HLError) as told:
        wrong()
    assert word in str(told.value)


def test_a_series_that_never_changes_is_foretold():
    stream = streams.Changes(np.full(10, 4.0))
    assert float(stream[5].u.abs().max()) == 0 and stream.scale.tolist() == [1.0] * 9


def test_sparse_weights_move_as_their_law_says():
    layer = Sparse(3, scale=0.2)
    u, target = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[3.0]])
    assert float(layer(u).detach()) == 0
    learner = Learner(OutputNetwork(layer), lambda y, t: -(y * t).sum(), Settings.from_sgd(1e-4), "sequential")
    learner.run([Sample(u, target)] * 1000)  # w' = -4 (p² + m²) ∂L/∂w, ∂L/∂w = -ŷu, for 0.1 units of time
    expected = 2 * 0.2**2 * torch.sinh(4 * u * target * 0.1)
    assert torch.allclose(layer.weight, expected, rtol=5e-3)
    assert not torch.allclose(layer.weight, 2 * 0.2**2 * 4 * u * target * 0.1, rtol=0.05), "a plain weight grows evenly"
