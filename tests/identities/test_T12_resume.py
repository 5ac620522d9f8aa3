"""T12: resume from a checkpoint, replay from the stream, and fork at any time = the uninterrupted run, to the bit."""

import copy

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

import hlcore
from hlcore import HLError, Learner, Recorder, Sample, Settings
from hlcore.streams import Signal, sines

STREAM_X = sines([0.05, 0.13], [1.0, 0.4])


def lstm():
    torch.manual_seed(1)
    return hlcore.Recurrent(torch.nn.LSTMCell(1, 6), torch.nn.Sequential(torch.nn.Dropout(0.3), torch.nn.Linear(6, 1)))


def norm():
    torch.manual_seed(1)
    return hlcore.OutputNetwork(
        torch.nn.Sequential(
            torch.nn.Linear(1, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.2), torch.nn.Linear(6, 1)
        )
    )


def state():
    torch.manual_seed(1)
    return hlcore.StateNetwork(torch.nn.Sequential(torch.nn.Linear(1, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)))


class Wide(hlcore.streams.Stream):
    """A signal in batches of three, whose sequences end after nine samples."""

    def sample(self, k):
        generator = torch.Generator().manual_seed(k)
        u, y = (torch.randn(3, 1, generator=generator) for _ in range(2))
        return Sample(u, y, end=k % 9 == 8, dt=(None, 0.2)[k % 2])


def bits(learner):
    point = learner.point
    parts = {f"{p}/{k}": x.clone() for p in ("h", "theta", "z", "omega") for k, x in getattr(point, p).items()}
    return parts | {f"buffer/{k}": x.clone() for k, x in learner.network.named_buffers()}, point.t, learner.steps


def same(a, b):
    return a[1:] == b[1:] and a[0].keys() == b[0].keys() and all(torch.equal(a[0][k], b[0][k]) for k in a[0])


SETTINGS = Settings(tau=0.5, eta=0.3, beta=0.1, eta_z=0.7)


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("make", [lstm, norm, state])
@pytest.mark.parametrize("at", [0, 1, 8, 9, 13])
def test_T12_resume_equals_the_uninterrupted_run(make, order, at, tmp_path):
    stream = Wide()
    learner = Learner(make(), mse_loss, SETTINGS, order)
    torch.manual_seed(7)
    for k in range(at):
        learner.step(stream[k])
    learner.save(tmp_path / "a.hl")
    start = bits(learner)
    for k in range(at, at + 20):
        learner.step(stream[k])
    resumed = Learner.load(tmp_path / "a.hl", make(), mse_loss)
    assert same(bits(resumed), start)
    for sample, _ in zip(stream.since(resumed.steps), range(20), strict=False):
        resumed.step(sample)
    assert same(bits(resumed), bits(learner))
    assert not same(bits(resumed), start), "the weights moved"
    assert resumed.settings == learner.settings and resumed.order == order


def test_T12_what_is_loaded_lies_as_torch_lays_it(tmp_path):
    """A product of matrices may have other last bits where they lie otherwise; torch's allocator keeps to 64 bytes."""
    learner = Learner(lstm(), mse_loss, SETTINGS)
    learner.run(Wide(), 5)
    learner.save(tmp_path / "a.hl")
    point = Learner.load(tmp_path / "a.hl", lstm(), mse_loss).point
    found = [x.data_ptr() % 64 for part in (point.h, point.z) for x in part.values()]
    assert found and not any(found)
    unlike = safetensors.torch.load_file(tmp_path / "a.hl")
    assert any(x.data_ptr() % 64 for name, x in unlike.items() if name.startswith(("h/", "z/"))), (
        "the file's own places"
    )


def test_T12_a_resume_without_omega_differs(tmp_path):
    stream, learner = Wide(), Learner(state(), mse_loss, SETTINGS)
    learner.run(stream, 10)
    learner.save(tmp_path / "a.hl")
    forgetful = Learner.load(tmp_path / "a.hl", state(), mse_loss)
    point = forgetful.point.clone()
    for x in point.omega.values():
        x.zero_()
    forgetful.point = point
    for k in range(10, 20):
        learner.step(stream[k])
        forgetful.step(stream[k])
    assert not same(bits(learner), bits(forgetful))


