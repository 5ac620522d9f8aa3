"""One rank under torchrun: torchrun --nproc-per-node N -m hlcore.devices EXPERIMENT --steps N."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import torch.distributed as dist

from ..command import assignments
from ..errors import HLError, bad
from ..experiments import get
from .job import Job
from .worker import work


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and obey; 0 if all went well, 1 after an HLError (its text goes to stderr)."""
    parser = argparse.ArgumentParser(prog="torchrun --nproc-per-node N -m hlcore.devices", description=__doc__)
    parser.add_argument("name", help="an experiment with a Chain, as digits-chain")
    parser.add_argument("--steps", type=int, default=1000, help="ticks to take (1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of network and stream (0)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting or option")
    parser.add_argument("--out", help="write the trajectory of all ranks: .nc (NetCDF) or .csv (scalars)")
    parser.add_argument("--every", type=int, default=1, help="record every N-th tick (1)")
    parser.add_argument("--capacity", type=int, default=10_000, help="records kept (10000)")
    parser.add_argument("--checkpoint", metavar="FILE", help="write the checkpoint of all ranks at the end")
    parser.add_argument("--save-every", type=int, metavar="N", help="and after every N ticks")
    parser.add_argument("--resume", metavar="FILE", help="go on from a checkpoint, of any number of ranks")
    parser.add_argument("--balance", metavar="A+B", help="groups per rank, as 2+1; by measured cost if not given")
    parser.add_argument("--replicas", type=int, default=1, help="copies of the whole chain, sharing the batch (1)")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds a ticking rank may be silent (10)")
    parser.add_argument("--lanes", metavar="FILE", help="write what each rank did when: .nc")
    parser.add_argument("--device", default="cpu", help="where ranks compute: cpu or cuda (cpu)")
    parser.add_argument("--staged", action="store_true", help="send through CPU memory even where nccl could")
    given = parser.parse_args(arguments)
    try:
        rank, world = _rank_and_world()
        experiment = get(given.name, seed=given.seed, **assignments(given.set))
        names = ("every", "capacity", "checkpoint", "save_every", "resume", "replicas", "patience", "lanes", "device")
        options = {name: getattr(given, name) for name in (*names, "staged")}
        job = Job.of(experiment, given.steps, record=given.out, balance=_balance(given.balance), **options)
        store, *_ = next(dist.rendezvous("env://"))
        work(job, store, rank, world)
    except HLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if rank == 0:
        print(f"{job.name}: {job.steps} ticks on {world} ranks, seed {job.seed}")
    return 0


def _rank_and_world() -> tuple[int, int]:
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        raise bad(
            "hlcore.devices", "no rank in the environment", "to be started by torchrun",
            "torchrun --nproc-per-node 2 -m hlcore.devices digits-chain --steps 1000",
        ) from None  # fmt: skip


def _balance(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(n) for n in text.split("+"))
    except ValueError:
        raise bad("--balance", repr(text), "whole numbers with +, as 2+1") from None


if __name__ == "__main__":
    sys.exit(main())
