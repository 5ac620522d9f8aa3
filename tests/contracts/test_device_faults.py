"""A rank that dies, sleeps or differs: the others say which one and when; the run goes on from its last save."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.distributed as dist

from hlcore import HLError, Learner, experiments
from hlcore.devices import Job, Lost, Workers
from hlcore.devices.patience import Patience
from hlcore.devices.wire import Wire
from tests import chains  # registers test-chain

assert chains
ENDLESS = 1_000_000
NEVER = 1e6  # seconds: whatever ends a test before, it is not this
PATIENCE, SLOW = 1.0, 2.5  # seconds


@pytest.fixture(scope="module")
def workers():
    """What a test leaves unfinished ends with its processes when the next one starts a job."""
    with Workers(3) as pool:
        yield pool


def a_chain(**options):
    return experiments.get("test-chain", dtype="float64", sizes="1+1+1+1", **options)


def a_slow_chain(**options):
    return experiments.get("slow-chain", dtype="float64", **{"seconds": SLOW} | options)


def until(workers, rank, tick):
    while workers.tick(rank) < tick and workers.working():
        time.sleep(0.01)
    return workers.tick(rank)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_is_named_with_its_tick_and_the_run_goes_on_from_the_last_save(workers, tmp_path, victim):
    experiment, saved, end = a_chain(), tmp_path / "saved.hl", tmp_path / "end.hl"
    workers.start(experiment, ENDLESS, capacity=10, checkpoint=str(saved), save_every=20, patience=NEVER)
    until(workers, 0, 21)
    reached = until(workers, victim, random.Random(victim).randint(25, 300))
    workers.kill(victim)
    with pytest.raises(Lost, match=rf"rank {victim} was lost at tick.*its connection closed") as told:
        workers.wait()
    assert told.value.rank == victim and told.value.tick >= reached
    assert f"at tick {told.value.tick}" in str(told.value) and "resume from the last checkpoint" in str(told.value)

    with torch.random.fork_rng(devices=[]):
        steps = Learner.load(saved, experiment.setup(0).network, experiment.loss).steps
        assert 20 <= steps <= told.value.tick + 1 and steps % 20 == 0
        workers.run(experiment, 15, 2, resume=str(saved), checkpoint=str(end))
        learner, stream = experiment.learner()
        torch.manual_seed(0)
        learner.run(stream, steps + 15)
        learner.save(tmp_path / "alone.hl")
    assert end.read_bytes() == (tmp_path / "alone.hl").read_bytes()


def test_a_rank_that_is_killed_before_its_first_tick_is_named_and_the_others_are_kept(workers):
    workers.run(a_chain(), 2)
    before = workers.ids
    workers.start(a_slow_chain(rank=1, build=True, seconds=NEVER), 5, patience=NEVER)
    workers.kill(1)
    with pytest.raises(Lost, match=r"rank 1 was lost.*its process ended") as told:
        workers.wait()
    assert told.value.rank == 1
    workers.run(a_chain(), 2)
    assert [a == b for a, b in zip(before, workers.ids, strict=True)] == [True, False, True]


def test_a_rank_that_sleeps_is_told_after_the_patience_and_not_before(workers):
    workers.start(a_chain(), ENDLESS, capacity=10, patience=2 * PATIENCE)
    until(workers, 0, 10)
    sleeper = workers._processes[2]
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(sleeper.pid, signal.SIGCONT)
    tick = workers.tick(0)
    assert until(workers, 0, tick + 200) >= tick + 200, "half a second of silence is borne"
    os.kill(sleeper.pid, signal.SIGSTOP)
    with pytest.raises(Lost, match=r"rank 2 was lost at tick \d+.*silent for 2 s.*more patience") as told:
        workers.wait()
    assert told.value.rank == 2, "rank 1, whom 0 awaits, is innocent: it waits for 2 itself"


@pytest.mark.parametrize(
    "once",
    [{"layer": True}, {"layer": True, "schedule": "delay_free"}, {"tick": 0}, {"build": True}],
    ids=["first pass", "first turn", "first sample", "set-up"],
)
def test_what_a_rank_does_once_is_no_silence_however_long_it_takes(workers, once):
    experiment = a_slow_chain(rank=2, **once)
    many = workers.run(experiment, 8, patience=PATIENCE)
    assert many.trajectory.identical(experiment.run(8))


def test_nobody_is_lost_who_writes_a_checkpoint_on_a_slow_disk(workers, tmp_path):
    saved = tmp_path / "saved.hl"
    workers.run(a_slow_chain(rank=0, build=True), 7, patience=PATIENCE, checkpoint=str(saved), save_every=3)
    with torch.random.fork_rng(devices=[]):
        learner, stream = a_slow_chain(rank=0, build=True).learner()
        torch.manual_seed(0)
        learner.run(stream, 7)
        learner.save(tmp_path / "alone.hl")
    assert saved.read_bytes() == (tmp_path / "alone.hl").read_bytes()


def test_a_tick_that_takes_longer_than_the_patience_is_told_with_its_number(workers):
    workers.start(a_slow_chain(rank=1, tick=5, seconds=NEVER), 8, patience=PATIENCE)
    with pytest.raises(Lost, match=r"rank 1 was lost at tick 5: .*silent for 1 s") as told:
        workers.wait()
    assert (told.value.rank, told.value.tick) == (1, 5)


@pytest.mark.parametrize(
    ("said", "expected"), [({}, ((2, 7), False)), ({2: [(3, 7)]}, ((3, 7), True)), ({2: [(3, 5)]}, ((2, 7), False))]
)
def test_a_closed_connection_is_a_dead_rank_or_one_that_had_waited_too_long_and_says_so(said, expected):
    """gloo closes all connections of a rank that gives up; what it said ticks ago was said too early."""
    store = dist.HashStore()
    for rank, silent in said.items():
        store.set(f"waits/{rank}", json.dumps(silent))
    patience = Patience(store, 1, 0.1)
    patience.begin()
    assert patience.culprit([2], 7, waited=0.05) == expected


def test_a_rank_says_for_whom_it_waits_before_gloo_gives_up():
    store = dist.HashStore()
    patience = Patience(store, 1, 0.3)
    patience.begin()
    patience.watch()
    began = patience.wait([0, 2], 7)
    store.wait(["waits/1"])
    assert patience.bound <= time.monotonic() - began and patience.limit > patience.bound + 0.4
    assert json.loads(store.get("waits/1")) == [[0, 7], [2, 7]]
    patience.end()


@pytest.mark.parametrize("torn", [True, False])
def test_a_lost_rank_that_is_about_to_end_gets_no_further_job(torn):
    """Rank 0's own word comes after it was told lost: with a connection left open it ends by itself, a little later."""
    with Workers(2) as pool:
        for rank in range(2):  # stand-ins that live long, as a process does between its last word and its end
            pool._processes[rank] = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({NEVER})"])
        pool._running, pool._at_work = "run0", list(pool._processes)
        run = dist.PrefixStore("run0", pool._store)
        away = ThreadPoolExecutor(1).submit(pool.wait)
        run.set("outcome/1", json.dumps(["rank 0 was lost", 0, 3, False]))
        run.set("outcome/0", json.dumps(["rank 0 was lost", 0, 3, torn]))
        with pytest.raises(Lost, match="rank 0 was lost"):
            away.result()
        assert (pool._processes[0].poll() is not None) == torn and pool._processes[1].poll() is None


