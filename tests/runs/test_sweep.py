"""A sweep is its single runs; a sensitivity is what finite differences tell."""

import logging
from itertools import islice

import numpy as np
import psutil
import pytest
import torch
from torch.nn.functional import mse_loss

import hlcore
from hlcore import Chain, Diverged, HLError, OutputNetwork, Rotations, Sample, Settings, experiments
from hlcore.experiments import Experiment, Setup
from hlcore.runs import apart, lanes
from hlcore.runs import sweep as sweeps
from hlcore.streams import Labelled, Stream

SETTINGS = Settings(tau=0.5, eta=0.4, beta=0.05, phi=0.8, eta_z=0.7, control=0.2)
GRID = {"eta": [0.2, 0.9], "beta": [0.02, 0.1], "tau": [0.1, 0.3]}


class Waves(Stream):
    """Sequences of five, some without a target."""

    def sample(self, k):
        draw = torch.Generator().manual_seed(k)
        u, target = (torch.randn(2, d, generator=draw, dtype=torch.float64) for d in (4, 3))
        return Sample(u, None if k % 4 == 3 else target, end=k % 5 == 4)


def by_hand(network, order="sequential", settings=SETTINGS, stream=Waves, loss=mse_loss):
    return Experiment("mine", "", "", lambda seed: Setup(network(), stream(), loss, settings, order), loss, settings,
                      order, dtype="float64")  # fmt: skip


def noisy():
    return OutputNetwork(torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Dropout(0.5), torch.nn.Linear(6, 3)))


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


CASES = {
    "tracker": lambda: experiments.get("tracker-water-flow", dtype="float64"),
    "classes": lambda: experiments.get("iris-mlp", dtype="float64"),
    "chain, Euler": lambda: by_hand(lambda: Chain(mlp()), "euler"),
    "rotations": lambda: by_hand(lambda: Rotations(4, 4, 3)),
    "schedule": lambda: by_hand(lambda: OutputNetwork(mlp()), settings=SETTINGS.replace(phi=lambda t: 1 / (1 + t))),
}


def omega(point):
    return {"norm": float(sum(x.square().sum() for x in point.omega.values())), "t": point.t}


def single(experiment, steps, seed, **settings):
    """(loss, mean loss, |ω|²) of one run by the learner itself."""
    learner, stream = experiment.replace(settings=experiment.settings.replace(**settings)).learner(seed)
    losses = [learner.step(sample).loss for sample in islice(stream, steps)]
    return losses[-1], float(np.mean(losses)), omega(learner.point)


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_is_its_single_runs(name):
    experiment = CASES[name]()
    found = hlcore.sweep(experiment, GRID, 13, seeds=2, measure=omega)
    assert found.attrs["way"].startswith("side by side") and found.loss.dims == ("eta", "beta", "tau", "seed")
    for where in ({"eta": 0.2, "beta": 0.1, "tau": 0.3, "seed": 0}, {"eta": 0.9, "beta": 0.02, "tau": 0.1, "seed": 1}):
        here = found.sel(where)
        settings = {k: v for k, v in where.items() if k != "seed"}
        loss, mean, measured = single(experiment, 13, where["seed"], **settings)
        for a, b in ((float(here.loss), loss), (float(here.mean_loss), mean)):
            assert abs(a - b) <= 1e-10 * max(1.0, abs(b))
        assert abs(float(here.norm) / measured["norm"] - 1) <= 1e-10
        assert abs(float(here.t) - measured["t"]) <= 1e-10
        other, _, _ = single(experiment, 13, where["seed"], **settings | {"beta": 0.5})
        assert abs(float(here.loss) - other) > 1e-6, "negative control: another β"


@pytest.mark.parametrize("name", ["tracker", "schedule"])
def test_a_traced_sweep_is_the_same(name, monkeypatch):
    experiment = CASES[name]()
    plain = hlcore.sweep(experiment, GRID, 13)
    monkeypatch.setattr(lanes, "LONG", 1)
    traced = hlcore.sweep(experiment, GRID, 13)
    assert np.allclose(plain.mean_loss, traced.mean_loss, rtol=1e-12) and np.ptp(plain.mean_loss.values) > 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: NOT tested")