@given(at=st.integers(0, 30), more=st.integers(1, 30))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_T12_fork_at_any_time(at, more):
    torch.set_default_dtype(torch.float64)
    stream = Signal(STREAM_X)
    torch.manual_seed(3)
    network = hlcore.Recurrent(torch.nn.RNNCell(1, 4), torch.nn.Linear(4, 1))
    twin = copy.deepcopy(network)
    learner = Learner(network, mse_loss, SETTINGS, "sequential")
    learner.run(stream, at) if at else None
    fork = Learner(twin, mse_loss, SETTINGS, "sequential")
    fork.point = learner.point
    for k in range(at, at + more):
        learner.step(stream[k])
        fork.step(stream[k])
    for part in ("h", "theta", "z", "omega"):
        a, b = getattr(learner.point, part), getattr(fork.point, part)
        assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("torch_start", [True, False])
def test_T12_torch_start_is_remembered(torch_start, tmp_path):
    stream, module = Wide(), torch.nn.Linear(1, 1)
    learner = Learner(hlcore.OutputNetwork(module), mse_loss, SETTINGS, "sequential", torch_start=torch_start)
    learner.save(tmp_path / "a.hl")
    other = Learner.load(tmp_path / "a.hl", hlcore.OutputNetwork(torch.nn.Linear(1, 1)), mse_loss)
    learner.run(stream, 5)
    other.run(stream, 5)
    assert same(bits(learner), bits(other))


def test_beta_tensors_and_schedules(tmp_path):
    beta = {"module.weight": torch.rand(2, 1), "module.bias": 0.5}
    network = hlcore.OutputNetwork(torch.nn.Linear(1, 2))
    learner = Learner(network, mse_loss, SETTINGS.replace(beta=beta, phi=lambda t: 1.0))
    learner.save(tmp_path / "a.hl")
    fresh = hlcore.OutputNetwork(torch.nn.Linear(1, 2))
    with pytest.raises(HLError, match="phi was a function"):
        Learner.load(tmp_path / "a.hl", fresh, mse_loss)
    assert Learner.load(tmp_path / "a.hl", fresh, mse_loss, learner.settings).settings is learner.settings
    learner.settings = SETTINGS.replace(beta=beta)
    learner.save(tmp_path / "a.hl")
    loaded = Learner.load(tmp_path / "a.hl", fresh, mse_loss).settings.beta
    assert torch.equal(loaded["module.weight"], beta["module.weight"]) and loaded["module.bias"] == 0.5


def test_bad_checkpoints_are_told(tmp_path):
    learner = Learner(state(), mse_loss, SETTINGS)
    learner.save(tmp_path / "a.hl")
    with pytest.raises(HLError, match=r"module\.0\.weight"):
        Learner.load(tmp_path / "a.hl", hlcore.StateNetwork(torch.nn.Linear(1, 1)), mse_loss)
    whole = (tmp_path / "a.hl").read_bytes()
    (tmp_path / "b.hl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HLError, match="cut short"):
        Learner.load(tmp_path / "b.hl", state(), mse_loss)
    (tmp_path / "c.hl").write_bytes(b"nothing of the kind")
    with pytest.raises(HLError, match="cannot be read"):
        Learner.load(tmp_path / "c.hl", state(), mse_loss)


def test_no_pickle_in_a_checkpoint(tmp_path):
    Learner(state(), mse_loss, SETTINGS).save(tmp_path / "a.hl")
    header = (tmp_path / "a.hl").read_bytes()
    assert header[8:9] == b"{" and not header.startswith((b"PK", b"\x80"))


def test_T12_an_experiment_repeats_its_bits():
    experiment = hlcore.experiments.get("tracker-water-flow")
    first, again, other = experiment.run(60), experiment.run(60), experiment.run(60, seed=1)
    assert first.identical(again)
    assert not first.theta.equals(other.theta)


def test_T12_the_record_of_a_replayed_part_is_the_record():
    stream = Signal(STREAM_X)
    torch.manual_seed(3)
    network = hlcore.Recurrent(torch.nn.RNNCell(1, 4), torch.nn.Linear(4, 1))
    learner, recorder = Learner(network, mse_loss, SETTINGS), Recorder(capacity=40)
    learner.run(stream, 10, recorder)
    kept = learner.point.clone()
    learner.run(stream.since(10), 20, recorder)
    whole = recorder.trajectory()
    recorder.truncate(10)
    learner.point = kept
    learner.steps = 10
    learner.run(stream.since(10), 20, recorder)
    assert recorder.trajectory().identical(whole)
