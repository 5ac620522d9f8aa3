"""A thousand worlds against a Python loop, side by side: python -m tests.benchmarks.sweep [runs] [steps] [threads]."""

import sys
import time
from statistics import median

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
    print("| dtype | sweep, s | runs/s | loop, runs/s | ratio | with the trace |\n|---|--:|--:|--:|--:|--:|")
    for dtype in ("float32", "float64"):
        experiment = hlcore.experiments.get("tracker-water-flow", dtype=dtype)
        loop, swept = [], []
        began = time.perf_counter()
        hlcore.sweep(experiment, grid, 500)
        first = time.perf_counter() - began  # the trace and 500 steps
        for turn in range(TURNS):  # in turns, so that both meet the same machine
            began = time.perf_counter()
            learner, stream = experiment.replace(settings=experiment.settings.replace(eta=1.0 + turn)).learner(0)
            learner.run(stream, steps)
            loop.append(time.perf_counter() - began)
            began = time.perf_counter()
            hlcore.sweep(experiment, grid, steps)
            swept.append(time.perf_counter() - began)
        took, one = median(swept), median(loop)
        ratio = median(side * side * a / b for a, b in zip(loop, swept, strict=True))
        print(
            f"| {dtype} | {took:.1f} | {side * side / took:.0f} | {1 / one:.2f} | {ratio:.0f} | {first:.1f} s |",
            flush=True,
        )


if __name__ == "__main__":
    race(*map(int, sys.argv[1:4]))
