"""How often the far past is recalled, one episode after another: python -m hlcore.studies.far_recall [SEEDS]."""

import sys
from typing import Any

import torch

from .. import experiments
from ..errors import whole

SLOW = {"beta": 1e-4}  # the list's own β, .0015, is too fast for one episode at a time: HL stays at chance
CASES: dict[str, tuple[int, dict[str, Any]]] = {  # episodes, options of echo-recall
    "delay 32 that varies, ϖ < .3": (2000, {"delay": 32, "top": 0.3, **SLOW}),
    "the same, η_z = .9": (2000, {"delay": 32, "top": 0.3, "eta_z": 0.9, **SLOW}),
    "the same, β = .0015": (2000, {"delay": 32, "top": 0.3}),
    "delay 128 that stands, 64 units": (1200, {"delay": 128, "vary": False, "units": 64, "beta": 3e-5}),
}


def recalled(seed: int, episodes: int, **options: Any) -> float:
    """The share of right answers over the last 200 episodes, each answer given before it is learned from."""
    learner, stream = experiments.get("echo-recall", seed=seed, **options).learner(seed)
    right = []
    for k in range(whole("episodes", episodes) * (options["delay"] + 1)):
        sample = stream[k]
        y = learner.step(sample).output
        if sample.target is not None:
            right.append(float(y) * float(sample.target) > 0)
    return sum(right[-200:]) / len(right[-200:])


def main(seeds: int = 3) -> None:
    """Print the table of forward HL."""
    torch.set_num_threads(1)
    print("| HL, sequential order, rms metric, one episode at a time | episodes | right, by seed |\n|---|--:|---|")
    for name, (episodes, options) in CASES.items():
        found = [f"{recalled(seed, episodes, **options):.3f}" for seed in range(seeds)]
        print(f"| {name} | {episodes} | {', '.join(found)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
