"""T8: a chain split over processes = the same chain in one process, to the bit."""

import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hlcore import HLError, Learner, experiments
from hlcore.devices import Lost, Workers
from hlcore.records.checkpoint import _digest
from tests import chains  # registers test-chain

STEPS = 25
cuts = st.lists(st.integers(1, 2), min_size=1, max_size=5).map(tuple)


@pytest.fixture(scope="module")
def workers():
    with Workers(4) as pool:
        yield pool


def told(name):
    return pytest.param(name, marks=pytest.mark.skipif(name in chains.ABSENT, reason=chains.ABSENT.get(name, "")))


@pytest.fixture(scope="module", params=[told(name) for name in ("cpu", "far", "cuda")])
def there(request):
    """Workers that compute on one device from their first job on, and its name."""
    with Workers(4) as pool:
        yield pool, {"device": request.param, "module": "tests.chains"}


def text(sizes):
    return "+".join(map(str, sizes))


def a_chain(**options):
    return experiments.get("test-chain", dtype="float64", **options)


def moved(record):
    return float(abs(record.theta[-1] - record.theta[0]).max()) > 1e-4


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_T8_any_number_of_ranks_has_the_trajectory_of_one_process(there, ranks, schedule):
    workers, options = there
    experiment = experiments.get("digits-chain", dtype="float64", depth=5, hold=3, schedule=schedule)
    one = chains.alone(experiment, STEPS, options["device"])
    many = workers.run(experiment, STEPS, ranks, **options)
    assert many.trajectory.identical(one), "h, z, θ, ω, L, H', output, target and settings at every tick"
    assert moved(one)
    assert sorted(many.lanes.lane.values) == list(range(ranks))
    assert bool((many.lanes.moment.diff("phase") >= 0).all()), "compute, send, wait: in this order"


