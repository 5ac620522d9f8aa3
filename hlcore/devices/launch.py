"""Worker processes on this machine, from Python."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch.distributed as dist

from ..errors import bad, whole
from ..experiments import Experiment
from ..records.columns import Dataset
from .job import Job
from .patience import ARRIVAL
from .wire import HOST, Lost

POLL = 0.01  # seconds between two looks at the workers
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class Outcome(NamedTuple):
    """What came of a job: the trajectory and the lanes of all ranks, and which groups each rank had."""

    trajectory: Dataset
    lanes: Dataset
    table: str


class Workers:
    """`n` processes on this machine that do one job after the other, each as a rank; use it in a `with`.

    They talk through 127.0.0.1 alone. A process that was lost is started again for the next job.
    threads  torch threads per process; bits are those of one process with as many
    """

    def __init__(self, n: int, threads: int = 1) -> None:
        self.n, self.threads = whole("workers", n), whole("threads", threads)
        self._store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=ARRIVAL))
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * n
        self._jobs = [0] * n  # jobs given to each process since it was started
        self._runs, self._running = 0, ""
        self._at_work: list[subprocess.Popen[bytes]] = []
        self._born, self._numbers = 0, [0] * n  # processes begun so far; which of them is at a rank
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()

    def run(self, experiment: Experiment, steps: int, ranks: int | None = None, **options: Any) -> Outcome:
        """Do a job and wait for it. Options are those of `Job`; raises `Lost` when a rank fell out."""
        self.start(experiment, steps, ranks, **options)
        return self.wait()

    def start(self, experiment: Experiment, steps: int, ranks: int | None = None, **options: Any) -> None:
        """Begin a job on the first `ranks` processes; one that nobody waited for ends here, with its processes."""
        ranks = self.n if ranks is None else whole("ranks", ranks)
        if ranks > self.n:
            raise bad("ranks", ranks, f"at most the {self.n} workers there are")
        for name in ("record", "lanes"):
            if name in options:
                raise bad(name, repr(options[name]), "no file", "save what `run` returns")
            options[name] = str(Path(self._folder.name) / f"{name}-{self._runs}.nc")
        self._job = Job.of(experiment, steps, **options)
        self._spread([self._job] * ranks)

    def wait(self) -> Outcome:
        """What came of the job that was started."""
        ranks = range(len(self._at_work))
        away, told = set(ranks), None
        while away:
            self._tell_ended()
            for rank in sorted(away):
                ended = self._at_work[rank].poll() is not None  # looked at first: its last word comes before its end
                if (outcome := self._told(f"outcome/{rank}")) is not None:
                    text, lost, tick, torn = json.loads(outcome)
                    if torn:
                        self.kill(rank)  # it ends by itself, but the next job shall find a whole one
                    told = told or ((text, lost, tick) if text else None)
                    away -= {rank, lost}  # nobody waits for a rank that was lost
                elif ended:
                    away -= {rank}
            time.sleep(POLL)
        if told is not None:
            if not self._whole(told[1]):
                self.kill(told[1])  # silent but perhaps not dead, or about to end
            raise Lost(*told)
        dead = [rank for rank in ranks if self._told(f"outcome/{rank}") is None]
        if dead:  # nobody was left to say more
            first = int(self._told("ended") or dead[0])
            tick = self.tick(first)
            when = f"at tick {tick}" if tick >= 0 else "before its first tick"
            text = f"rank {first} was lost {when}: its process ended; resume from the last checkpoint."
            raise Lost(text, first, tick)
        import xarray

        record, lanes = (xarray.load_dataset(f, engine="h5netcdf") for f in (self._job.record, self._job.lanes) if f)
        return Outcome(record, lanes, self._told("table") or "")

    def tick(self, rank: int) -> int:
        """How far a rank was when it last said so; -1: not begun."""
        return int(self._told(f"tick/{rank}") or -1)

    def working(self) -> bool:
        """Whether no rank of the job that was started has ended."""
        self._tell_ended()
        return all(self._told(f"outcome/{rank}") is None for rank in range(len(self._at_work)))

    @property
    def ids(self) -> list[int]:
        """Process ids of the workers that were started."""
        return [process.pid for process in self._processes if process is not None]

    def kill(self, rank: int) -> None:
        """End the process of a rank at once (SIGKILL), as a power cut would."""
        process = self._processes[rank]
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        for rank in range(self.n):
            self.kill(rank)
        self._folder.cleanup()

    def _spread(self, jobs: Sequence[Job]) -> None:
        for rank in range(len(self._at_work)):
            if not self._whole(rank):
                self.kill(rank)
        self._running, self._runs = f"run{self._runs}", self._runs + 1
        self._at_work.clear()
        for rank, job in enumerate(jobs):
            process = self._processes[rank]
            if process is None or process.poll() is not None:
                process = self._begin(rank)
            self._at_work.append(process)
            given = {"run": self._running, "rank": rank, "world": len(jobs), "job": job.text()}
            self._store.set(f"job/{self._numbers[rank]}/{self._jobs[rank]}", json.dumps(given))
            self._jobs[rank] += 1

    def _tell_ended(self) -> None:
        """Tell the ranks of a process that ended without a word: those who have no connection to it cannot know."""
        run = dist.PrefixStore(self._running, self._store)
        for rank, process in enumerate(self._at_work):
            if process.poll() is not None and self._told(f"outcome/{rank}") is None:
                run.compare_set("ended", "", str(rank))
                for other in range(len(self._at_work)):  # who opens connections now hears nothing else
                    if self._told(f"ready/{other}") is not None and self.tick(other) < 0:
                        self.kill(other)

    def _told(self, key: str) -> str | None:
        """What stands in the store of the job, if anything."""
        run = dist.PrefixStore(self._running, self._store)
        return run.get(key).decode() if run.check([key]) else None

    def _whole(self, rank: int) -> bool:
        """Whether a rank has ended its job with no connection left open, so that it can take the next one."""
        outcome = self._told(f"outcome/{rank}")
        return outcome is not None and not json.loads(outcome)[-1]

    def _begin(self, rank: int) -> subprocess.Popen[bytes]:
        self._born += 1
        self._numbers[rank], self._jobs[rank] = self._born, 0
        environment = os.environ | {"GLOO_SOCKET_IFNAME": LOOPBACK, "OMP_NUM_THREADS": str(self.threads)}
        environment["LOCAL_RANK"] = str(rank)  # which GPU is its own
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)  # modules that were found here
        where = [str(self._store.port), str(self._born), str(self.threads)]
        process = subprocess.Popen([sys.executable, "-m", "hlcore.devices.worker", *where], env=environment)
        self._processes[rank] = process
        return process


def run(experiment: Experiment, steps: int, ranks: int, **options: Any) -> Outcome:
    """Run an experiment on `ranks` processes of this machine; options are those of `Job`."""
    with Workers(ranks) as workers:
        return workers.run(experiment, steps, **options)
