"""The record: what it holds, that it is bounded, and that a run which blows up loses nothing."""

import gc
import os
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

import hlcore
from hlcore import Diverged, HLError, Learner, Recorder, Sample, Settings, experiments
from hlcore.declared import BaseSettings, setting
from hlcore.learners import BaseLearner, Quantity, Step
from hlcore.records import export


def rnn(units=3):
    return hlcore.Recurrent(torch.nn.RNNCell(1, units), torch.nn.Linear(units, 1))


def walk(n, value=1.0):
    return [Sample(torch.full((1, 1), value * k / n), torch.ones(1, 1), end=False) for k in range(n)]


def test_a_trajectory_holds_every_quantity_after_each_step():
    learner, recorder = Learner(rnn(), mse_loss, Settings(tau=0.5, beta=0.1, eta=0.2)), Recorder()
    expected = {part: [] for part in ("h", "z", "theta", "omega")}
    losses = []
    for sample in walk(30):
        report = learner.step(sample)
        recorder.record(learner, report, sample)
        losses.append(report.loss)
        for part, rows in expected.items():
            rows.append(torch.cat([x.reshape(-1) for x in getattr(learner.point, part).values()]).numpy().copy())
    data = recorder.trajectory()
    assert data.time.values.tolist() == pytest.approx([0.5 * (k + 1) for k in range(30)])
    assert data.loss.values.tolist() == losses
    for part, rows in expected.items():
        assert np.array_equal(data[part].values, np.array(rows)), part
        assert np.ptp(data[part].values, axis=0).max() > 0, f"{part} moved"
    assert data.weight.values.tolist()[:4] == [
        "cell.weight_ih[0,0]",
        "cell.weight_ih[1,0]",
        "cell.weight_ih[2,0]",
        "cell.weight_hh[0,0]",
    ]
    assert float(data.theta.sel(weight="readout.bias[0]")[-1]) == float(learner.point.theta["readout.bias"][0])
    assert set(data.data_vars) >= {"tau", "eta", "eta_z", "beta", "phi", "s", "output", "target"}


def test_the_settings_in_force_are_recorded():
    learner, recorder = Learner(rnn(), mse_loss, Settings(tau=0.5, phi=lambda t: 1 + t)), Recorder()
    learner.run(walk(3), recorder=recorder)
    learner.settings = learner.settings.replace(eta=0.7)
    learner.run([Sample(torch.ones(1, 1), torch.ones(1, 1), False, dt=0.25)], recorder=recorder)
    data = recorder.trajectory()
    assert data.eta.values.tolist() == [0, 0, 0, 0.7]
    assert data.tau.values.tolist() == [0.5, 0.5, 0.5, 0.25]
    assert data.phi.values.tolist() == [1, 1.5, 2, 2.5]


def test_capacity_keeps_the_latest_and_every_thins():
    learner, recorder = Learner(rnn(), mse_loss, Settings(tau=1.0)), Recorder(every=3, capacity=5)
    learner.run(walk(40), recorder=recorder)
    assert recorder.trajectory().step.values.tolist() == [28, 31, 34, 37, 40]
    recorder.truncate(2)
    assert recorder.trajectory().step.values.tolist() == [28, 31]


def test_a_wide_network_is_sampled_evenly():
    learner, recorder = Learner(rnn(50), mse_loss), Recorder(width=20)
    learner.run(walk(4), recorder=recorder)
    data = recorder.trajectory()
    assert data.theta.shape == (4, 20)
    assert data.weight.values[0] == "cell.weight_ih[0,0]" and data.weight.values[-1] == "readout.bias[0]"
    assert float(data.theta[-1, -1]) == float(learner.point.theta["readout.bias"][0])