@pytest.mark.parametrize("long", [1, 500])
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu_a_sweep_is_the_same(name, long, monkeypatch):
    """To rounding, plain and traced, and what a measure sees; its runs are told apart."""
    monkeypatch.setattr(lanes, "LONG", long)
    here, there = (hlcore.sweep(CASES[name](), GRID, 13, measure=omega, device=d) for d in ("cpu", "cuda"))
    assert there.attrs["way"].startswith("side by side on cuda:0")
    for column in ("loss", "mean_loss", "norm", "t"):
        assert np.allclose(here[column], there[column], rtol=1e-10, atol=1e-12), column
    assert np.ptp(there.mean_loss.values) > 1e-6


def test_float32_is_the_single_runs_up_to_its_round_off():
    experiment = experiments.get("tracker-water-flow")
    found = hlcore.sweep(experiment, {"eta": [1.0, 3.0]}, 50)
    for eta in (1.0, 3.0):
        loss, mean, _ = single(experiment, 50, 0, eta=eta)
        assert float(found.mean_loss.sel(eta=eta, seed=0)) == pytest.approx(mean, rel=1e-3)
        assert float(found.loss.sel(eta=eta, seed=0)) == pytest.approx(loss, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("order", ["sequential", "euler"])
def test_what_diverges_is_nan_from_its_own_step_on_and_the_others_go_on(order):
    """τη > 2: ω grows as |1 - τη|^k until it overflows."""
    experiment = experiments.get("tracker-water-flow", dtype="float64", order=order)
    etas = [2.0, 60.0, 4.0, 400.0]
    found = hlcore.sweep(experiment, {"eta": etas}, 400, measure=omega).squeeze("seed")
    for eta in etas:
        here, learner_stream = (
            found.sel(eta=eta),
            experiment.replace(settings=experiment.settings.replace(eta=eta)).learner(0),
        )
        learner, stream = learner_stream
        try:
            learner.run(stream, 400)
            assert int(here.diverged) == -1 and np.isfinite(float(here.loss)) and int(here.steps) == 400
        except Diverged as error:
            assert int(here.diverged) == error.step == int(here.steps)
            assert all(np.isnan(float(here[name])) for name in ("loss", "mean_loss", "norm"))
    assert list(found.diverged.values < 0) == [True, False, True, False]
    assert len(set(found.diverged.values.tolist())) == 3, "negative control: each at a step of its own"


def test_a_loss_that_alone_overflows_ends_a_run_too():
    """(y - ŷ)² is inf where y - ŷ, and so every slope, is finite: the learner refuses that step."""
    huge = by_hand(lambda: OutputNetwork(mlp()), stream=lambda: Labelled(torch.ones(1, 4), torch.full((1, 3), 2e154)))
    found = hlcore.sweep(huge, {"beta": [0.0, 0.1]}, 5)
    assert found.diverged.values.ravel().tolist() == [0, 0]


@pytest.mark.parametrize("at", [1, 7, 30])
@pytest.mark.parametrize("name", ["tracker", "chain, Euler"])
def test_an_interrupted_sweep_goes_on_with_the_same_bits(name, at, monkeypatch, tmp_path, caplog):
    experiment, calls = CASES[name](), [0]
    monkeypatch.setattr(sweeps, "LANES", 3)
    whole = hlcore.sweep(experiment, GRID, 12, measure=omega)
    step = lanes.Lanes.step

    def interrupted(*given):
        calls[0] += 1
        if calls[0] == at:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(lanes.Lanes, "step", interrupted)
    with caplog.at_level(logging.WARNING):
        part = hlcore.sweep(experiment, GRID, 12, measure=omega)
    assert "interrupted" in caplog.text and int((part.steps < 12).sum()) > 0
    part.to_netcdf(tmp_path / "part.nc", engine="h5netcdf")
    import xarray

    again = hlcore.sweep(experiment, GRID, 12, measure=omega, resume=xarray.load_dataset(tmp_path / "part.nc"))
    assert calls[0] <= 3 * 12 + 1, "no step was taken twice"
    assert "phase" not in again and set(again) == set(whole)
    for variable in whole:
        assert np.array_equal(again[variable], whole[variable]), variable
    with pytest.raises(HLError, match="resume"):
        hlcore.sweep(experiment, GRID, 13, resume=part)


@pytest.mark.parametrize("learner", ["sgd", "rtrl"])
def test_other_learners_go_one_after_the_other_and_it_is_told(learner):
    experiment = experiments.get("tracker-sinusoid", dtype="float64", learner=learner)
    found = hlcore.sweep(experiment, {"tau": [0.05, 0.1]}, 6, measure=lambda point: point.t)
    assert found.attrs["way"].startswith("one after the other: learner") and learner in found.attrs["way"]
    for tau in (0.05, 0.1):
        here = found.sel(tau=tau, seed=0)
        assert float(here.loss) == single(experiment, 6, 0, tau=tau)[0] and float(here.measure) == pytest.approx(
            6 * tau
        )


def test_long_runs_that_go_alone_go_in_processes_with_the_same_bits(monkeypatch):
    """Also one that diverges; with a measure, which cannot be sent, they stay here."""
    experiment, grid = experiments.get("tracker-sinusoid", learner="rtrl"), {"tau": [0.05, 0.1, 1e30]}
    here = hlcore.sweep(experiment, grid, 30, seeds=2)
    monkeypatch.setattr(apart, "LONG", 1)
    there = hlcore.sweep(experiment, grid, 30, seeds=2)
    measured = hlcore.sweep(experiment, grid, 30, seeds=2, measure=lambda point: point.t)
    assert there.attrs["way"].startswith("one after the other, in processes: learner")
    for other in (here, measured):
        assert other.attrs["way"].startswith("one after the other: learner")
        for name in here:
            assert np.array_equal(there[name], other[name], equal_nan=True), name
    assert (there.diverged.sel(tau=1e30) >= 0).all() and np.ptp(there.loss.sel(tau=[0.05, 0.1]).values) > 1e-6


def test_an_interrupt_ends_the_processes_and_keeps_what_is_done(monkeypatch, caplog):
    monkeypatch.setattr(apart, "LONG", 1)
    real, calls = apart.in_processes, []

    def cut(*given):
        for found in real(*given):
            if calls:
                raise KeyboardInterrupt
            calls.append(found)
            yield found

    monkeypatch.setattr(sweeps, "in_processes", cut)
    before = set(psutil.Process().children())
    found = hlcore.sweep(experiments.get("iris-linear", learner="sgd"), {"lr": [0.01, 0.02, 0.03]}, 20)
    assert int((found.steps == 20).sum()) == 1 and "1 of 3 runs are done" in caplog.text
    assert not {p for p in psutil.Process().children() if p.is_running()} - before


def test_a_run_that_no_string_can_tell_or_no_process_can_make_stays_here(monkeypatch):
    monkeypatch.setattr(apart, "LONG", 1)
    monkeypatch.setattr(apart, "SERVE", "import sys\nfor line in sys.stdin: print('null', flush=True)")
    for experiment, name in ((by_hand(noisy), "eta"), (experiments.get("iris-linear", learner="sgd"), "lr")):
        found = hlcore.sweep(experiment, {name: [0.5, 1.0]}, 6)
        assert found.attrs["way"].startswith("one after the other: ") and np.isfinite(found.loss.values).all()


def test_a_metric_goes_one_after_the_other():
    experiment = experiments.get("iris-linear", dtype="float64", metric="rms", beta=0.001)
    found = hlcore.sweep(experiment, {"eta": [0.5, 1.0]}, 6)
    assert found.attrs["way"].startswith("one after the other: metric")
    assert float(found.loss.sel(eta=1.0, seed=0)) == single(experiment, 6, 0, eta=1.0)[0]


def test_what_draws_or_keeps_count_goes_one_after_the_other():
    def counting():
        return OutputNetwork(torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 3)))

    for network in (noisy, counting):
        found = hlcore.sweep(by_hand(network), {"beta": [0.02, 0.1]}, 6)
        assert found.attrs["way"].startswith("one after the other") and np.isfinite(found.loss.values).all()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"settings": {}}, "settings"), ({"settings": {"etta": [1.0]}}, "eta"), ({"settings": {"eta": []}}, "eta"),
        ({"settings": {"eta": [1.0, 1.0]}}, "eta"), ({"settings": {"eta": [-1.0]}}, "eta"),
        ({"settings": {"eta": 1.0}}, "eta"), ({"settings": {"eta": ["a"]}}, "eta"), ({"steps": 0}, "steps"),
        ({"seeds": 0}, "seeds"), ({"seeds": [1, 1]}, "seeds"), ({"experiment": "iris-mlp"}, "Experiment"),
        ({"measure": lambda point: {"loss": 1.0}}, "measure"), ({"device": "gpu"}, "device"),
        ({"device": 1.5}, "device"),
    ],
)  # fmt: skip
def test_bad_input_is_told(given, named):
    good = {"experiment": experiments.get("iris-linear"), "settings": {"eta": [1.0]}, "steps": 3}
    with pytest.raises(HLError, match=named):
        hlcore.sweep(**good | given)


