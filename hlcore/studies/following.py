"""How well a signal is followed: python -m hlcore.studies.following prints N's cases over ten seeds."""

import math
from typing import NamedTuple

import numpy as np
import torch

from .. import experiments
from ..errors import Diverged, whole
from ..experiments import Experiment
from ..experiments.local_tracking import FLIPS, FORWARD
from ..runs.side_by_side import SideBySide


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
    return _judged(np.array(pairs), steps)


def follow_all(name: str, case: str, steps: int, seeds: int = 10) -> list[Followed]:
    """The same for many seeds side by side. A step of sign flips is the law of s = +1 by ±τ, without dissipation."""
    flips = name == "local-tracking"
    experiment = experiments.get(name, case=case, dtype="float64", learner="hamiltonian")
    if flips:
        experiment = experiment.replace(settings=experiment.settings.replace(s=1, eta=0.0, eta_z=0.0))
    lanes = SideBySide([(experiment, seed) for seed in range(seeds)])
    tau, pairs = lanes.numbers.tau, []
    for k in range(whole("steps", steps, 4)):
        found = lanes.step(tau=-tau if flips and k % 2 else tau)
        pairs.append(torch.stack([found.y[:, 0, 0], found.target[:, 0, 0]], 1))
    return [_judged(path[: _flown(path)], steps) for path in torch.stack(pairs, 1).numpy()]


def _flown(path: np.ndarray) -> int:
    """Steps until y went beyond 10³ or was no number any more."""
    away = np.flatnonzero(~(np.abs(path[:, 0]) < 1e3))
    return int(away[0]) if len(away) else len(path)


def _judged(pairs: np.ndarray, steps: int) -> Followed:
    if len(pairs) < steps:
        return Followed(math.inf, math.nan, len(pairs))
    y, r = pairs[steps // 2 - 1 :].T
    power = float((r[1:] ** 2).mean())
    return Followed(float(((y - r)[1:] ** 2).mean()) / power, float((np.diff(r) ** 2).mean()) / power, steps)


def table(seeds: int = 10, steps: int = 4000) -> None:
    """Median and largest error of every case."""
    torch.set_num_threads(1)
    print("| learner | case | steps | median | largest | persistence |\n|---|---|--:|--:|--:|--:|")
    for name, cases in (("local-tracking", FLIPS), ("local-tracking-forward", FORWARD)):
        for case in cases:
            n = 2 * steps if "sharp" in case else steps
            found = follow_all(name, case, n, seeds)
            errors, copied = [f.error for f in found], min(f.persistence for f in found)
            print(f"| {name} | {case} | {n} | {np.median(errors):.4f} | {max(errors):.4f} | {copied:.6f} |", flush=True)


if __name__ == "__main__":
    table()
