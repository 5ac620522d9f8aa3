"""A move in every tabular world, a step of driven rotations: python -m tests.benchmarks.small_steps [seconds]."""

import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from hlcore import experiments

from .step import racers, ratio, timed

WORLDS = ("coin-rooms", "coin-rules", "ring-q", "star-q", "lock-q", "low-rank-q", "ring-td", "star-td", "two-states-td")
DRIVEN = ("echo-recall", "lorenz")  # by Hamiltonian Learning on rotations that their input drives
ANEW = 500  # moves after which a learner begins again: on the star it grows without end, as it must
ASKED = {**dict.fromkeys(WORLDS, 1.0), **dict.fromkeys(DRIVEN, 0.3)}  # ms


def moving(name: str) -> Callable[[], Any]:
    """One move of an experiment: its sample, the learner's step, the world's answer; no record."""
    experiment = experiments.get(name, **({"learner": "hamiltonian"} if name in DRIVEN else {}))
    learner, stream = experiment.learner()
    if name in DRIVEN:
        samples = [stream[k] for k in range(64)]
        return lambda: learner.step(samples[learner.steps % 64])

    def move() -> None:
        nonlocal learner, stream
        if learner.steps == ANEW:
            learner, stream = experiment.learner()
        stream.act(learner.step(stream[learner.steps]).output)

    return move


def main(seconds: float = 30.0) -> None:
    """Print ms a step, and beside SGD's step on iris-mlp, which tells how fast this machine is."""
    torch.set_num_threads(1)
    iris = experiments.get("iris-mlp")
    sgd = racers(iris.network.module, iris.stream[0])["sgd"]
    taken = timed({"sgd": sgd, **{name: moving(name) for name in ASKED}}, seconds)
    print("| step | ms | × SGD's step on iris-mlp | asked, ms |\n|---|--:|--:|--:|")
    for name, times in taken.items():
        what, asked = ("SGD", "") if name == "sgd" else (name, f"{ASKED[name]:.1f}")
        print(f"| {what} | {median(times) * 1e3:.3f} | {ratio(taken, name):.2f} | {asked} |")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
