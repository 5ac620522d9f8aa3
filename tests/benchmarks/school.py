"""The signal school beside its authors' code: python -m tests.benchmarks.school [FOLDER of a narnian checkout].

The same lecture step side by side in one run, process time, medians over interleaved blocks: the choir, our set-up of
the authors' student, and, where their public code is given (mela64/narnian, MIT; it is not part of this repository),
their student as their school runs it: forward, Hamiltonian, backward, step. Their flask server and its imports are
stood in for, so that their code runs without them.
"""

import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from hlcore import experiments
from hlcore.studies.signal_school import SIGNALS, grades, heard

ABSENT = (
    "flask",
    "flask_cors",
    "graphviz",
    "PIL",
    "PIL.Image",
    "torchvision",
    "torchvision.transforms",
    "transformers",
)
Block = Callable[[int], Any]


def ours(name: str) -> Block:
    """n lecture steps of an experiment, on its first lecture again and again."""
    learner, stream = experiments.get(name).learner(0)
    samples = [stream[k] for k in range(1000)]

    def block(n: int) -> None:
        for sample in samples[:n]:
            learner.step(sample)

    return block


def theirs(folder: Path) -> Block:
    """n lecture steps of the authors' student."""
    sys.path.insert(0, str(folder))
    for name in ABSENT:
        try:
            __import__(name)
        except ImportError:
            stand_in = types.ModuleType(name)
            stand_in.Image = stand_in.transforms = None  # type: ignore[attr-defined]
            sys.modules[name] = stand_in
    from basic.basic_model_gen4all_hl import BasicHLModel
    from narnian.attributes import Attributes

    tokens = Attributes((6,), list("abcdef"))
    student = BasicHLModel(attributes=[Attributes((1,), None), tokens], delta=0.1, cnu_memories=20, seed=42)
    d = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]])
    targets = heard(SIGNALS["smoHfHa"].x, 1000, 0.1)

    def block(n: int) -> None:
        for k in range(n):
            y, seen = student(u=None, du=d, y=None, d=d, first=k == 0)
            student.learn(y=y, yhat=targets[k], d=seen, dhat=None)

    return block


def race(folder: Path | None = None, steps: int = 300, rounds: int = 9) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    blocks = {"authors' code, their student": theirs(folder)} if folder else {}
    blocks |= {
        "signal-school-baseline, their set-up": ours("signal-school-baseline"),
        "signal-school": ours("signal-school"),
    }
    times: dict[str, list[float]] = {name: [] for name in blocks}
    for block in blocks.values():
        block(steps)
    for _ in range(rounds):
        for name, block in blocks.items():
            start = time.process_time()
            block(steps)
            times[name].append((time.process_time() - start) / steps)
    first = median(next(iter(times.values())))
    print("| student | µs per lecture step | steps/s | × the first |\n|:--|--:|--:|--:|")
    for name, taken in times.items():
        print(f"| {name} | {1e6 * median(taken):.0f} | {1 / median(taken):,.0f} | {first / median(taken):.2f} |")
    network = experiments.get("signal-school").network
    start = time.process_time()
    grades(network)
    print(f"\nEight exams of 1000 steps, side by side: {time.process_time() - start:.2f} s")
    if not folder:
        print("Give the folder of a narnian checkout to race its student too.")


if __name__ == "__main__":
    race(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
