"""Growth of the process over 1,000,000 steps with a Recorder of capacity 10,000: python -m tests.benchmarks.memory."""

import gc
import os
import sys
import time

import torch

from hlcore import Recorder, experiments


def resident() -> float:
    """Resident memory of this process in MB."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(steps: int = 1_000_000, name: str = "iris-linear") -> None:
    """Print resident memory on the way."""
    torch.set_num_threads(1)
    learner, stream = experiments.get(name).learner()
    recorder, start, base = Recorder(capacity=10_000), time.perf_counter(), 0.0
    print("| steps | resident MB | grown since warm-up MB | steps/s |\n|--:|--:|--:|--:|")
    walk = iter(stream)
    for done in range(steps + 1):
        if done == 10_000:
            base = resident()
        if done and done % (steps // 10) == 0:
            now = resident()
            print(
                f"| {done:,} | {now:.1f} | {now - base:.1f} | {done / (time.perf_counter() - start):,.0f} |", flush=True
            )
        sample = next(walk)
        recorder.record(learner, learner.step(sample), sample)


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:2]), *sys.argv[2:3])
