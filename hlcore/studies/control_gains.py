"""How much control on the neurons helps a tracker, and where not: python -m hlcore.studies.control_gains [SEEDS]."""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import mse_loss

from ..experiments import Experiment, get
from ..experiments.experiment import Build
from ..experiments.tracking import tracker
from ..runs.side_by_side import SideBySide
from ..streams import Series, real

GAINS = (0.0, 20.0, 40.0, 60.0, 120.0)
SERIES = ("water-flow", "approval", "passengers", "sp500", "sp500-swing")
BETAS = (0.05, 0.1, 0.2, 0.4)
LAST = 500  # steps that are counted on the sine
BEGUN = 300  # samples that are not counted; of a shorter series half


def foreseen(series: str, seeds: int, gains: Sequence[float] = GAINS) -> np.ndarray:
    """(gains, seeds): mean |error| of the forecasts told in one round, in units of the persistence forecast's."""
    values = real(series).scaled
    made = [_experiment(lambda seed: tracker(Series(values), 12), control=g) for g in gains]
    lanes, rounds = SideBySide([(one, seed) for one in made for seed in range(seeds)]), len(values) - 1
    wrong = torch.stack([(a.y - a.target).abs().flatten() for a in (lanes.step() for _ in range(rounds))])
    begun = min(BEGUN, rounds // 2)
    copied = float(np.abs(np.diff(values))[begun:].mean())
    return (wrong[begun:].mean(0) / copied).view(len(gains), seeds).numpy()


def free_error(gain: float, seeds: int, steps: int = 4000, betas: Sequence[float] = BETAS) -> np.ndarray:
    """(betas, seeds): mean square error of the network alone, its teacher's control let go, at the last 500 weights."""
    made = [get("tracker-sinusoid", control=gain, beta=b) for b in betas]
    lanes = SideBySide([(one, seed) for one in made for seed in range(seeds)])
    for _ in range(steps - LAST):
        lanes.step()
    alone, total = SideBySide([(one, seed) for one in made for seed in range(seeds)]), torch.zeros(len(betas) * seeds)
    alone.steps, alone.phase = lanes.steps, lanes.phase
    for _ in range(LAST):
        alone.phase = alone.phase._replace(theta=lanes.phase.theta)
        found = alone.step(control=0.0, beta=0.0)
        lanes.step()
        total += (found.y - found.target).square().flatten()
    return (total / LAST).view(len(betas), seeds).numpy()


def _experiment(build: Build, **changes: float) -> Experiment:
    setup = build(0)
    return Experiment("tracker", "", "", build, mse_loss, setup.settings.replace(**changes), setup.order)


def _row(name: str, found: np.ndarray) -> None:
    found = np.nan_to_num(found, nan=np.inf)
    cells = [f"{np.median(row):.3g} ({row.min():.3g} … {row.max():.3g})" for row in found]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(seeds: int = 10) -> None:
    """Print both tables: medians, in brackets the least and the largest; inf where it flew away."""
    torch.set_num_threads(1)
    print(f"| error / persistence | {' | '.join(f'g = {g:g}' for g in GAINS)} |\n|---|{'---|' * len(GAINS)}")
    for series in SERIES:
        _row(series, foreseen(series, seeds))
    print(f"\n| sine, free error | {' | '.join(f'β = {b:g}' for b in BETAS)} |\n|---|{'---|' * len(BETAS)}")
    for gain in (0.0, 5.0):
        _row(f"g = {gain:g}", free_error(gain, seeds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
