"""Tasks in turn that nobody announces, experts beside one network, five seeds: python -m tests.benchmarks.experts."""

import sys
from typing import Any

import numpy as np
import torch

from hlcore import experiments
from hlcore.studies.continual import in_turn

SEEDS = range(5)
LINEAR: dict[str, Any] = {"gate": "linear", "experts": 5}
ONCE: dict[str, Any] = {"batch": 1, "epochs": 1, "beta": 0.1}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "one network, 80 units": ("dense-digits", {}),
    "one network, jointly": ("dense-digits", {"joint": True}),
    "5 experts × 16, linear gate": ("experts-digits", LINEAR),
    "the same, springs k = .2, priors that follow by .01": ("experts-digits", LINEAR | {"spring": 0.2, "follow": 0.01}),
    "**5 experts × 16, keys (ours)**": ("experts-digits", {"experts": 5}),
    "**12 experts × 16, keys (ours)**": ("experts-digits", {}),
    "12 keys, jointly": ("experts-digits", {"joint": True}),
    "12 keys, reach 9": ("experts-digits", {"reach": 9.0}),
    "12 keys, κ = .3": ("experts-digits", {"scale": 0.3}),
    "12 keys, β₁ = .5": ("experts-digits", {"sharpness": 0.5}),
    "one pass, one sample a step: one network": ("dense-digits", ONCE),
    "one pass, one sample a step: 12 keys": ("experts-digits", ONCE),
}
LARGE: dict[str, Any] = {"data": "mnist", "epochs": 2}
MANY: dict[str, Any] = {"scale": 0.3, "reach": 55.0, "experts": 30}
MNIST: dict[str, tuple[str, dict[str, Any]]] = {
    "one network, 80 units": ("dense-digits", LARGE),
    "one network, jointly": ("dense-digits", LARGE | {"joint": True}),
    "5 experts × 16, linear gate": ("experts-digits", LARGE | LINEAR),
    "12 experts × 16, keys, κ = .3, reach 60": ("experts-digits", LARGE | {"scale": 0.3, "reach": 60.0}),
    "30 experts × 16, keys, κ = .3, reach 55": ("experts-digits", LARGE | MANY),
    "the same 30, jointly": ("experts-digits", LARGE | MANY | {"joint": True}),
}


def table(rows: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Final, forgotten, learned; and how many experts have a key."""
    print("| learner | final | forgotten | learned | keys |\n|---|--:|--:|--:|--:|")
    for name, (experiment, how) in rows.items():
        found, keys = [], []
        for seed in SEEDS:
            learner, stream = experiments.get(experiment, seed=seed, **how).learner(seed)
            report = in_turn(learner, stream)
            found.append((report.final, report.forgotten, report.learned))
            seen = getattr(learner.network, "seen", torch.zeros(1))
            keys.append(int((seen > 0).sum()))
        told = " | ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(np.mean(found, 0), np.std(found, 0), strict=True))
        print(f"| {name} | {told} | {np.mean(keys) or '–'} |", flush=True)


def main(which: str = "both") -> None:
    """Print the tables: "digits", "mnist" or "both"."""
    torch.set_num_threads(1)
    for name, rows in (("digits", ROWS), ("mnist", MNIST)):
        if which in (name, "both"):
            print(f"\n{name}: five tasks in turn, odd or even\n")
            table(rows)


if __name__ == "__main__":
    main(*sys.argv[1:2])
