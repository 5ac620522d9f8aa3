"""Runs that cannot go side by side: one by the learner itself, and many of them in processes of their own."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from queue import SimpleQueue
from typing import Any, NamedTuple

import torch

from ..errors import MISTAKES, Diverged, HLError
from .run import Run

LONG = 20_000  # steps of all runs together that are worth the seconds in which a process starts
MOST = 8  # processes: each holds torch, about 300 MB
SERVE = "from hlcore.runs.apart import serve; serve()"


class Became(NamedTuple):
    """What became of a run: L of its last step, the sum of all, how many; the step in which it diverged, or -1."""

    loss: float
    total: float
    steps: int
    diverged: int


def alone(experiment: Any, seed: int, steps: int, tick: Callable[[], Any] = lambda: None) -> tuple[Became, Any]:
    """(what became of the run, its learner), by `learner.step`; tick is called after each step."""
    loss, total, taken = math.nan, 0.0, 0
    with torch.random.fork_rng(devices=[]):
        learner, stream = experiment.learner(seed)
        torch.manual_seed(seed)
        for sample in islice(stream, steps):
            try:
                report = learner.step(sample)
            except Diverged as error:
                return Became(math.nan, math.nan, taken, error.step), learner
            stream.act(report.output)
            loss, total, taken = report.loss, total + report.loss, taken + 1
            tick()
    return Became(loss, total, taken, -1), learner


def cores() -> int:
    """Processors that this process may use, at most MOST."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, MOST)


def written(experiments: Sequence[Any], steps: int) -> list[str]:
    """Each run as a state string, for `in_processes`; none where that is not worth while, or no string can tell it."""
    if min(len(experiments), cores()) < 2 or len(experiments) * steps < LONG:
        return []
    try:
        return [Run(experiment).state_string() for experiment in experiments]
    except HLError:
        return []


def in_processes(texts: Sequence[str], steps: int) -> Iterator[tuple[int, Became | None]]:
    """(which, what became of it) of each run, as they end, a process a core; None: a process could not make that run.

    Bits are those of `alone`: a process computes with as many threads. An interrupt ends the processes.
    """
    threads, free, begun = torch.get_num_threads(), SimpleQueue[Any](), list[Any]()

    def served(text: str) -> Became | None:
        worker = free.get()
        try:
            print(json.dumps([text, steps, threads]), file=worker.stdin, flush=True)
            answer = json.loads(worker.stdout.readline() or "null")
        except OSError:
            answer = None  # it has ended
        finally:
            free.put(worker)
        return None if answer is None else Became(*answer)

    processes = min(cores(), len(texts))
    pool = ThreadPoolExecutor(processes)
    try:
        for _ in range(processes):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            begun.append(subprocess.Popen([sys.executable, "-c", SERVE], text=True, **pipes))  # type: ignore[call-overload]
            free.put(begun[-1])
        jobs = {pool.submit(served, text): which for which, text in enumerate(texts)}
        for job in as_completed(jobs):
            yield jobs[job], job.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in begun:
            worker.kill()
            worker.communicate()


def serve() -> None:
    """A process of `in_processes`: a run a line of stdin, what became of it on stdout."""
    for line in sys.stdin:
        text, steps, threads = json.loads(line)
        torch.set_num_threads(threads)
        try:
            run = Run.from_state(text)
            answer: Any = list(alone(run.experiment, run.seed, steps)[0])
        except MISTAKES:
            answer = None  # whoever asked makes the run itself, and meets the error
        print(json.dumps(answer), flush=True)
