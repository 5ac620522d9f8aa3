"""Clients on a graph in numbers: python -m hlcore.studies.graph_tables [SEEDS]."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..experiments import get
from ..streams import Clients

LAST = 300  # ticks of each third of the stream
KINDS: dict[str, dict[str, Any]] = {
    "local": {"coupling": "none"},
    "squared, α = .05": {"coupling": "squared", "lam": 0.05},
    "total variation, λ = .1": {"coupling": "tv", "lam": 0.1},
}


def drift(seed: int, **options: Any) -> np.ndarray:
    """(3, 2): |θ - θ_true|² of labelled and unlabelled clients at the end of each third of the stream."""
    learner, stream = get("graph-clients", dtype="float64", **options).learner(seed)
    return _thirds(stream, lambda k: (learner.step(stream[k]), learner.network.theta.detach())[1])


def told_the_clusters(seed: int) -> np.ndarray:
    """The same for one model per true cluster, which learns from the mean of its labelled clients."""
    _, stream = get("graph-clients", dtype="float64").learner(seed)
    assert isinstance(stream, Clients)
    theta = torch.zeros(2, stream.inputs, dtype=torch.float64)

    def step(k: int) -> torch.Tensor:
        side = torch.from_numpy(stream.sides(k))
        (x, mask), y = stream[k].u, stream[k].target[0]
        for c in (0, 1):
            here = (side == c) & (mask[0] > 0)
            tokens = x[0, here, 0]
            theta[c] -= 0.02 * 2 * (tokens * (tokens @ theta[c] - y[here])[:, None]).mean(0)
        return theta[side]

    return _thirds(stream, step)


def held(seed: int, steps: int = 1000, **options: Any) -> float:
    """Mean square error of θ on data sets that stay."""
    learner, stream = get("graph-held", dtype="float64", **options).learner(seed)
    assert isinstance(stream, Clients)
    sample = stream[0]
    for _ in range(steps):
        learner.step(sample)
    return float(((learner.network.theta.detach() - stream.truth(0)) ** 2).mean())


def _thirds(stream: Any, step: Callable[[int], torch.Tensor]) -> np.ndarray:
    wrong, known = [], stream.mask.numpy() > 0
    for k in range(3000):
        e = ((step(k) - stream.truth(k)) ** 2).sum(1).numpy()
        wrong.append((e[known].mean(), e[~known].mean()))
    return np.stack([np.array(wrong)[t - LAST : t].mean(0) for t in (1000, 2000, 3000)])


def main(seeds: int = 5) -> None:
    """Print the tables, means over the seeds."""
    torch.set_num_threads(1)
    print("| learner | labelled, unlabelled: before the jump | after it | a stale graph |\n|---|--:|--:|--:|")
    for name, options in KINDS.items():
        _row(name, [drift(seed, **options) for seed in range(seeds)])
    _row("told the clusters", [told_the_clusters(seed) for seed in range(seeds)])
    print("\n| p_out | mean square error of θ, median of seeds | from, to |\n|--:|--:|--:|")
    for p_out in (0.01, 0.1, 0.2, 0.25, 0.3, 0.5):
        found = [held(seed, p_out=p_out, labelled=0.6, share=1.0) for seed in range(seeds)]
        print(f"| {p_out} | {np.median(found):.2g} | {min(found):.2g}, {max(found):.2g} |", flush=True)


def _row(name: str, found: Sequence[np.ndarray]) -> None:
    cells = [f"{a:.3f}, {b:.3f}" for a, b in np.mean(found, 0)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
