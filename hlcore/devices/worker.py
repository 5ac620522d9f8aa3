"""What one rank does: greet, take its groups, tick, record, save. With PORT NUMBER THREADS, it waits for jobs."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from ..devices import balance, client_rank, device, gather
from ..errors import HLError, bad
from ..learners.learner import Learner
from ..networks import TotalVariation
from ..records import export
from ..records.columns import Dataset
from ..streams import Stream
from .job import Job
from .patience import ARRIVAL
from .stage import Stage, checked
from .wire import HOST, Lost, Wire

PROGRESS = 0.1  # seconds between two notes on how far a rank is
Writing = Callable[[], None]  # of one file, on rank 0


def work(job: Job, store: dist.Store, rank: int, world: int, say: Callable[[str], None] = print) -> None:
    """Do `job` as one of `world` ranks; every rank ends, with an HLError that says the same on all if one fails."""
    wire = Wire(store, rank, world, job.patience, job.staged)
    tick = 0
    try:
        wire.greet(job.greeting())
        experiment = job.experiment()
        if isinstance(experiment.network, TotalVariation):
            client_rank.work(job, experiment, wire, say)
            return
        stage, stream = _prepared(job, wire, say)
        first = tick = stage.steps
        stage.rehearse(stage.rank.share(stream[first]))
        wire.connect(tick, stage.device)
        record = gather.RankRecord(stage, job.every, job.capacity)
        moments, noted = deque[tuple[float, ...]](maxlen=job.capacity), 0.0
        for tick in range(first, first + job.steps):
            began = time.monotonic()
            sample = stage.rank.share(stream[tick])
            record.record(stage.step(sample), sample)
            moments.append((tick, began, *stage.groups.marks))
            if tick == first:
                wire.assemble(tick)
                wire.patience.begin()
            if time.monotonic() - noted > PROGRESS:
                noted = time.monotonic()
                store.set(f"tick/{rank}", str(tick))
            if job.save_every and (tick + 1) % job.save_every == 0 and tick + 1 < first + job.steps:
                for write in _checkpoint(job, wire, stage, tick):
                    write()
                wire.assemble(tick)  # all wait until it is written
        files = [
            *_checkpoint(job, wire, stage, tick),
            *_file(wire, job.record, record.pack, tick, record.merged, stage.rank.stages),
            *_file(wire, job.lanes, partial(gather.pack_lane, list(moments)), tick, gather.lanes),
        ]
        wire.leave(tick)
        for write in files:  # nobody waits for the disk of rank 0
            write()
    except Lost:
        raise
    except Exception as error:  # whatever it is, the other ranks must hear of it
        what = str(error) if isinstance(error, HLError) else f"{type(error).__name__}: {error}"
        wire.stop(f"rank {rank} stopped at tick {tick}: {what}", rank, tick, cause=error)


def _prepared(job: Job, wire: Wire, say: Callable[[str], None]) -> tuple[Stage, Stream]:
    experiment = job.experiment()
    if (job.owners, job.late, job.lost) != (1, 0, 0.0):
        raise bad("owners, late or lost", (job.owners, job.late, job.lost), "(1, 0, 0) for a chain", "take a graph")
    for path in (job.record, job.lanes):
        if path is not None:
            export.checked(Path(path))
    rank, here = device.Rank(wire.rank, wire.world, job.replicas), device.chosen(job.device, wire.rank)
    learner, stream = experiment.learner()  # the whole one: each rank then keeps its part
    if job.resume is not None:
        learner = Learner.load(Path(job.resume), learner.network, experiment.loss, experiment.settings)
    chain = checked(learner)
    torch.manual_seed(job.seed)
    if wire.rank == 0:
        costs = balance.measured(chain, stream[learner.steps].u, here)
        if job.balance is None:
            sizes = balance.balanced(costs, rank.stages)
        else:
            sizes = balance.checked(job.balance, costs, rank.stages)
        say(balance.table(costs, sizes))
        wire.give("balance", sizes)
    own = balance.owned(wire.given("balance", 0))[rank.stage]
    return Stage(learner, own, wire, rank, here), stream


def _checkpoint(job: Job, wire: Wire, stage: Stage, tick: int) -> list[Writing]:
    """The checkpoint of all ranks, if one is wanted."""
    if job.checkpoint is None:
        return []
    path, packs = Path(job.checkpoint), wire.gathered(gather.pack_point(stage), tick)
    return [lambda: gather.save(job.experiment(), stage, packs, path)] if packs else []


def _file(
    wire: Wire, path: str | None, data: Callable[[], bytes], tick: int, made: Callable[[list[bytes]], Dataset],
    ranks: int | None = None,
) -> list[Writing]:  # fmt: skip
    """What is made of the bytes of the first `ranks`, if wanted."""
    packs = [] if path is None else wire.gathered(data(), tick, ranks)
    return [lambda: export.save(made(packs), Path(str(path)))] if packs else []


def serve(port: int, number: int, threads: int = 1) -> None:
    """As a process that `Workers` started: do job after job until whoever started it is gone."""
    torch.set_num_threads(threads)
    store = dist.TCPStore(HOST, port, is_master=False, timeout=timedelta(seconds=ARRIVAL))
    done = 0
    while True:
        while not store.check([f"job/{number}/{done}"]):
            time.sleep(0.01)
        given = json.loads(store.get(f"job/{number}/{done}"))
        run = dist.PrefixStore(given["run"], store)
        try:
            work(Job.read(given["job"]), run, given["rank"], given["world"], partial(run.set, "table"))
            outcome: list[object] = ["", -1, -1]
        except Lost as lost:
            outcome = [str(lost), lost.rank, lost.tick]
        torn = dist.is_initialized()  # after a fault; the others wait for the end of this rank's connections ...
        run.set(f"outcome/{given['rank']}", json.dumps([*outcome, torn]))
        if torn:
            return  # ... which only the end of a process ensures
        done += 1


if __name__ == "__main__":
    try:
        serve(*(int(a) for a in sys.argv[1:]))
    except (RuntimeError, KeyboardInterrupt):
        sys.exit(1)  # the store is gone, and with it whoever wanted the work
