"""What one rank does: greet, take its groups, tick, record, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch
import torch.distributed as dist
from safetensors.torch import load as unpack
from safetensors.torch import save as pack

from ..devices import balance, client_rank, device, gather, timeline
from ..errors import HLError, bad
from ..networks import TotalVariation
from ..records import export
from ..streams import Stream
from .job import Job
from .rank import Rank
from .requirements import checked
from .stage import Stage
from .wire import Lost, Wire

PROGRESS = 0.1  # seconds between two notes on how far a rank is
Writing: TypeAlias = Callable[[], None]  # of one file, on rank 0


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
        moments, noted = timeline.Timeline(job.capacity), 0.0
        for tick in range(first, first + job.steps):
            moments.begin(tick)
            sample = stage.rank.share(stream[tick])
            record.record(stage.step(sample), sample)
            moments.end(stage.groups.marks)
            if tick == first:
                wire.begin(tick)
            if time.monotonic() - noted > PROGRESS:
                noted = time.monotonic()
                store.set(f"tick/{rank}", str(tick))
            if job.save_every and (tick + 1) % job.save_every == 0 and tick + 1 < first + job.steps:
                _save(job, wire, stage, tick)
        files = [*_checkpoint(job, wire, stage, tick), *_trajectories(job, wire, record, moments, tick)]
        wire.leave(tick)
        for write in files:  # nobody waits for the disk of rank 0
            write()
    except Lost:
        raise
    except Exception as error:  # whatever it is, the other ranks must hear of it
        what = str(error) if isinstance(error, HLError) else f"{type(error).__name__}: {error}"
        wire.stop(f"rank {rank} stopped at tick {tick}: {what}", rank, tick, cause=error)


def _prepared(job: Job, wire: Wire, say: Callable[[str], None]) -> tuple[Stage, Stream]:
    """This rank's stage, and the stream."""
    experiment = job.experiment()
    if (job.owners, job.late, job.lost) != (1, 0, 0.0):
        raise bad("owners, late or lost", (job.owners, job.late, job.lost), "(1, 0, 0) for a chain", "take a graph")
    for path in (job.record, job.lanes):
        if path is not None:
            export.checked(Path(path))
    rank, here = Rank(wire.rank, wire.world, job.replicas), device.chosen(job.device, wire.rank)
    learner = gather.begun(experiment, None if job.resume is None else Path(job.resume))
    chain = checked(learner)
    torch.manual_seed(job.seed)
    if wire.rank == 0:
        costs = balance.measured(chain, experiment.stream[learner.steps].u, here)
        if job.balance is None:
            sizes = balance.balanced(costs, rank.stages)
        else:
            sizes = balance.checked(job.balance, costs, rank.stages)
        say(balance.table(costs, sizes))
        wire.give("balance", sizes)
    own = balance.owned(wire.given("balance", 0))[rank.stage]
    return Stage(learner, own, wire, rank, here), experiment.stream


def _save(job: Job, wire: Wire, stage: Stage, tick: int) -> None:
    """Write the checkpoint of all ranks, if one is wanted, between two ticks: all wait until it is written."""
    if job.checkpoint is not None:
        for write in _checkpoint(job, wire, stage, tick):
            write()
        wire.assemble(tick)


def _checkpoint(job: Job, wire: Wire, stage: Stage, tick: int) -> list[Writing]:
    """The checkpoint of all ranks, if one is wanted."""
    if job.checkpoint is None:
        return []
    path, packs = Path(job.checkpoint), wire.gathered(gather.pack_point(stage), tick)
    return [lambda: gather.save(job.experiment(), stage, packs, path)] if packs else []


def _trajectories(
    job: Job, wire: Wire, record: gather.RankRecord, moments: timeline.Timeline, tick: int
) -> list[Writing]:
    """The trajectory of all ranks, and what each did when, if wanted."""
    files: list[Writing] = []
    if job.record is not None:
        path, packs = Path(job.record), wire.gathered(record.pack(), tick, record.stage.rank.stages)
        if packs:
            files.append(lambda: export.save(record.merged(packs), path))
    if job.lanes is not None:
        where, rows = Path(job.lanes), wire.gathered(pack({"rows": torch.from_numpy(moments.rows())}), tick)
        if rows:
            files.append(lambda: export.save(timeline.merged([unpack(x)["rows"].numpy() for x in rows]), where))
    return files
