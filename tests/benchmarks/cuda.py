"""One step on a GPU by HL and by torch.optim.SGD, eager and as a CUDA graph each: python -m tests.benchmarks.cuda."""

import copy
import datetime
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from hlcore import Learner, OutputNetwork, Sample, experiments
from tests import chains
from tests.benchmarks.step import DAMPENING, MOMENTUM, RATE, models

assert chains

WAYS = ("SGD", "HL", "SGD, graph", "HL, graph", "HL, graph, live")


def sgd_captured(module: torch.nn.Module, sample: Sample) -> Callable[[], None]:
    """torch.optim.SGD's step as a CUDA graph, by torch's own recipe."""
    optimiser = torch.optim.SGD(module.parameters(), RATE, MOMENTUM, DAMPENING)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(module(sample.u), sample.target).backward()
        optimiser.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimiser.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        step()

    def replay(held: Any = (optimiser, sample, module)) -> None:  # what the graph reads lives as long as this
        graph.replay()

    return replay


def captured(learner: Learner, sample: Sample, live: bool = False) -> Callable[[], None]:
    """The learner's own graph."""
    learner.step(sample)
    graph = learner.captured(sample, every=1 << 62, live=live)

    return graph.step  # on the sample that lies there, as SGD's graph does


def racers(module: torch.nn.Module, sample: Sample) -> dict[str, Callable[[], Any]]:
    """A network without state: each way on its own copy."""
    ours, theirs, first, second, third = (copy.deepcopy(module) for _ in range(5))
    eager, still, moved = (
        Learner.like_sgd(OutputNetwork(m), cross_entropy, RATE, MOMENTUM, DAMPENING) for m in (ours, first, second)
    )
    optimiser = torch.optim.SGD(theirs.parameters(), RATE, MOMENTUM, DAMPENING)

    def sgd() -> None:
        optimiser.zero_grad()
        cross_entropy(theirs(sample.u), sample.target).backward()
        optimiser.step()

    return {
        "SGD": sgd,
        "HL": lambda: eager.step(sample),
        "SGD, graph": sgd_captured(third, sample),
        "HL, graph": captured(still, sample),
        "HL, graph, live": captured(moved, sample, live=True),
    }


def fully_local(device: str) -> dict[str, Callable[[], Any]]:
    """The chain of the device races, all groups at once."""
    experiment = experiments.get("race-chain", batch=128)
    sample = experiment.stream[0].to(device)
    eager, still, moved = (
        Learner(experiment.setup(0).network.to(device), experiment.loss, experiment.settings, "euler") for _ in range(3)
    )
    return {
        "HL": lambda: eager.step(sample),
        "HL, graph": captured(still, sample),
        "HL, graph, live": captured(moved, sample, live=True),
    }


def microseconds(runs: dict[str, Callable[[], Any]], repeats: int = 30, burst: int = 20) -> dict[str, list[float]]:
    """Per call, measured in turns, the GPU's work included."""
    taken: dict[str, list[float]] = {way: [] for way in runs}
    for turn in range(repeats + 1):
        for way, run in runs.items():
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(burst):
                run()
            torch.cuda.synchronize()
            if turn:
                taken[way].append(1e6 * (time.perf_counter() - began) / burst)
    return taken


def ratio(taken: dict[str, list[float]], one: str, other: str) -> str:
    """The median of one way's time over another's, turn by turn."""
    if other not in taken:
        return "-"
    return f"{statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True)):.3f}"


def main() -> int:
    """Print the table, or in one line why there is none."""
    if not torch.cuda.is_available():
        print(f"no GPU that torch {torch.__version__} can use: nothing measured")
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {datetime.date.today()}; µs per step\n")
    print(f"| model | {' | '.join(WAYS)} | HL / SGD | HL / SGD, graphs |\n|---{'|--:' * (len(WAYS) + 2)}|")
    rows = {
        name: lambda m=module, x=sample: racers(m.to("cuda"), x.to("cuda"))
        for name, (module, sample) in models().items()
    }
    for name, made in (rows | {"chain, 6 × 640, batch 128": lambda: fully_local("cuda")}).items():
        taken = microseconds(made())
        cells = [f"{statistics.median(taken[way]):.0f}" if way in taken else "-" for way in WAYS]
        cells += [ratio(taken, "HL", "SGD"), ratio(taken, "HL, graph", "SGD, graph")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
