"""A worker process that waits for jobs: python -m hlcore.devices.serve PORT NUMBER, started by `Workers`."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from functools import partial

import torch
import torch.distributed as dist

from .job import Job
from .patience import ARRIVAL
from .wire import HOST, Lost
from .worker import work


def serve(port: int, number: int, threads: int = 1) -> None:
    """Do job after job until whoever started this process is gone."""
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