def _grown(steps, recorder):
    experiment = experiments.get("iris-linear")
    learner, stream = experiment.learner()
    samples = [stream[k] for k in range(150)]

    def go(n):
        for k in range(n):
            sample = samples[k % 150]
            recorder.record(learner, learner.step(sample), sample)
        gc.collect()
        with open(f"/proc/{os.getpid()}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    return -go(2_000) + go(steps)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_memory_is_bounded_by_capacity():
    """A short form of the long run (tests/benchmarks/memory.py takes the whole 1,000,000 steps)."""
    assert _grown(30_000, Recorder(capacity=2_000)) < 20


def exploding(w=3.0):
    network = rnn()
    learner = Learner(network, mse_loss, Settings(tau=0.5, beta=1e-9, eta=9.0), "sequential")
    return learner, [Sample(torch.ones(1, 1), w * torch.ones(1, 1), end=False)] * 5000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_diverging_run_stops_at_the_first_non_finite_value_and_says_which(dtype):
    torch.set_default_dtype(dtype)
    learner, samples = exploding()  # 1 - τη = -3.5: ω grows by 3.5 in every step, z likewise
    recorder = Recorder(capacity=5000)
    with pytest.raises(Diverged) as caught:
        learner.run(samples, recorder=recorder)
    error, point = caught.value, learner.point
    assert error.quantity in ("z", "omega", "theta", "loss", "hamiltonian") and error.quantity in str(error)
    assert error.t == point.t == learner.steps * 0.5 and f"t = {point.t:g}" in str(error)
    assert len(recorder) == learner.steps
    for part in ("h", "z", "theta", "omega"):
        assert all(bool(torch.isfinite(x).all()) for x in getattr(point, part).values()), part
    data = recorder.trajectory()
    assert all(np.isfinite(data[v].values).all() for v in ("h", "z", "theta", "omega", "loss", "hamiltonian"))
    largest = max(float(x.abs().max()) for p in (point.z, point.omega) for x in p.values())
    assert largest > torch.finfo(dtype).max ** 0.25, "it was on the way to infinity"
    learner.settings = learner.settings.replace(eta=1.0)
    with pytest.raises(Diverged):
        learner.step(Sample(torch.ones(1, 1) * torch.inf, torch.ones(1, 1)))
    assert learner.point.t == error.t


@pytest.mark.parametrize("quantity", ["theta", "omega", "loss", "h"])
def test_each_quantity_is_named(quantity):
    class Blow(hlcore.Network):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))

        def initial_state(self, batch_size):
            return {"h": torch.zeros(1, 1)}

        def velocity(self, u, h, tau):
            return {"h": u * 1e308 if quantity == "h" else u}

        def output(self, u, h):
            return self.w.view(1, 1) if quantity != "h" else h["h"]

    loss = {
        "theta": lambda y, t: y.sum(),
        "omega": lambda y, t: (y - 1).abs().sqrt().sum() + 0 * y.sum(),
        "loss": lambda y, t: (y.sum() - 1).log() * 0 + torch.inf,
        "h": lambda y, t: y.sum(),
    }[quantity]
    settings = Settings(tau=100.0, eta_z=0.0, eta=0.0, beta=1e307 if quantity == "theta" else 1e-3)
    learner = Learner(Blow(), loss, settings, "sequential")
    with pytest.raises(Diverged) as caught:
        for _ in range(5):
            learner.step(Sample(torch.ones(1, 1), torch.ones(1, 1), end=False))
    assert caught.value.quantity == quantity
    assert all(bool(torch.isfinite(x).all()) for x in learner.point.theta.values())


@dataclass(frozen=True)
class OwnSettings(BaseSettings):
    """One that follows a schedule, one that is a choice, and the clock's step."""

    rate: float = setting(lambda t: 0.1 * t, "r", "rate", check=lambda name, value: value)
    tau: float = setting(0.5, "τ", "step")
    kind: int = setting(1, "k", "kind", scale="choice", choices=(("one", 1), ("two", 2)))


