"""Memories made by day and unmade by night, tables over five seeds: python -m tests.benchmarks.dreams."""

import math
from collections.abc import Callable

import numpy as np
import torch

from hlcore import Learner, Settings, experiments
from hlcore.networks.hopfield import Hopfield, energy, fall, hebb
from hlcore.streams.nights import Nights, digit_memories, memories
from hlcore.studies.retrieval import dream_life, pseudo_inverse, retrieval_map, stabilities

SEEDS = range(5)
OVERLAPS = [0.4, 0.5, 0.6, 0.7, 0.8]


def told(values: list[float], digits: int = 2) -> str:
    """mean ± standard deviation; of those that are numbers, and how many they are."""
    good = [v for v in values if not math.isnan(v)]
    count = "" if len(good) == len(values) else f" ({len(good)} of {len(values)})"
    return f"{np.mean(good):.{digits}f} ± {np.std(good):.{digits}f}{count}" if good else f"never (0 of {len(values)})"


def doses(units: int = 100, eps: float = 0.01) -> None:
    """The window."""
    print(f"N = {units}, ε = {eps}, dreams in N/ε\n")
    print("| load | Δ min, Hebb | best | D_in | D_top | D_fin | D_fin ε/P |\n|--:|--:|--:|--:|--:|--:|--:|")
    for load in (0.3, 0.4, 0.5, 0.6, 0.7):
        lives = [dream_life(units, load, eps, seed, 10, 1.3, 6) for seed in SEEDS]
        dates = [[D * eps / units for D in life.window] for life in lives]
        columns = [told([float(x.least[0]) for x in lives]), told([float(x.least.max()) for x in lives])]
        columns += [told([d[i] for d in dates], 3) for i in range(3)] + [told([d[2] / load for d in dates])]
        print(f"| {load} | {' | '.join(columns)} |", flush=True)


def basins(units: int = 200, load: float = 0.3, eps: float = 0.01) -> None:
    """How far a memory reaches."""
    print(f"\nN = {units}, load {load}: overlap at rest of a cue of overlap m₀\n")
    print("| J | " + " | ".join(map(str, OVERLAPS)) + " |\n|---|" + "--:|" * len(OVERLAPS))
    found: dict[str, list[np.ndarray]] = {}
    for seed in SEEDS:
        life = dream_life(units, load, eps, seed, 10, 1.5, 6)
        start, top, end = life.window
        dates = {"Hebb": 0, "D_in": start, "D_top": top, ".98 D_fin": 0.98 * end, "1.3 D_fin": 1.3 * end}
        Js = {name: life.J[int((life.dreams - D).abs().argmin())] for name, D in dates.items()}
        for name, J in (Js | {"pseudo-inverse": pseudo_inverse(life.patterns)}).items():
            found.setdefault(name, []).append(retrieval_map(J, life.patterns, OVERLAPS, cues=3).numpy())
    for name, rows in found.items():
        print(f"| {name} | " + " | ".join(told(list(column)) for column in np.array(rows).T) + " |", flush=True)


def lived(
    patterns: torch.Tensor, steps: int, phi: float | Callable[[float], float] = 1.0, **how: float
) -> torch.Tensor:
    """J after days and nights in turn, from Hebb's."""
    network = Hopfield(hebb(patterns), 6)
    stream = Nights(patterns, batch=10, flipped=True, **how)
    Learner(network, energy, Settings(eta=1.0, beta=0.02, phi=phi), "sequential").run(stream, steps)
    return network.J.detach()


def days_and_nights(units: int = 100) -> None:
    """Daydreaming, and noisy memories."""
    print(f"\nN = {units}, ε = .01, a day of 10 memories and a night of 10 dreams in turn, 1,600 of each\n")
    print("| load | wrong by day | day weighs | Δ min | stable | m₀ = .8 comes to |\n|--:|--:|--:|--:|--:|--:|")
    cases = [(0.3, 0.0, 1.0), (0.5, 0.0, 1.0), (0.7, 0.0, 1.0)]
    cases += [(0.3, p, w) for p in (0.1, 0.2, 0.3) for w in (1.0, 1 / (1 - 2 * p) ** 2)]
    for load, flip, weight in cases:
        rows = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            patterns = memories(round(load * units), units, seed)

            def phi(t: float, weight: float = weight) -> float:
                return weight if round(t) % 2 == 0 else 1.0

            J = lived(patterns, 3200, phi, flip=flip, seed=seed)
            delta = stabilities(J, patterns)
            reach = float(retrieval_map(J, patterns, [0.8], cues=3)[0])
            rows.append((float(delta.min()), float((delta > 0).double().mean()), reach))
        columns = " | ".join(told(list(column)) for column in np.array(rows).T)
        print(f"| {load} | {flip} | {weight:.2f} | {columns} |", flush=True)


def endless(units: int = 100, shown: int = 200, last: int = 60) -> None:
    """New memories for ever, J shrunk by λ with each."""
    print(f"\nN = {units}, {shown} new memories, one a day: of the last {last}, retrieved to .95 from m₀ = .8\n")
    print("| λ | no dreams | 10 a night | 20 a night |\n|--:|--:|--:|--:|")
    for decay in (0.0, 0.01, 0.02, 0.04):
        columns = []
        for nights in (0, 10, 20):
            counts = []
            for seed in SEEDS:
                torch.manual_seed(seed)
                network = Hopfield(torch.zeros(units, units), 6, decay=decay / 2)
                stream = Nights(None, 1, nights, 1, seed=seed, units=units, flipped=True)

                def phi(t: float, nights: int = nights) -> float:
                    return 1.0 if round(t) % (1 + nights) == 0 else 0.01

                steps = shown * (1 + nights)
                Learner(network, energy, Settings(eta=1.0, beta=2.0, phi=phi), "sequential").run(stream, steps)
                xi = torch.cat([stream[k].u for k in range(0, steps, 1 + nights)][-last:])
                cue = torch.where(torch.rand(xi.shape).argsort(1).argsort(1) < round(0.1 * units), -xi, xi)
                J = network.J.detach() * network.off
                counts.append(float(((fall(J, cue, 60) * xi).mean(1) > 0.95).sum()))
            columns.append(told(counts, 1))
        print(f"| {decay} | {' | '.join(columns)} |", flush=True)


def digits() -> None:
    """Ten real digits."""
    print("\nTen digits, 8×8, days and nights of ten in turn: overlap at rest of a cue of m₀ = .8\n")
    print("| Hebb | after 250 steps | after 1,000 |\n|--:|--:|--:|")
    rows = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        learner, stream = experiments.get("dream-digits", dtype="float64").learner(seed)
        patterns, row = digit_memories(10), []
        for steps in (0, 250, 1000):
            learner.run(stream.since(learner.steps), steps - learner.steps)
            row.append(float(retrieval_map(learner.network.J.detach(), patterns, [0.8], seed, 5)[0]))
        rows.append(row)
    print("| " + " | ".join(told(list(column)) for column in np.array(rows).T) + " |", flush=True)


def main() -> None:
    """Print the five tables."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for table in (doses, basins, days_and_nights, endless, digits):
        table()


if __name__ == "__main__":
    main()
