"""GPUs, as far as a machine without one can tell: what is chosen, what is staged, what is told. See docs/devices.md."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, OutputNetwork, Sample, experiments
from hlcore.devices import Job, Lost, Workers
from hlcore.devices.__main__ import main
from hlcore.devices.device import backend, card, chosen
from hlcore.devices.transport import Carrier
from hlcore.devices.wire import Wire
from tests import far

ROOT = Path(__file__).parents[2]
BOTH = "cpu:gloo,cuda:nccl"
AT_ONCE, SOON = timedelta(seconds=0.05), timedelta(seconds=5)


@pytest.mark.parametrize(
    ("cards", "nccl", "expected"),
    [
        (["a", "b", "c"], True, BOTH),
        (["a"], True, BOTH),
        (["a", "b", "a"], True, "gloo"),  # nccl refuses two ranks on one GPU
        (["a", "b"], False, "gloo"),  # a torch without nccl
        ([None, None], True, "gloo"),
        (["a", None], True, "gloo"),
    ],
)
def test_nccl_carries_messages_only_between_ranks_with_a_gpu_each(cards, nccl, expected):
    assert backend(cards, nccl) == expected


def test_the_processor_is_no_card():
    assert card(chosen("cpu", 3)) is None


@pytest.mark.parametrize(("local", "rank", "gpus", "index"), [("5", 0, 2, 1), (None, 2, 2, 0), ("1", 9, 4, 1)])
def test_ranks_take_the_gpus_of_their_host_in_turn(monkeypatch, local, rank, gpus, index):
    taken = []
    for name, value in {"is_available": lambda: True, "device_count": lambda: gpus, "set_device": taken.append}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local is not None:
        monkeypatch.setenv("LOCAL_RANK", local)
    assert chosen("cuda", rank) == torch.device("cuda", index) == taken[0]


def test_an_unknown_device_is_told_with_the_nearest(capsys):
    with pytest.raises(HLError, match=r"device: got 'cudda', expected one of cpu, .*did you mean 'cuda'"):
        Job.of(experiments.get("digits-chain"), 5, device="cudda")


def test_torchrun_ranks_tell_of_an_unknown_device(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert main(["digits-chain", "--device", "gpu"]) == 1
    assert "device: got 'gpu', expected one of cpu" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_told_with_the_rank():
    with pytest.raises(HLError, match=r"device of rank 2: got 'cuda' where torch .* finds no GPU, .*device='cpu'"):
        chosen("cuda", 2)
    with (
        Workers(2) as workers,
        pytest.raises(Lost, match=r"rank (\d) stopped at tick 0: device of rank \1: got 'cuda'"),
    ):
        workers.run(experiments.get("digits-chain"), 5, device="cuda")


def test_staged_messages_have_the_same_bits():
    experiment = experiments.get("digits-chain", depth=4)
    one, other = experiment.run(25), experiment.run(25, seed=1)
    with Workers(3) as workers:
        assert workers.run(experiment, 25, staged=True).trajectory.identical(one)
    assert not one.identical(other)


class Post:
    """Stands in for torch.distributed: what was sent or is awaited, and works that are over when told."""

    def __init__(self, monkeypatch):
        self.over, self.batches, self.waited = False, [], 0
        monkeypatch.setattr(dist, "isend", self._begin)
        monkeypatch.setattr(dist, "irecv", self._begin)
        monkeypatch.setattr(dist, "P2POp", lambda direction, tensor, peer: (direction, tensor, peer))
        monkeypatch.setattr(dist, "batch_isend_irecv", self._group)

    def _begin(self, tensor, peer):
        self.tensor = tensor
        return self

    def _group(self, parts):
        self.batches.append(parts)
        return [self]

    def is_completed(self):
        return self.over

    def wait(self, timeout):
        self.waited += 1


def test_a_staged_message_is_a_copy_and_arrives_when_awaited(monkeypatch):
    post, message = Post(monkeypatch), torch.arange(6.0).view(2, 3).T
    Carrier(staged=True).send(message, 1)
    assert torch.equal(post.tensor, message) and post.tensor.data_ptr() != message.data_ptr()
    assert post.tensor.is_contiguous(), "gloo sends nothing else"
    Carrier().send(message, 1)
    assert post.tensor is message, "on a CPU nothing needs a copy"

    space = torch.zeros(3, 2)
    parcel = Carrier(staged=True).receive(space, 1)
    post.tensor.copy_(message)
    assert not space.any()
    parcel.wait(SOON)
    assert torch.equal(space, message) and parcel.peers == [1]


def test_nccl_gets_both_directions_of_a_tick_as_one_group(monkeypatch):
    post, carrier = Post(monkeypatch), Carrier()
    carrier.nccl = True
    h, z, reply, more = (SimpleNamespace(is_cuda=True) for _ in range(4))
    awaited, sent = carrier.receive(reply, 0), carrier.send(h, 2)
    carrier.send(z, 0)
    assert not post.batches, "nothing begins before the last message of the tick is known"
    with pytest.raises(RuntimeError, match="no message"):
        awaited.wait(AT_ONCE)
    assert [(tensor, peer) for _, tensor, peer in post.batches[0]] == [(reply, 0), (h, 2), (z, 0)]
    assert awaited.peers == [0, 2, 0] and not post.waited, "what is not over is not waited for in the GPU's stream"
    post.over = True
    awaited.wait(SOON)
    sent.wait(SOON)
    assert len(post.batches) == 1 and post.waited
    carrier.send(more, 2).wait(SOON)
    assert [tensor for _, tensor, _ in post.batches[1]] == [more]


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ({}, (0, 7)),  # it has said nothing within the grace, and is asked first
        ({0: [(1, 7)]}, (2, 7)),  # 0 waits for the one who asks, 2 for nobody
        ({0: [(1, 7)], 2: [(1, 8), (3, 8)]}, (3, 8)),
        ({2: [(1, 8), (3, 8)]}, (0, 7)),
        ({0: [(1, 5)]}, (0, 7)),  # said ticks ago: its message came after all
    ],
)
def test_of_all_whom_a_group_keeps_waiting_the_one_who_waits_for_nobody_is_lost(waits, expected):
    store = dist.HashStore()
    wire = Wire(store, 1, 4, 0.1)
    wire.patience.begin()
    for rank, told in waits.items():
        wire.give(f"waits/{rank}", told)

    def wait(timeout):
        time.sleep(timeout.total_seconds())
        raise RuntimeError("silence")

    with pytest.raises(Lost, match=r"silent for 0\.1 s") as lost:
        wire.arrived(SimpleNamespace(peers=[0, 2], wait=wait), 7)
    assert (lost.value.rank, lost.value.tick) == expected


@pytest.mark.parametrize("part", ["u", "target"])
def test_a_sample_on_another_device_than_the_weights_is_told(part):
    sample = Sample(torch.randn(2, 4), torch.randn(2, 3))
    learner = Learner(OutputNetwork(torch.nn.Linear(4, 3)), mse_loss)
    wrong = Sample(**{"u": sample.u, "target": sample.target} | {part: getattr(sample.to("meta"), part)})
    with pytest.raises(HLError, match=rf"{part}: got a tensor on meta, expected one on cpu.*sample.to\('cpu'\)"):
        learner.step(wrong)
    assert learner.steps == 0 and learner.step(sample).loss > 0


def test_a_sample_moves_with_all_its_tensors():
    there = Sample((torch.ones(2), torch.ones(3)), torch.ones(1), end=False, dt=0.5).to("meta")
    assert {x.device.type for x in (*there.u, there.target)} == {"meta"} and not there.end and there.dt == 0.5
    assert Sample(None).to("meta").target is None


@pytest.mark.skipif(not far.READY, reason=far.WHY)
def test_every_tensor_of_a_learner_is_where_its_network_is():
    """Steps, records and checkpoints, on a device whose tensors mix with no others, have the bits of the CPU."""
    names = ["iris-linear", "iris-mlp-state", "mnist-resnet", "digits-chain", "tracker-water-flow"]
    names += ["dreams", "graph-held", "experts-digits", "crowd-clusters", "few-shot-spikes", "echo-recall"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.far", *names], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.strip() == "strays: []", done.stderr


@pytest.mark.skipif(not far.READY, reason=far.WHY)
def test_the_device_that_pretends_mixes_with_nothing():
    code = "import torch; from tests import far; torch.ones(3, device=far.install()) + torch.ones(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "expected all tensors to be on the same device" in done.stderr