@given(
    sizes=cuts,
    ranks=st.integers(2, 4),
    schedule=st.sampled_from(["parallel", "delay_free"]),
    ends=st.sampled_from([0, 1, 6]),
    frozen=st.integers(0, 3),
    norm=st.integers(0, 3),
    seed=st.integers(0, 3),
    s=st.sampled_from([-1, 1]),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_T8_for_every_depth_grouping_and_balance(there, sizes, ranks, schedule, ends, frozen, norm, seed, s):
    workers, options = there
    assume(len(sizes) >= ranks)
    depth = sum(sizes)
    experiment = a_chain(
        sizes=text(sizes), schedule=schedule, ends=ends, frozen=min(frozen, depth), norm=min(norm, depth), s=s
    ).replace(seed=seed)
    rest = len(sizes) - ranks
    balance = [1] * ranks
    balance[seed % ranks] += rest
    one = chains.alone(experiment, STEPS, options["device"])
    many = workers.run(experiment, STEPS, ranks, balance=balance, **options)
    assert many.trajectory.identical(one)
    assert ends == 1 or moved(one)


def test_T8_a_wide_chain_is_thinned_as_in_one_process(there):
    workers, options = there
    experiment, device = a_chain(sizes="1+1+1+1", width=40), options["device"]
    one = chains.alone(experiment, 60, device)
    many = workers.run(experiment, 60, 3, capacity=10_000, **options)
    assert len(one.weight) == 1024 and many.trajectory.identical(one)
    ring = workers.run(experiment, 60, 2, every=7, capacity=5, **options).trajectory
    assert ring.identical(chains.alone(experiment, 60, device, every=7, capacity=5))


def touch(path, name):
    """The checkpoint with one weight changed by one unit in the last place."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        meta = file.metadata()
    tensors = load_file(path)
    tensors[name].view(-1)[0] = np.nextafter(float(tensors[name].view(-1)[0]), np.inf)
    told = json.loads(meta["hlcore"])
    told.pop("digest")
    save_file(tensors, path, {"hlcore": json.dumps(told | {"digest": _digest(told, tensors)})})


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
def test_T8_a_checkpoint_of_all_ranks_is_the_one_of_one_process_and_goes_on_anywhere(workers, tmp_path, schedule):
    experiment = a_chain(sizes="2+1+1", schedule=schedule, norm=2, frozen=3)
    many, alone, end = tmp_path / "many.hl", tmp_path / "alone.hl", tmp_path / "end.hl"
    with torch.random.fork_rng(devices=[]):
        learner, stream = experiment.learner()
        torch.manual_seed(0)
        learner.run(stream, 20)
        learner.save(alone)
        workers.run(experiment, 20, 3, checkpoint=str(many))
        assert many.read_bytes() == alone.read_bytes()
        learner.run(stream.since(20), STEPS)
        learner.save(alone)
        for ranks in (2, 3, 1):
            workers.run(experiment, STEPS, ranks, resume=str(many), checkpoint=str(end))
            assert end.read_bytes() == alone.read_bytes(), ranks
        resumed = Learner.load(many, experiment.setup(0).network, experiment.loss)
        resumed.run(stream.since(resumed.steps), STEPS)
        resumed.save(end)
        assert end.read_bytes() == alone.read_bytes()
    touch(many, "network/layers.0.0.weight")
    workers.run(experiment, STEPS, 2, resume=str(many), checkpoint=str(end))
    assert end.read_bytes() != alone.read_bytes(), "one bit of one weight on the first rank, and the end is another"
    last = load_file(end)["network/layers.3.0.weight"], load_file(alone)["network/layers.3.0.weight"]
    assert not torch.equal(*last), "it reaches the rank above"


def far(a, b):
    return max(float(abs(a[name] - b[name]).max()) for name in ("theta", "omega", "loss", "hamiltonian"))


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
def test_T8_replicas_share_a_batch_as_one_process_sees_it(workers, tmp_path, schedule):
    experiment, saved, end = a_chain(sizes="1+1+1", schedule=schedule), tmp_path / "a.hl", tmp_path / "b.hl"
    one = experiment.run(STEPS)
    two = workers.run(experiment, STEPS, 4, replicas=2, checkpoint=str(saved)).trajectory
    assert far(one, two) < 1e-12 and moved(one), "up to the order in which rows are added"
    learner = Learner.load(saved, experiment.setup(0).network, experiment.loss)
    whole = experiment.learner()[0]
    whole.run(experiment.stream, STEPS)
    for part in ("h", "z"):
        for name, x in getattr(whole.point, part).items():
            assert float((getattr(learner.point, part)[name] - x).abs().max()) < 1e-12, (part, name)
    workers.run(experiment, STEPS, 2, replicas=2, resume=str(saved), checkpoint=str(end))
    learner = Learner.load(end, experiment.setup(0).network, experiment.loss)
    whole.run(experiment.stream.since(STEPS), STEPS)
    assert all(float((learner.point.theta[n] - x).abs().max()) < 1e-12 for n, x in whole.point.theta.items())
    with pytest.raises(HLError, match="rows that 3 replicas can share evenly"):
        workers.run(experiment, STEPS, 3, replicas=3)


@pytest.mark.parametrize(
    ("options", "job", "complaint"),
    [
        ({"sizes": "1+1"}, {"ranks": 3}, "1 to 2 ranks"),
        ({"sizes": "1+1+1"}, {"ranks": 2, "balance": (1, 1)}, r"balance: got \(1, 1\), .* by measured cost"),
        ({"sizes": "1+1+1"}, {"ranks": 2, "balance": (3, 0)}, "whole numbers >= 1"),
        ({"order": "sequential"}, {"ranks": 2}, "order for devices: got 'sequential'"),
        ({"control": 0.3}, {"ranks": 2}, "control for devices: got 0.3"),
        ({"metric": "rms"}, {"ranks": 2}, "metric for devices: got rms"),
        ({"dropout": 0.2}, {"ranks": 2}, "draws in training"),
        ({}, {"ranks": 3, "replicas": 2}, "a number that divides the ranks"),
        ({}, {"ranks": 5}, "at most the 4 workers"),
        ({}, {"ranks": 2, "save_every": 3}, "a checkpoint file beside it"),
        ({}, {"ranks": 2, "patient": 3}, "did you mean 'patience'"),
        ({}, {"ranks": 2, "resume": "nowhere.hl"}, "no file"),
        ({"eta": 1e200}, {"ranks": 2}, "became non-finite"),
    ],
)
def test_what_cannot_be_spread_is_told_with_its_cure(workers, options, job, complaint):
    with pytest.raises(HLError, match=f"(?s){complaint}") as told:
        workers.run(a_chain(**options), 10, **job)
    assert not isinstance(told.value, Lost) or told.value.rank in range(3)


def test_another_network_is_told(workers):
    with pytest.raises(HLError, match="got OutputNetwork, expected an hlcore"):
        workers.run(experiments.get("iris-mlp", order="euler"), 5, 2)