@pytest.mark.parametrize("setting", ["eta", "beta", "phi", "tau", "eta_z", "control"])
@pytest.mark.parametrize("name", ["tracker", "chain, Euler", "classes"])
def test_a_sensitivity_is_that_of_finite_differences(name, setting):
    experiment, steps, tiny = CASES[name](), 7, 1e-6
    found = hlcore.sensitivity(experiment, setting, steps)
    value = experiment.settings.in_force(setting)
    there, back = (
        experiment.replace(settings=experiment.settings.replace(**{setting: max(0.0, value + d)})).run(steps)
        for d in (tiny, -tiny)
    )
    width = value + tiny - max(0.0, value - tiny)
    felt = False
    for quantity in ("theta", "omega", "h", "z", "loss", "hamiltonian", "output"):
        slopes = (there[quantity].values - back[quantity].values) / width
        assert found[quantity].dims == there[quantity].dims
        assert np.allclose(found[quantity].values, slopes, rtol=1e-4, atol=1e-5 * max(1, abs(slopes).max(initial=0)))
        felt |= bool(abs(slopes).max(initial=0) > 1e-4)
    assert felt is (name != "classes" or setting not in ("eta_z", "control")), "something moves, or nothing can"


def test_what_follows_a_setting_is_taken_along():
    """η_z = None is η: the slope by η is the sum of both."""
    network = lambda: Chain(mlp())  # noqa: E731
    both = hlcore.sensitivity(by_hand(network, settings=SETTINGS.replace(eta_z=None)), "eta", 8)
    fixed = by_hand(network, settings=SETTINGS.replace(eta_z=0.4))
    one, other = (hlcore.sensitivity(fixed, setting, 8) for setting in ("eta", "eta_z"))
    assert np.allclose(both.theta, one.theta + other.theta, atol=1e-13)
    assert float(abs(other.theta).max()) > 1e-6


@pytest.mark.parametrize("setting", ["s", "etta", "phi"])
def test_what_has_no_slope_is_told(setting):
    experiment = by_hand(lambda: OutputNetwork(mlp()), settings=SETTINGS.replace(phi=lambda t: 1.0))
    with pytest.raises(HLError, match=setting):
        hlcore.sensitivity(experiment, setting, 3)
    with pytest.raises(HLError, match="hamiltonian"):
        hlcore.sensitivity(experiments.get("iris-linear", learner="sgd"), "rate", 3)


def test_a_run_that_diverges_has_no_slope():
    with pytest.raises(Diverged):
        hlcore.sensitivity(experiments.get("iris-linear", dtype="float64", eta=1e60), "beta", 20)
