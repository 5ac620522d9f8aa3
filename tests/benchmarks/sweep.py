"""A thousand worlds against a Python loop, side by side: python -m tests.benchmarks.sweep [runs] [steps] [threads]."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import hlcore

TURNS = 3


def race(runs: int = 1024, steps: int = 2000, threads: int = 2) -> None:
    """Print runs/s of both: the sweep in whole, the loop (what `Experiment.run` does, without a record) by samples."""
    torch.set_num_threads(threads)
    side = round(runs**0.5)
    grid = {"eta": np.linspace(0.5, 8.0, side).tolist(), "beta": np.geomspace(0.01, 0.3, side).tolist()}
    print(f"tracker-water-flow, {side * side} settings × {steps} steps, {threads} threads, torch {torch.__version__}\n")
    print("| dtype | sweep, s | runs/s | loop, runs/s | ratio | by processor time | first 500 steps |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for dtype in ("float32", "float64"):
        experiment = hlcore.experiments.get("tracker-water-flow", dtype=dtype)
        loop, swept = [], []
        first, _ = taken(hlcore.sweep, experiment, grid, 500)  # with the trace
        for turn in range(TURNS):  # in turns, so that both meet the same machine
            learner, stream = experiment.replace(settings=experiment.settings.replace(eta=1.0 + turn)).learner(0)
            loop.append(taken(learner.run, stream, steps))
            swept.append(taken(hlcore.sweep, experiment, grid, steps))
        (took, _), (one, _) = np.median(swept, 0), np.median(loop, 0)
        wall, work = side * side * np.median(np.divide(loop, swept), 0)
        print(
            f"| {dtype} | {took:.1f} | {side * side / took:.0f} | {1 / one:.2f} | {wall:.0f} | {threads * work:.0f} | "
            f"{first:.1f} s |",
            flush=True,
        )


def taken(work: Callable[..., Any], *given: Any, **named: Any) -> tuple[float, float]:
    """Seconds, and of them those of the processor: on a busy machine the two part."""
    wall, own = time.perf_counter(), time.process_time()
    work(*given, **named)
    return time.perf_counter() - wall, time.process_time() - own


if __name__ == "__main__":
    race(*map(int, sys.argv[1:4]))
