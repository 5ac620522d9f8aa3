"""The record: what it holds, that it is bounded, and that a run which blows up loses nothing."""

import gc
import os

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

import hlcore
from hlcore import Diverged, Learner, Recorder, Sample, Settings, experiments


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
