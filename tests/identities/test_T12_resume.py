"""T12: resume from a checkpoint, replay from the stream, and fork at any time = the uninterrupted run, to the bit."""

import copy

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

import hlcore
from hlcore import HLError, Learner, Recorder, Sample, Settings
from hlcore.learners import Step
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


KINDS = {
    "sgd": {"lr": 0.05, "momentum": 0.7, "dampening": 0.2, "tau": 0.5},
    "bptt": {"tau": 0.5, "eta": 0.6, "beta": 0.1, "window": 4, "every": 3},
    "hl-bptt": {"tau": 0.5, "eta": 0.6, "beta": 0.1, "window": 4, "every": 3, "eta_z": 0.1},
    "rtrl": {"tau": 0.5, "eta": 0.6, "beta": 0.1},
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("at", [0, 1, 7, 9, 13])
def test_T12_every_learner_resumes(name, at, tmp_path):
    kind, stream = hlcore.learners.get(name), Wide()
    learner = kind(lstm(), mse_loss, kind.settings_type(**KINDS[name]))
    torch.manual_seed(7)
    for k in range(at):
        learner.step(stream[k])
    learner.save(tmp_path / "a.hl")
    start = bits(learner)
    for k in range(at, at + 20):
        learner.step(stream[k])
    resumed = kind.load(tmp_path / "a.hl", lstm(), mse_loss)
    assert same(bits(resumed), start)
    for k in range(at, at + 20):
        resumed.step(stream[k])
    assert same(bits(resumed), bits(learner)) and not same(bits(resumed), start)
    assert resumed.settings == learner.settings


def test_T12_rivers_regression_resumes(tmp_path):
    kind, stream = hlcore.learners.get("river"), hlcore.streams.water_flow()
    learner = kind(state(), mse_loss)
    learner.run(stream, 30)
    learner.save(tmp_path / "a.hl")
    resumed = kind.load(tmp_path / "a.hl", state(), mse_loss)
    for each in (learner, resumed):
        each.run(stream.since(30), 30)
    a, b = learner.traced()["theta"], resumed.traced()["theta"]
    assert a and a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Remembering(hlcore.learners.BaseLearner):
    """What a learner of one's own may remember: of everything something."""

    name, title = "remembering", "Remembering"

    def propose(self, sample):
        seen = [*self.memory.get("seen", []), (sample, sample.u * 2, {"steps": self.steps, 3: None})]
        memory = {"seen": seen, "x": np.arange(3.0) * self.steps, "text": "a/b", "none": None, "yes": True, "z": 1 / 3}
        return Step(self.state_for(sample)[0], None, torch.zeros(3, 1), 0.0, 0.0, None, memory=memory)


def test_a_memory_of_many_kinds_is_kept_to_the_bit(tmp_path):
    learner, stream = Remembering(lstm(), mse_loss), Wide()
    learner.run((Sample(s.u, s.target, True, s.dt) for s in stream), 3)
    learner.save(tmp_path / "a.hl")
    memory = Remembering.load(tmp_path / "a.hl", lstm(), mse_loss).memory
    assert memory.keys() == learner.memory.keys() and len(memory["seen"]) == 3
    for (a, u, told), (b, v, also) in zip(memory["seen"], learner.memory["seen"], strict=True):
        assert torch.equal(a.u, b.u) and torch.equal(a.target, b.target) and (a.end, a.dt) == (b.end, b.dt)
        assert torch.equal(u, v) and told == also and type(a) is Sample
    assert np.array_equal(memory["x"], learner.memory["x"])
    assert [memory[k] for k in ("text", "none", "yes", "z")] == ["a/b", None, True, 1 / 3]
    learner.memory["seen"][1] = {"deep": [object()]}
    with pytest.raises(HLError, match="memory/seen/1/deep/0"):
        learner.save(tmp_path / "b.hl")
    assert not (tmp_path / "b.hl").exists() and not list(tmp_path.glob("*.part"))


class Ring(hlcore.streams.World):
    """Six rooms in a ring; entering room 0 pays."""

    def begin(self, rng):
        return (int(rng.integers(1, 6)),)

    def move(self, at, action, rng):
        to = (at[0] + (1 if action else -1)) % 6
        return float(to == 0), (to,), to == 0

    def features(self, at):
        return np.eye(6)[at[0]]


def td(y, t):
    """½ (Q(s)[a] - r - 0.9 max Q(s'))²."""
    goal = t[0, 1] + 0.9 * t[0, 2].clamp(min=0) * y[0, 1].detach().max()
    return 0.5 * (t[0, 2] >= 0) * (y[0, 0, t[0, 0].long()] - goal).square()


td.own_shapes = True


def test_T12_a_world_resumes_with_its_learner(tmp_path):
    def made():
        torch.manual_seed(1)
        return hlcore.OutputNetwork(torch.nn.Linear(6, 2))

    learner, world = Learner(made(), td, SETTINGS, "sequential"), Ring(3)
    learner.run(world, 40)
    learner.save(tmp_path / "a.hl", world)
    learner.save(tmp_path / "b.hl")
    learner.run(world, 40)
    again = Ring(99)
    resumed = Learner.load(tmp_path / "a.hl", made(), td, stream=again)
    assert again.k == 40
    resumed.run(again, 40)
    assert same(bits(resumed), bits(learner)) and again.state() == world.state() and world.k == 80
    other = Learner.load(tmp_path / "a.hl", made(), td)
    begun = Ring(3)
    other.run(begun, 40)
    assert not same(bits(other), bits(learner)), "negative control: the world from its beginning"
    before = made()
    with pytest.raises(HLError, match="save"):
        Learner.load(tmp_path / "b.hl", before, td, stream=Ring(3))
    assert all(torch.equal(p, q) for p, q in zip(before.parameters(), made().parameters(), strict=True))


class Poles(torch.nn.Module):
    """A layer with a buffer of any kind."""

    def __init__(self, p):
        super().__init__()
        self.layer = torch.nn.Linear(1, 2)
        self.register_buffer("p", p)

    def forward(self, u):
        return (self.layer(u) * self.p).real


@pytest.mark.parametrize("kind", [torch.complex64, torch.complex128, torch.float16, torch.bool, torch.int8])
def test_buffers_of_every_kind_are_kept(kind, tmp_path):
    def made(factor):
        return hlcore.OutputNetwork(Poles((torch.tensor([1.0, 0.0]) * factor).to(kind)))

    learner = Learner(made(1 + 2j if kind.is_complex else 1.0), mse_loss, SETTINGS)
    learner.save(tmp_path / "a.hl")
    network = made(0.0)
    Learner.load(tmp_path / "a.hl", network, mse_loss)
    assert network.module.p.dtype == kind and torch.equal(network.module.p, learner.network.module.p)
    assert network.module.p[0] != 0


def test_what_cannot_be_written_is_named_and_the_older_file_stays(tmp_path):
    learner = Learner(hlcore.OutputNetwork(Poles(torch.eye(2).to_sparse())), mse_loss, SETTINGS)
    (tmp_path / "a.hl").write_text("older")
    with pytest.raises(HLError, match=r"network/module\.p"):
        learner.save(tmp_path / "a.hl")
    assert (tmp_path / "a.hl").read_text() == "older"


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True)])
def test_another_set_of_frozen_weights_is_told_and_nothing_is_overwritten(then, now, tmp_path):
    def made(frozen):
        network = hlcore.OutputNetwork(torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.Linear(3, 1)))
        network.module[0].requires_grad_(not frozen)
        return network

    Learner(made(then), mse_loss, SETTINGS).save(tmp_path / "a.hl")
    network = made(now)
    before = [p.detach().clone() for p in network.parameters()]
    with pytest.raises(HLError, match=r"module\.0\.weight"):
        Learner.load(tmp_path / "a.hl", network, mse_loss)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_files_of_another_format_or_learner_are_told(tmp_path):
    learner = Learner(state(), mse_loss, SETTINGS)
    learner.save(tmp_path / "a.hl")
    with pytest.raises(HLError, match=r"'hamiltonian'.*'rtrl'"):
        hlcore.learners.get("rtrl").load(tmp_path / "a.hl", state(), mse_loss)
    safetensors.torch.save_file({"x": torch.ones(1)}, tmp_path / "b.hl", metadata={"hlcore": '{"format": 1}'})
    with pytest.raises(HLError, match="format 1, expected format 3"):
        Learner.load(tmp_path / "b.hl", state(), mse_loss)
