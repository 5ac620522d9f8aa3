"""A long run: memory and the time of a step do not grow: python -m tests.benchmarks.soak [STEPS [EXPERIMENT]]."""

import gc
import resource
import sys
import time

from hlcore import experiments
from hlcore.runs.run import Run

PARTS = 10  # of the run, a row of the table each


def resident():
    """MB that the process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def main(steps=10_000_000, name="tracker-water-flow"):
    """Print a row for each tenth of the run; the record and the snapshots are full before the first is measured."""
    run = Run(experiments.get(name))
    run.step(min(30_000, steps))
    print(f"| step of {name} | RSS (MB) | CPU a step (µs) |\n|--:|--:|--:|")
    rows = []
    for _ in range(PARTS):
        began = time.process_time()
        run.step(steps // PARTS)
        gc.collect()
        rows.append((resident(), 1e6 * (time.process_time() - began) / (steps // PARTS)))
        print(f"| {run.learner.steps:,} | {rows[-1][0]:.1f} | {rows[-1][1]:.0f} |", flush=True)
    (first, quick), (last, slow) = rows[0], rows[-1]
    print(f"from the first tenth to the last: {last - first:+.1f} MB, {slow / quick:.3f} x the time")


if __name__ == "__main__":
    main(int([*sys.argv, 10_000_000][1]), *sys.argv[2:3])
