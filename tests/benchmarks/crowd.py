"""A crowd of perceptrons beside its mean flow, tables over five seeds: python -m tests.benchmarks.crowd."""

import math

import numpy as np
import torch

from hlcore import Learner, Settings
from hlcore.networks.crowd import RULES, Crowd, crowd_loss
from hlcore.streams import Clusters, DigitPairs
from hlcore.studies.mean_flow import MeanFlow, alignment, reaches

SEEDS = range(5)
MU, START = np.array([1.0, 1.0]) / math.sqrt(2), np.array([1.0, -1.0]) / math.sqrt(2)


def ways(rule: str, stream: object, start: np.ndarray, rate: float, steps: int, decay: float = 0.0) -> np.ndarray:
    """(steps + 1, d): the mean of the crowd after every step."""
    n = stream.learners
    network = Crowd(torch.tensor(start).expand(n, -1), decay)
    learner = Learner(network, crowd_loss(rule), Settings(eta=1.0, beta=rate), "sequential")
    found = [start]
    for k in range(steps):
        learner.step(stream[k])
        found.append(network.w.detach().mean(0).numpy())
    return np.array(found)


def told(values: list[float], digits: int = 2) -> str:
    """mean ± standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def times() -> None:
    """Slow time to alignment .8."""
    print("| rule | σ | flow | 256 learners, γ = .02 |\n|---|--:|--:|--:|")
    for rule in RULES:
        for sigma in (0.51, 1.0, 2.0, 4.0):
            grid = np.linspace(0, 10, 1001)
            flow = MeanFlow(rule, [(MU, sigma**2 * np.eye(2))]).path(START, grid).mean
            steps = 500 if reaches(alignment(flow, MU), grid) > 5 else 300
            found = [
                reaches(
                    alignment(ways(rule, Clusters(MU, sigma**2, 256, seed), START, 0.02, steps), MU),
                    0.02 * np.arange(steps + 1),
                )
                for seed in SEEDS
            ]
            print(f"| {rule} | {sigma:g} | {reaches(alignment(flow, MU), grid):.2f} | {told(found)} |", flush=True)


def baselines() -> None:
    """Spread of the crowd, σ = .1, γ = .02, T = 4."""
    print("\n| baseline b | tr Cov | by the flow |\n|---|--:|--:|")
    for b in (0.0, 0.5, "mean", -0.5, "best"):
        found = []
        for seed in SEEDS:
            network = Crowd(torch.tensor(START).expand(256, -1))
            learner = Learner(network, crowd_loss("reinforce", b), Settings(eta=1.0, beta=0.02), "sequential")
            learner.run(Clusters(MU, 0.01, 256, seed), 200)
            found.append(float(network.w.detach().var(0).sum()))
        flow = "–"
        if b != "mean":
            path = MeanFlow("reinforce", [(MU, 0.01 * np.eye(2))], 0.0, b).path(START, [0, 4.0], 0.02, np.zeros((2, 2)))
            flow = f"{np.trace(path.spread[-1]):.4f}"
        print(f"| {b} | {told(found, 4)} | {flow} |", flush=True)


def forgetting() -> None:
    """Overlap with task 0 at the end of tasks 0, 1, 2, 4; n = 500, λ = 10, γ = .01, each task to alignment .8."""
    print("\n| rule | σ | γ | after task 0 | 1 | 2 | 4 |\n|---|--:|--:|--:|--:|--:|--:|")
    for rule in RULES:
        for sigma, rate in ((1e-3, 0.01), (0.1, 0.01), (0.1, 1e-3)):
            found = []
            for seed in SEEDS:
                tasks = np.random.default_rng(seed).standard_normal((5, 500))
                tasks /= np.linalg.norm(tasks, axis=1, keepdims=True)
                network = Crowd(torch.zeros(2, 500), 10.0)
                learner = Learner(network, crowd_loss(rule), Settings(eta=1.0, beta=rate), "sequential")
                overlap = []
                for task in tasks:
                    stream, k = Clusters(task, sigma**2, 2, seed), 0
                    while alignment(network.w.detach().numpy(), task).mean() < 0.8 and k < 20 / rate:
                        learner.step(stream[k])
                        k += 1
                    overlap.append(alignment(network.w.detach().numpy(), tasks[0]).mean())
                found.append(overlap)
            columns = " | ".join(told([f[i] for f in found]) for i in (0, 1, 2, 4))
            print(f"| {rule} | {sigma:g} | {rate:g} | {columns} |", flush=True)


def digits() -> None:
    """Real MNIST digits, raw pixels, λ = 1, γ = 1e-3, 20 learners, T = 5."""
    print("\n| digits | rule | right, flow | right, mean of 20 learners | cos between them |\n|---|---|--:|--:|--:|")
    for kinds in ((0, 1), (3, 8)):
        for rule in RULES:
            stream = DigitPairs(kinds)
            end = MeanFlow(rule, stream.components, 1.0).path(np.zeros(784), [0, 5.0]).mean[-1]
            found = [ways(rule, DigitPairs(kinds, 20, s), np.zeros(784), 1e-3, 5000, 1.0)[-1] for s in SEEDS]
            right = told([float(stream.right(w[None])[0]) for w in found], 3)
            near = told([float(alignment(w, end)) for w in found], 3)
            print(
                f"| {kinds[0]}/{kinds[1]} | {rule} | {stream.right(end[None])[0]:.3f} | {right} | {near} |", flush=True
            )


def main() -> None:
    """Print the four tables."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for table in (times, baselines, forgetting, digits):
        table()


if __name__ == "__main__":
    main()
