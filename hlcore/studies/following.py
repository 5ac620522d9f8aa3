"""How well a signal is followed: python -m hlcore.studies.following prints N's cases over ten seeds."""

import math
from typing import NamedTuple

import numpy as np

from .. import experiments
from ..errors import Diverged, whole
from ..experiments import Experiment
from ..experiments.local_tracking import FLIPS, FORWARD


class Followed(NamedTuple):
    """Mean square errors over the second half of a run, in units of the signal's own power (zero output: 1).

    error    of what was followed        persistence  of r(t - τ), copied: no feat is less than this
    reached  steps taken: all, or those before the run went beyond 10³ and was stopped
    """

    error: float
    persistence: float
    reached: int


def follow(experiment: Experiment, steps: int, seed: int = 0) -> Followed:
    """Run an experiment of one output and one target, and judge it; one that flies away has the error inf."""
    learner, stream = experiment.learner(seed)
    pairs = []
    try:
        for k in range(whole("steps", steps, 4)):
            sample = stream[k]
            y = float(learner.step(sample).output[0, 0])
            if not abs(y) < 1e3:
                break
            pairs.append((y, float(sample.target[0, 0])))
    except Diverged:
        pass
    if len(pairs) < steps:
        return Followed(math.inf, math.nan, len(pairs))
    y, r = np.array(pairs)[steps // 2 - 1 :].T
    power = float((r[1:] ** 2).mean())
    return Followed(float(((y - r)[1:] ** 2).mean()) / power, float((np.diff(r) ** 2).mean()) / power, steps)


def table(seeds: int = 10, steps: int = 4000) -> None:
    """Median and largest error of every case."""
    print("| learner | case | steps | median | largest | persistence |\n|---|---|--:|--:|--:|--:|")
    for name, cases in (("local-tracking", FLIPS), ("local-tracking-forward", FORWARD)):
        for case in cases:
            n = 2 * steps if "sharp" in case else steps
            found = [follow(experiments.get(name, case=case, dtype="float64"), n, seed) for seed in range(seeds)]
            errors = [f.error for f in found]
            told = f"{np.median(errors):.4f} | {max(errors):.4f} | {found[0].persistence:.6f}"
            print(f"| {name} | {case} | {n} | {told} |", flush=True)


if __name__ == "__main__":
    table()
