"""Where theory draws the line between two settings: on one side a run is stable, on the other it is not."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from ..errors import HLError, known
from ..experiments import Experiment
from ..streams.worlds import MDP, Sweep
from .td_stability import mean_now, pace

HALVINGS = 14


def unstable(experiment: Experiment, seed: int | None = None) -> tuple[str, Callable[[Any], bool]]:
    """(what the theory is, settings -> whether they are unstable by it) of an experiment.

    Temporal differences: the exact map of a step has a factor beyond 1 (`td_stability.pace`; for an MDP under its first
    weights). Any other: the regime that the learner tells of its settings is an alarm (|1 - τη| > 1 of ω, E*4).
    """
    learner, stream = experiment.learner(seed)
    if isinstance(stream, (Sweep, MDP)) and hasattr(learner.loss, "discount"):
        try:
            mean = mean_now(learner, stream)
        except HLError:  # a world of which no mean is known
            return "", lambda settings: False

        def grows(settings: Any) -> bool:
            learner.settings = settings
            return pace(learner, mean) > 0

        return "mean TD grows beyond, by theory", grows
    return "unstable beyond, by theory", lambda settings: bool(learner.regime(settings).alarm)


def border(
    experiment: Experiment, x: str, xs: Sequence[float], y: str, ys: Sequence[float], seed: int | None = None
) -> tuple[str, np.ndarray]:
    """(what it is, (pieces, 2, 2)): the line in the plane of settings x and y, in pieces from point (x, y) to point.

    Between neighbours of the grid that theory tells apart the border is found by halving (in the logarithm, where both
    are positive); within each cell these points are joined. No pieces: none within the grid.

    Raises HLError for an unknown setting, and one that takes no such value.
    """
    for name in (x, y):
        known("setting", name, experiment.settings.about())
    words, judge = unstable(experiment, seed)

    def lost(at: np.ndarray) -> bool:
        return judge(experiment.settings.replace(**{x: float(at[0]), y: float(at[1])}))

    spots = np.array([[(a, b) for b in ys] for a in xs], float)
    sides = np.array([[lost(spot) for spot in column] for column in spots])
    pieces = []
    for i, j in product(range(len(xs) - 1), range(len(ys) - 1)):
        corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
        edges = [(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True) if sides[a] != sides[b]]
        found = [_between(spots[a], spots[b], bool(sides[a]), lost) for a, b in edges]
        pieces += [found[k : k + 2] for k in range(0, len(found), 2)]
    return words if pieces else "", np.array(pieces).reshape(-1, 2, 2)


def _between(a: np.ndarray, b: np.ndarray, side: bool, lost: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The point between a, which is on this side, and b, which is not, at which that changes."""
    for _ in range(HALVINGS):
        middle = np.where((a > 0) & (b > 0), np.sqrt(np.abs(a * b)), (a + b) / 2)
        a, b = (middle, b) if lost(middle) == side else (a, middle)
    return b if side is False else a