@pytest.mark.parametrize("left", [{}, {"eta": 1e200}])
def test_a_job_that_nobody_waited_for_leaves_nothing_to_the_next(workers, left):
    """Whether it was still at work, or had failed with its connections open."""
    workers.start(a_chain(**left), ENDLESS, capacity=10)
    until(workers, 0, ENDLESS if left else 5)
    assert workers.working() != bool(left)
    workers._job = Job.of(a_chain(), 5)
    workers._spread([workers._job, Job.of(a_chain().replace(seed=1), 5), workers._job])
    with pytest.raises(HLError, match="seed 1 on rank 1, expected 0"):
        workers.wait()
    assert workers.run(a_chain(), 5).trajectory.identical(a_chain().run(5))


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (a_chain().replace(seed=1), "seed 1 on rank 1, expected 0"),
        (a_chain(eta=0.7), "overrides .*0.7.* on rank 1"),
        (experiments.get("digits-chain"), "experiment .*digits-chain.* on rank 1, expected .*test-chain"),
    ],
)
def test_a_rank_with_another_job_is_named(workers, other, what):
    workers._job = Job.of(a_chain(), 5)
    workers._spread([workers._job, Job.of(other, 5), workers._job])
    with pytest.raises(HLError, match=what):
        workers.wait()


def test_a_rank_with_another_version_is_named():
    store = dist.HashStore()
    greeting = Job.of(a_chain(), 5).greeting()
    other = Wire(store, 1, 2, 1.0)
    other.give("hello/1", greeting | {"hlcore": "0.0.1"})
    with pytest.raises(HLError, match=r"got hlcore 0.0.1 on rank 1, expected .* as on rank 0"):
        Wire(store, 0, 2, 1.0).greet(greeting)


def test_a_rank_that_never_comes_is_named(monkeypatch):
    monkeypatch.setattr("hlcore.devices.wire.ARRIVAL", 0.2)  # the only bound there is for one of another host
    with pytest.raises(Lost, match="rank 1 was lost at tick 0") as told:
        Wire(dist.HashStore(), 0, 2, 1.0).greet(Job.of(a_chain(), 5).greeting())
    assert told.value.rank == 1


def torchrun(*arguments, cwd, ranks=2):
    with dist_port() as port:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
        command += ["--master-addr", "127.0.0.1", "--master-port", str(port), "-m", "hlcore.devices", *arguments]
        environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def dist_port():
    import contextlib
    import socket

    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return contextlib.nullcontext(free.getsockname()[1])


def test_torchrun_writes_the_record_of_one_process(tmp_path):
    import xarray

    given = ["digits-chain", "--steps", "30", "--set", "dtype=float64", "--set", "depth=3", "--balance", "1+2"]
    result = torchrun(*given, "--out", "run.nc", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "rank  groups" in result.stdout and "30 ticks on 2 ranks" in result.stdout
    one = experiments.get("digits-chain", dtype="float64", depth=3).run(30)
    assert one.identical(xarray.load_dataset(tmp_path / "run.nc", engine="h5netcdf"))


def test_without_torchrun_the_command_says_what_to_do(capsys):
    from hlcore.devices.__main__ import main

    assert main(["digits-chain"]) == 1
    assert "torchrun --nproc-per-node" in capsys.readouterr().err