class Own(BaseLearner):
    """A learner with quantities of its own: a trace of three numbers, and a count on an axis of its own."""

    name, title, settings_type = "own", "Own", OwnSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "trace": Quantity("e", "trace", "unit"),
        "odd": Quantity("o", "another number of units", "unit"),
        "count": Quantity("n", "count", "visit"),
    }

    def propose(self, sample):
        memory = {"trace": torch.arange(3.0) * self.steps, "count": torch.tensor(float(self.steps))}
        return Step({}, None, torch.zeros(1, 1), float(self.steps), 0.0, None, memory=memory)

    def traced(self):
        return {
            "trace": {"e": self.memory["trace"]},
            "odd": {"o": self.memory["trace"][:2]},
            "count": {"n": self.memory["count"]},
            "more": {"m": torch.zeros(5)},
        }


def test_the_record_is_of_the_learners_own_quantities_and_settings():
    learner, recorder = Own(hlcore.OutputNetwork(torch.nn.Linear(1, 1)), mse_loss), Recorder(capacity=8)
    learner.run(walk(10), recorder=recorder)
    learner.settings = learner.settings.replace(kind=2)
    learner.run([Sample(torch.ones(1, 1), torch.ones(1, 1), False, dt=0.25)], recorder=recorder)
    data = recorder.trajectory()
    assert set(data.data_vars) == {
        "loss", "hamiltonian", "rate", "tau", "kind", "trace", "odd", "count", "output", "target"
    }  # fmt: skip
    assert data.trace.values[-1].tolist() == [0, 10, 20] and data.trace.dims == ("time", "unit")
    assert data.unit.values.tolist() == ["e[0]", "e[1]", "e[2]"]
    assert data.odd.dims == ("time", "unit_odd") and data.unit_odd.values.tolist() == ["o[0]", "o[1]"]
    assert data["count"].dims == ("time", "visit") and data["count"].values[:, 0].tolist() == list(range(3, 11))
    assert data.rate.values == pytest.approx([0.05 * k for k in range(3, 11)]), "read at the time before the step"
    assert data.tau.values.tolist() == [0.5] * 7 + [0.25] and data.kind.values.tolist() == [1] * 7 + [2]
    assert recorder.window("rate").tolist() == data.rate.values.tolist() and recorder.names("more") == []


@pytest.mark.parametrize("name", ["hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl"])
def test_every_learner_is_recorded_by_its_own_names(name):
    learner, stream = experiments.get("tracker-sinusoid", learner=name, units=4).learner(0)
    recorder = Recorder()
    learner.run(stream, 30, recorder)
    data = recorder.trajectory()
    kept = {"loss", "hamiltonian", "output", "target", *learner.quantities, *learner.settings.about()}
    assert set(data.data_vars) == kept
    for quantity in learner.quantities:
        live = torch.cat([x.detach().flatten() for x in learner.traced()[quantity].values()]).numpy()
        assert np.array_equal(data[quantity].values[-1], live.astype(data[quantity].dtype)), quantity
        assert np.ptp(data[quantity].values, axis=0).max() > 0, f"{quantity} moved"


def test_a_recorder_is_of_one_kind_of_learner():
    learner, recorder = Learner(rnn(), mse_loss), Recorder()
    learner.run(walk(3), recorder=recorder)
    other = hlcore.learners.get("sgd").beside(learner)
    with pytest.raises(HLError, match="Recorder"):
        other.run(walk(3), recorder=recorder)
    assert len(recorder) == 3
    recorder.clear()
    other.run(walk(3), recorder=recorder)
    assert "momentum" in recorder.trajectory()


def test_a_file_that_cannot_be_written_is_told_before_anything_is(tmp_path):
    for wrong in ("a.txt", "nowhere/a.nc", ""):
        with pytest.raises(HLError):
            export.checked(tmp_path / wrong)
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(HLError, match="can be written"):
        export.checked(tmp_path / "folder.nc")
    (tmp_path / "old.csv").write_text("kept")
    assert export.checked(tmp_path / "old.csv").read_text() == "kept"
    assert not export.checked(tmp_path / "new.csv").exists()
