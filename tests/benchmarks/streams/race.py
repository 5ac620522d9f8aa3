"""The race: choose by the prefix, run over the seeds, compare."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from hlcore import Diverged
from hlcore.runs.prequential import prequential

from .racers import RACERS, Racer, real

SERIES = ("water-flow", "approval", "sp500", "sp500-swing", "passengers")
TUNED_ON, TUNING_SEEDS, PREFIX = SERIES[:-1], (5, 6), 300


def warm_up(name: str) -> int:
    """Steps that are not counted."""
    return 24 if name == "passengers" else PREFIX


def errors(racer: Racer, name: str, seed: int, steps: int | None = None, **options: Any) -> np.ndarray:
    """|forecast - x_{k+1}| at every step, in the unit of the series; all inf if it diverges."""
    track = racer.way(name, seed, **options)
    steps = len(real(name).values) - 1 if steps is None else steps
    try:
        return np.abs(prequential(track.learner, track.stream, steps, track.read).error.values[:, 0])
    except Diverged:
        return np.full(steps, np.inf)


def chosen(racer: Racer) -> dict[str, Any]:
    """The entry of the grid that is best on the prefixes."""
    if len(racer.grid) == 1:
        return racer.grid[0]
    seeds = TUNING_SEEDS if racer.chance else TUNING_SEEDS[:1]
    return min(racer.grid, key=lambda options: rating(racer, options, seeds))


def rating(racer: Racer, options: dict[str, Any], seeds: tuple[int, ...]) -> float:
    """Geometric mean, over series and seeds, of the ratio to persistence on the prefix."""
    found = []
    for name in TUNED_ON:
        base = errors(RACERS["persistence"], name, 0, PREFIX).mean()
        found += [errors(racer, name, seed, PREFIX, **options).mean() / base for seed in seeds]
    return math.exp(float(np.mean(np.log(found)))) if np.isfinite(found).all() else math.inf


class Line(NamedTuple):
    """A racer's results: the options that the prefix chose, and |error| by series, (seeds, steps)."""

    options: dict[str, Any]
    errors: dict[str, np.ndarray]

    def mean(self, name: str) -> np.ndarray:
        """MAE after the warm-up, per seed, in the unit of the series."""
        return self.errors[name][:, warm_up(name) :].mean(1)


Results = dict[str, Line]


def race(seeds: int = 5, racers: tuple[str, ...] = tuple(RACERS), names: tuple[str, ...] = SERIES) -> Results:
    """Choose by the prefix, run, and print the table line by line."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    results: Results = {}
    print("\n".join(header(names)))
    for key in racers:
        racer = RACERS[key]
        options = chosen(racer)
        runs = range(seeds if racer.chance else 1)
        found = {name: np.stack([errors(racer, name, seed, **options) for seed in runs]) for name in names}
        results[key] = Line(options, found)
        print(row(key, results, names), flush=True)
    return results


def header(names: tuple[str, ...]) -> list[str]:
    cells = [f"{name}, {real(name).unit}" for name in names]
    return ["| learner | " + " | ".join(cells) + " | all | chosen |", "|:--|" + "--:|" * (len(names) + 1) + ":--|"]


def row(key: str, results: Results, names: tuple[str, ...]) -> str:
    """MAE ± deviation over seeds, (ratio to persistence); the geometric mean of the ratios."""
    cells, ratios, line = [], [], results[key]
    for name in names:
        own, base = line.mean(name), results["persistence"].mean(name).mean()
        spread = f" ± {own.std(ddof=1):.2g}" if len(own) > 1 else ""
        ratios.append(own.mean() / base)
        cells.append(f"{own.mean():.3g}{spread} ({ratios[-1]:.3f})")
    cells.append(f"{math.exp(float(np.mean(np.log(ratios)))):.3f}")
    told = ", ".join(f"{k} {v}" for k, v in line.options.items())
    return f"| {RACERS[key].title} | " + " | ".join(cells) + f" | {told} |"


def against(one: np.ndarray, other: np.ndarray, block: int = 20) -> float:
    """Mean of |e_one| - |e_other| over its standard error, from means over blocks of steps; negative: one is better."""
    difference = one.mean(0) - other.mean(0)
    means = difference[: len(difference) // block * block].reshape(-1, block).mean(1)
    error = means.std(ddof=1) / len(means) ** 0.5
    return float(means.mean() / error) if error else 0.0


def duel(results: Results, mine: str, other: str, name: str) -> str:
    """In words: how `mine` fares against `other` on a series."""
    a, b = (results[key].errors[name][:, warm_up(name) :] for key in (mine, other))
    block = 20 if a.shape[1] > 200 else 12
    percent, t = 100 * (a.mean() / b.mean() - 1), against(a, b, block)
    verdict = "no difference that the data show" if abs(t) < 2 else "HL **wins**" if t < 0 else "HL **loses**"
    return f"{verdict}: {percent:+.1f} %, {t:+.1f} standard errors"


def best(results: Results, name: str, mine: bool) -> str:
    """The HL line, or the line of a river learner, with the least MAE."""
    keys = [key for key in results if key.startswith("hl") == mine and key not in ("persistence", "echo")]
    return min(keys, key=lambda key: results[key].mean(name).mean())
