"""The tables of docs/neighbours.md for worlds that answer: python -m hlcore.studies.world_tables lock --seeds 10."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from .. import experiments
from ..errors import HLError, whole
from ..streams.worlds import lock, low_rank
from .policy_replay import Progress, plain, replayed

EPISODES = 4158  # what 22 epochs of policy replay play in the lock
Row = tuple[str, Callable[[int], Sequence[float]]]


def episodes(name: str, n: int, seed: int, **options: Any) -> np.ndarray:
    """(n, 2): the reward at the end of each of an experiment's episodes, and its moves."""
    learner, world = experiments.get(name, seed=seed, **options).learner(seed)
    found: list[tuple[float, int]] = []
    begun = 0
    for _ in range(whole("n", n)):
        while True:
            world.act(learner.step(world[world.k]).output)  # type: ignore[attr-defined]
            if not world.last.alive:  # type: ignore[attr-defined]
                break
        found.append((world.last.reward, world.k - begun))  # type: ignore[attr-defined]
        begun = world.k  # type: ignore[attr-defined]
    return np.array(found)


def success(name: str, n: int, seed: int, **options: Any) -> list[float]:
    """Episodes until 20 in a row bring .9 (nan: never); success of the first 20, of the last 50; moves in these."""
    reward, moves = episodes(name, n, seed, **options).T
    level = np.convolve(reward, np.full(20, 0.05), "valid") > 0.899
    return [
        20.0 + level.argmax() if level.any() else np.nan,
        reward[:20].mean(),
        reward[-50:].mean(),
        moves[-50:].mean(),
    ]


def _told(progress: Iterator[Progress]) -> list[float]:
    """Solved (0 or 1) at a quarter, a half and the end, and the regret."""
    steps = list(progress)
    at = [next(p for p in steps if p.episodes >= share * steps[-1].episodes) for share in (0.25, 0.5, 1)]
    return [*(float(p.gap < 0.01) for p in at), steps[-1].regret]


def _q(name: str, episodes: int, **options: Any) -> Callable[[int], list[float]]:
    def row(seed: int) -> list[float]:
        learner, world = experiments.get(name, seed=seed, **options).learner(seed)
        return _told(plain(learner, world, episodes))  # type: ignore[arg-type]

    return row


def _gap(seed: int, rate: float = 0.0, **world: Any) -> list[float]:
    steps = list(replayed(low_rank(code=seed, **world), 4, 12, seed, rate=rate))
    return [steps[5].gap, steps[-1].gap, steps[-1].regret]


def _lock(seed: int, **options: Any) -> list[float]:
    return _told(replayed(lock(levels=6), 6, 22, seed, **options))


def _rooms(n: int, **options: Any) -> Callable[[int], list[float]]:
    return lambda seed: success("coin-rooms", n, seed, **options)


def tables() -> dict[str, tuple[list[str], list[Row]]]:
    """{name: (columns, rows)}."""
    known = ("none", "shield", "guide", "both", "potential")
    rooms = ["episodes to .9", "first 20", "last 50", "moves"]
    false: list[tuple[str, dict[str, Any]]]
    false = [("none", {"knowledge": "none"}), ("hard shield", {"knowledge": "shield", "never_back": True})]
    false += [(f"κ = {k}", {"never_back": True, "strength": k}) for k in (0.03, 0.3, 3.0)]
    rules = [("8 shared weights", {}), ("50 weights", {"lifted": False}), ("clipped", {"clipped": True})]
    return {
        "lock": (
            ["solved at 1/4", "at 1/2", "at the end", "regret"],
            [
                ("policy replay, bonus, second order", _lock),
                ("without replay", partial(_lock, replay=False)),
                ("without bonus", partial(_lock, bonus=0.0)),
                ("SGD (β = .5) for second order", partial(_lock, rate=0.5)),
                ("plain Q, ε = .1", _q("lock-q", EPISODES)),
                ("plain Q + count bonus, 1500 episodes", _q("lock-q", 1500, bonus=1.0)),
            ],
        ),
        "low-rank": (
            ["gap at epoch 6", "gap at epoch 12", "regret"],
            [
                *[(f"second order, condition {c}", partial(_gap, condition=float(c))) for c in (1, 10, 100)],
                *[(f"SGD (β = .5), condition {c}", partial(_gap, condition=float(c), rate=0.5)) for c in (1, 10, 100)],
                *[(f"second order, noise {e}", partial(_gap, noise=e)) for e in (0.1, 0.2, 0.4, 0.8)],
            ],
        ),
        "rooms": (rooms, [(k, _rooms(100, knowledge=k)) for k in known]),
        "rooms-dead-ends": (rooms, [(k, _rooms(100, knowledge=k, length=8, dead_ends=True)) for k in known]),
        "false-rule": (rooms, [(name, _rooms(100, dead_ends=True, **o)) for name, o in false]),
        "true-rule": (rooms, [(name, _rooms(100, **o)) for name, o in false]),
        "mask": (
            rooms,
            [(f"shield, mask {m}", _rooms(100, knowledge="shield", mask=m)) for m in (True, False)],
        ),
        "lifted": (rooms, [(name, lambda seed, o=o: success("coin-rules", 100, seed, **o)) for name, o in rules]),  # type: ignore[misc]
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table, in Markdown: the median over seeds of each column, and its least and largest."""
    known = tables()
    parser = argparse.ArgumentParser(prog="python -m hlcore.studies.world_tables", description=__doc__)
    parser.add_argument("table", choices=known)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args(arguments)
    try:
        seeds = range(whole("--seeds", given.seeds))
    except HLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    columns, rows = known[given.table]
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name, row in rows:
        found = np.array([row(seed) for seed in seeds])
        print(f"| {name} | " + " | ".join(map(_cell, found.T)) + " |", flush=True)
    return 0


def _cell(x: np.ndarray) -> str:
    """The median, never being the largest; least and largest where they differ."""
    low, mid, high = np.quantile(np.where(np.isnan(x), np.inf, x), [0, 0.5, 1], method="nearest")
    told = ["never" if np.isinf(v) else f"{v:.3g}" for v in (low, mid, high)]
    return told[1] if low == high else f"{told[1]} ({told[0]} … {told[2]})"


if __name__ == "__main__":
    sys.exit(main())
