"""One HL step against zero_grad, forward, backward, SGD.step, side by side: python -m tests.benchmarks.step."""

import copy
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from hlcore import Learner, OutputNetwork, Sample, experiments
from hlcore.experiments.images import Residual

RATE, MOMENTUM, DAMPENING = 0.001, 0.1, 0.5
NEIGHBOURS = (
    "crowd-clusters",
    "dreams",
    "experts-digits",
    "few-shot-spikes",
    "graph-clients",
)  # whose steps are shown beside a tracker's


class Encoder(nn.Module):
    """A transformer of four layers over 32 tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
        self.body, self.head = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), nn.Linear(128, 10)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """Mean of the tokens, then the head."""
        return self.head(self.body(u).mean(1))


def resnet18_like() -> nn.Module:
    """Eight residual blocks of 16 to 128 channels on 32×32 colours."""
    blocks = [Residual(16, 16), Residual(16, 16), Residual(16, 32, 2), Residual(32, 32), Residual(32, 64, 2)]
    blocks += [Residual(64, 64), Residual(64, 128, 2), Residual(128, 128)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def models() -> dict[str, tuple[nn.Module, Sample]]:
    """The six of the grid with a sample of theirs, and three larger ones."""
    found = {}
    for name in ("iris-linear", "iris-mlp", "mnist-resnet", "mnist-vit", "vowels-rnn", "vowels-lstm"):
        experiment = experiments.get(name)
        found[name] = (experiment.network.module, experiment.stream[0])
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
    found["MLP 784-1024-1024-10, batch 64"] = (mlp, Sample(torch.randn(64, 784), torch.randint(0, 10, (64,))))
    found["ResNet-18-like 32×32, batch 16"] = (
        resnet18_like(), Sample(torch.randn(16, 3, 32, 32), torch.randint(0, 10, (16,))))  # fmt: skip
    found["transformer 4 layers, batch 8"] = (Encoder(), Sample(torch.randn(8, 32, 128), torch.randint(0, 10, (8,))))
    return found


def racers(module: nn.Module, sample: Sample) -> dict[str, Callable[[], Any]]:
    """HL, SGD, and forward and backward alone, each on its own copy."""
    ours, theirs, floor = (copy.deepcopy(module) for _ in range(3))
    learner = Learner.like_sgd(OutputNetwork(ours), cross_entropy, RATE, MOMENTUM, DAMPENING)
    optimiser = torch.optim.SGD(theirs.parameters(), RATE, MOMENTUM, DAMPENING)
    weights = list(floor.parameters())

    def sgd() -> None:
        optimiser.zero_grad()
        cross_entropy(theirs(sample.u), sample.target).backward()
        optimiser.step()

    def alone() -> None:
        torch.autograd.grad(cross_entropy(floor(sample.u), sample.target), weights)

    return {"hl": lambda: learner.step(sample), "sgd": sgd, "floor": alone}


def neighbours() -> dict[str, dict[str, Callable[[], Any]]]:
    """HL and another learner on copies of one network, each over its own stream."""
    pairs = {
        "sign flips, 5 neurons": ("local-tracking", {}),
        "sign flips by RK4": ("local-tracking", {"order": "rk4"}),
        "predictive coding, 8 moves, 64-32-32-32-10": ("predictive-digits", {}),
        "Z-IL, the same": ("predictive-digits", {"mode": "wave"}),
        "least control, 64-48-32-10, batch 20": ("least-control-digits", {}),
    }
    return {
        what: {"hl": walk(name, learner="hamiltonian"), "sgd": walk(name, **options)}
        for what, (name, options) in pairs.items()
    }


def walk(name: str, **options: Any) -> Callable[[], Any]:
    """One step after another of an experiment, its weights standing, so that none flies away."""
    learner, stream = experiments.get(name, beta=0.0, **options).learner()
    return lambda: learner.step(stream[learner.steps])


def race(module: nn.Module, sample: Sample, seconds: float) -> tuple[float, float, float]:
    """(median ms of SGD, median of HL/SGD, median of floor/SGD), measured in turns."""
    taken = timed(racers(module, sample), seconds)
    return statistics.median(taken["sgd"]) * 1e3, ratio(taken, "hl"), ratio(taken, "floor")


def ratio(taken: dict[str, list[float]], name: str) -> float:
    """The median of its time over that of "sgd", pair by pair."""
    return statistics.median(a / b for a, b in zip(taken[name], taken["sgd"], strict=True))


def timed(runs: dict[str, Callable[[], Any]], seconds: float) -> dict[str, list[float]]:
    """Seconds of a step, measured in turns."""
    for run in runs.values():
        for _ in range(5):
            run()
    start = time.perf_counter()
    runs["sgd"]()
    burst = max(1, int(0.01 / (time.perf_counter() - start)))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds
    order = list(runs)
    while time.perf_counter() < end:
        for name in order:
            start = time.perf_counter()
            for _ in range(burst):
                runs[name]()
            taken[name].append((time.perf_counter() - start) / burst)
        order.append(order.pop(0))  # nobody is always first
    return taken


def beside_a_tracker(name: str, seconds: float) -> tuple[float, float]:
    """(median ms of a step of an experiment, median of its ratio to tracker-water-flow's), measured in turns."""
    walks = []
    for each in (name, "tracker-water-flow"):
        learner, stream = experiments.get(each).learner()
        samples = [stream[k] for k in range(200)]
        walks.append((learner, samples))
    taken: list[list[float]] = [[], []]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for times, (learner, samples) in zip(taken, walks, strict=True):
            start = time.perf_counter()
            for sample in samples:
                learner.step(sample)
            times.append((time.perf_counter() - start) / len(samples))
    return statistics.median(taken[0]) * 1e3, statistics.median(a / b for a, b in zip(*taken, strict=True))


def main(seconds: float = 8.0) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("| neighbour | ms/step | × tracker-water-flow |\n|---|--:|--:|")
    for name in NEIGHBOURS:
        ms, times = beside_a_tracker(name, seconds)
        print(f"| {name} | {ms:.3f} | {times:.1f} |", flush=True)
    print("| model | SGD ms/step | HL / SGD | forward and backward alone / SGD |\n|---|--:|--:|--:|")
    for name, (module, sample) in models().items():
        ms, hl, floor = race(module, sample, seconds)
        print(f"| {name} | {ms:.3f} | {hl:.2f} | {floor:.2f} |", flush=True)
    print("\n| learner | ms/step | beside HL's step on the same network |\n|---|--:|--:|")
    for name, runs in neighbours().items():
        taken = timed(runs, seconds)
        print(f"| {name} | {statistics.median(taken['sgd']) * 1e3:.3f} | {1 / ratio(taken, 'hl'):.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
