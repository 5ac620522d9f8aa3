"""What one rank does: greet, take its groups, tick, record, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load as unpack
from safetensors.torch import save as pack

from ..devices import balance, device, gather
from ..devices import timeline as lanes
from ..errors import HLError
from ..records import export
from ..streams import Stream
from .job import Job
from .rank import Place
from .requirements import checked
from .stage import Stage
from .wire import Lost, Wire

PROGRESS = 0.1  # seconds between two notes on how far a rank is


def work(job: Job, store: dist.Store, rank: int, world: int, say: Callable[[str], None] = print) -> None:
    """Do `job` as one of `world` ranks; every rank ends, with an HLError that says the same on all if one fails."""
    wire = Wire(store, rank, world, job.patience, job.staged)
    tick = 0
    try:
        wire.greet(job.greeting())
        stage, stream = _prepared(job, wire, say)
        first = tick = stage.steps
        wire.connect(tick, stage.device)
        record = gather.RankRecord(stage, job.every, job.capacity)
        lane, noted = lanes.Lane(job.capacity), 0.0
        for tick in range(first, first + job.steps):
            lane.begin(tick)
            sample = stage.place.share(stream[tick])
            record.record(stage.tick(sample), sample)
            lane.end(stage.marks)
            if time.monotonic() - noted > PROGRESS:
                noted = time.monotonic()
                store.set(f"tick/{rank}", str(tick))
            if job.save_every and (tick + 1) % job.save_every == 0 and tick + 1 < first + job.steps:
                _save(job, wire, stage, tick)
        _save(job, wire, stage, tick)
        _tell(job, wire, record, lane, tick)
        wire.leave(tick)
    except Lost:
        raise
    except Exception as error:  # whatever it is, the other ranks must hear of it
        what = str(error) if isinstance(error, HLError) else f"{type(error).__name__}: {error}"
        wire.stop(f"rank {rank} stopped at tick {tick}: {what}", rank, tick, cause=error)


def _prepared(job: Job, wire: Wire, say: Callable[[str], None]) -> tuple[Stage, Stream]:
    """This rank's stage, and the stream."""
    experiment = job.experiment()
    for path in (job.record, job.lanes):
        if path is not None:
            export.checked(Path(path))
    place, here = Place(wire.rank, wire.world, job.replicas), device.chosen(job.device, wire.rank)
    learner = gather.begun(experiment, None if job.resume is None else Path(job.resume))
    chain = checked(learner)
    torch.manual_seed(job.seed)
    if wire.rank == 0:
        costs = balance.measured(chain, experiment.stream[learner.steps].u, here)
        if job.balance is None:
            sizes = balance.balanced(costs, place.stages)
        else:
            sizes = balance.checked(job.balance, costs, place.stages)
        say(balance.table(costs, sizes))
        wire.give("balance", sizes)
    own = balance.owned(wire.given("balance", 0))[place.stage]
    return Stage(learner, own, wire, place, here), experiment.stream


def _save(job: Job, wire: Wire, stage: Stage, tick: int) -> None:
    """Write the checkpoint of all ranks, if one is wanted."""
    if job.checkpoint is None:
        return
    packs = wire.gathered(gather.pack_point(stage), tick)
    if packs:
        gather.save(job.experiment(), stage, packs, Path(job.checkpoint))


def _tell(job: Job, wire: Wire, record: gather.RankRecord, lane: lanes.Lane, tick: int) -> None:
    """Write the trajectory of all ranks and what each did when, if wanted."""
    if job.record is not None:
        packs = wire.gathered(record.pack(), tick, record.stage.place.stages)
        if packs:
            export.save(record.merged(packs), Path(job.record))
    if job.lanes is not None:
        packs = wire.gathered(pack({"rows": torch.from_numpy(lane.rows())}), tick)
        if packs:
            export.save(lanes.merged([unpack(data)["rows"].numpy() for data in packs]), Path(job.lanes))
