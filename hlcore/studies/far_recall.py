"""How often the far past is recalled, one episode after another: python -m hlcore.studies.far_recall [SEEDS]."""

import sys
from typing import Any

import torch

from .. import experiments
from ..errors import whole
from ..runs.side_by_side import SideBySide

LAST = 200  # episodes that are counted
NEAR, FAR = {"delay": 32, "top": 0.3}, {"delay": 128}
Case = tuple[int, dict[str, dict[str, Any]]]  # episodes, {in words: options of echo-recall}; of one form, side by side
CASES: tuple[Case, ...] = (
    (
        2000,
        {
            "delay ≤ 32 that varies, ϖ < .3, η_z = .9, β = 1e-4": {**NEAR, "beta": 1e-4, "eta_z": 0.9},
            "ϖ < .3, η_z = 0, β = 1e-4": {**NEAR, "beta": 1e-4},
            "ϖ < .3, η_z = .9, β = .0015": {**NEAR, "eta_z": 0.9},
            "ϖ < .3, η_z = 0, β = .0015": NEAR,
            "ϖ < 1.5, η_z = .9, β = 1e-4": {"delay": 32, "beta": 1e-4, "eta_z": 0.9},
            "ϖ < 1.5, η_z = 0, β = 1e-4": {"delay": 32, "beta": 1e-4},
        },
    ),
    (
        600,
        {
            "delay ≤ 128 that varies, ϖ < .075, η_z = .9, β = 1e-4": {**FAR, "top": 0.075, "beta": 1e-4, "eta_z": 0.9},
            "ϖ < .075, η_z = 0, β = 1e-4": {**FAR, "top": 0.075, "beta": 1e-4},
        },
    ),
    (2000, {"delay 128 that stands, 64 units, η_z = 0, β = 3e-5": {**FAR, "vary": False, "units": 64, "beta": 3e-5}}),
)


def recalled(seeds: int, episodes: int, *options: dict[str, Any]) -> torch.Tensor:
    """(options, seeds): the share of right answers over the last 200 episodes, each given before it is learned from."""
    made = [experiments.get("echo-recall", **one) for one in options]
    lanes = SideBySide([(experiment, seed) for experiment in made for seed in range(seeds)])
    right, length = torch.zeros(len(made) * seeds, LAST), options[0]["delay"] + 1
    for k in range(whole("episodes", episodes, LAST) * length):
        found, column = lanes.step(), (k // length) % LAST
        told = (found.y * found.target > 0).flatten().float()
        right[:, column] = torch.where(found.asked > 0, told, right[:, column])
    return right.mean(1).view(len(made), seeds)


def main(seeds: int = 10) -> None:
    """Print the table of forward HL."""
    torch.set_num_threads(1)
    print("| forward HL, rms metric, one episode at a time | episodes | right, median (least … largest) |")
    print("|---|--:|---|")
    for episodes, cases in CASES:
        for name, found in zip(cases, recalled(seeds, episodes, *cases.values()), strict=True):
            told = f"{float(found.quantile(0.5)):.3f} ({float(found.min()):.3f} … {float(found.max()):.3f})"
            print(f"| {name} | {episodes} | {told} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
