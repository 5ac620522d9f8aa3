"""A quarter of a million worlds on a GPU, beside a loop: python -m tests.benchmarks.many_worlds [steps]."""

import sys

import numpy as np
import torch

import hlcore
from hlcore.runs.batches import Batch
from hlcore.runs.lanes import Lanes

from .sweep import taken


def main(steps: int = 2000) -> None:
    """Print seconds, runs/s and milliseconds a step of all; the loop is one run on the processor."""
    torch.set_num_threads(1)
    print(f"tracker-water-flow, float32, {steps} steps, {torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    print("| settings | ms a step of all | whole sweep, s | runs/s | loop on the processor, runs/s | ratio |")
    print("|--:|--:|--:|--:|--:|--:|")
    experiment = hlcore.experiments.get("tracker-water-flow")
    learner, stream = experiment.learner(0)
    one, _ = taken(learner.run, stream, steps)
    for side in (32, 256, 512):
        grid = {"eta": np.linspace(0.5, 8.0, side).tolist(), "beta": np.geomspace(0.01, 0.3, side).tolist()}
        hlcore.sweep(experiment, {name: values[:8] for name, values in grid.items()}, 500, device="cuda")
        whole, _ = taken(hlcore.sweep, experiment, grid, steps, device="cuda")
        print(
            f"| {side * side:,} | {1e3 * _step(experiment, grid):.2f} | {whole:.1f} | {side * side / whole:.0f} | "
            f"{1 / one:.2f} | {side * side / whole * one:.0f} |",
            flush=True,
        )


def _step(experiment: hlcore.experiments.Experiment, grid: dict[str, list[float]], steps: int = 320) -> float:
    """Seconds a step of all runs, when they are on their way."""
    device = torch.device("cuda")
    settings = [experiment.settings.replace(eta=eta, beta=beta) for eta in grid["eta"] for beta in grid["beta"]]
    lanes = Lanes(experiment, 0, ["beta", "eta"], 10**6, device)
    batch = Batch(lanes, np.arange(len(settings)), settings, lanes.begin(settings))
    times = []
    for _ in range(5):
        torch.cuda.synchronize()
        times.append(taken(_on, batch, steps)[0])
    return float(np.median(times[1:])) / steps


def _on(batch: Batch, steps: int) -> None:
    from threading import Event

    batch.walk(batch.place.steps + steps, Event())
    torch.cuda.synchronize()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
