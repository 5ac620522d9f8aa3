"""One rank under torchrun: torchrun --nproc-per-node N -m hlcore.devices EXPERIMENT --steps N."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields

import torch.distributed as dist

from ..command import assignments, told
from ..errors import bad
from ..experiments import get
from .job import Job
from .worker import work


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse and obey; 0 if all went well, 1 after an HLError (its text goes to stderr)."""
    parser = argparse.ArgumentParser(prog="torchrun --nproc-per-node N -m hlcore.devices", description=__doc__)
    parser.add_argument("name", help="an experiment with a Chain, as digits-chain")
    parser.add_argument("--steps", type=int, default=1000, help="ticks to take (1000)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting or option")
    options = [f for f in fields(Job) if f.metadata]
    for f in options:
        flag = f.metadata["flag"] or "--" + f.name.replace("_", "-")
        parser.add_argument(flag, dest=f.name, **f.metadata["more"])
    given = parser.parse_args(arguments)
    rank, world = _rank_and_world()
    experiment = get(given.name, seed=given.seed, **assignments(given.set))
    wanted = {f.name: getattr(given, f.name) for f in options if f.name != "seed"}
    job = Job.of(experiment, given.steps, **wanted | {"balance": _balance(given.balance)})
    store, *_ = next(dist.rendezvous("env://"))
    work(job, store, rank, world)
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
