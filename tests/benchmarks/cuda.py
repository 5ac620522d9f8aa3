"""One step on a GPU: HL eager, torch.optim.SGD, HL captured as a CUDA graph: python -m tests.benchmarks.cuda."""

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
from hlcore.law.step import ORDERS
from hlcore.law.weights import received
from tests import chains
from tests.benchmarks.step import DAMPENING, MOMENTUM, RATE, models

assert chains


class Still:
    """The step of a learner as a function of tensors that stay in place, without a look at any number.

    What a CUDA graph can capture: the law's own order, from the learner's own point, without its refusal of what is not
    finite.

    u, target  where each step reads its sample: fill them with copy_
    """

    def __init__(self, learner: Learner, sample: Sample) -> None:
        assert learner.steps > 0 and sample.dt is None, "after a first step, which tells shapes and starts ω"
        self.u, self.target, self.output = sample.u.clone(), sample.target.clone(), torch.empty(0)
        self.law, self.order, self.fresh = learner.law, ORDERS[learner.order], learner.fresh
        point = learner.point
        self.h, self.z = dict(point.h), {name: x.clone() for name, x in point.z.items()}
        self.omega, self.theta = list(point.omega.values()), list(learner.law.theta)
        self.numbers = learner.settings.at(0.0)
        self.keep = learner.propose(sample).keep  # of `like_sgd`, the momentum itself

    def __call__(self) -> None:
        """One step."""
        c, sample = self.numbers, Sample(self.u, self.target, end=False)
        move = self.order(self.law, sample, self.h, self.z or None, c)
        self.output = move.output
        slopes, gain, _ = received(self.theta, move.dtheta, move.scale, c)
        moving = [i for i, g in enumerate(slopes) if g is not None]
        with torch.no_grad():
            for part, after in ((self.h, move.h), (self.z, move.z or {})):
                for name, x in part.items():
                    x.copy_(after[name])
            if not self.fresh:
                torch._foreach_add_(self.theta, self.omega, alpha=-c.tau * c.beta)
            torch._foreach_mul_(self.omega, self.keep)
            torch._foreach_add_([self.omega[i] for i in moving], [slopes[i] for i in moving], alpha=gain)
            if self.fresh:
                torch._foreach_add_(self.theta, self.omega, alpha=-c.tau * c.beta)


def captured(step: Still) -> Callable[[], None]:
    """`step` as a CUDA graph: each replay is one step. Warm-up steps on a side stream come first, as torch asks."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(step: Still = step) -> None:  # it holds the step, whose tensors the graph reads
        graph.replay()

    return replay


def racers(module: torch.nn.Module, sample: Sample) -> dict[str, Callable[[], Any]]:
    """A network without state: each way on its own copy."""
    ours, theirs, frozen = (copy.deepcopy(module) for _ in range(3))
    eager, still = (
        Learner.like_sgd(OutputNetwork(m), cross_entropy, RATE, MOMENTUM, DAMPENING) for m in (ours, frozen)
    )
    still.step(sample)
    optimiser = torch.optim.SGD(theirs.parameters(), RATE, MOMENTUM, DAMPENING)

    def sgd() -> None:
        optimiser.zero_grad()
        cross_entropy(theirs(sample.u), sample.target).backward()
        optimiser.step()

    return {"SGD": sgd, "HL": lambda: eager.step(sample), "HL, graph": captured(Still(still, sample))}


def fully_local(device: str) -> dict[str, Callable[[], Any]]:
    """The chain of the device races, all groups at once."""
    experiment = experiments.get("race-chain", batch=128)
    sample = experiment.stream[0].to(device)
    eager, still = (
        Learner(experiment.setup(0).network.to(device), experiment.loss, experiment.settings, "euler") for _ in range(2)
    )
    still.step(sample)
    return {"HL": lambda: eager.step(sample), "HL, graph": captured(Still(still, sample))}


def microseconds(run: Callable[[], Any], repeats: int = 30, burst: int = 20) -> float:
    """Median per call, the GPU's work included."""
    taken = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(burst):
            run()
        torch.cuda.synchronize()
        taken.append((time.perf_counter() - began) / burst)
    return 1e6 * statistics.median(taken[1:])


def main() -> int:
    """Print the table, or in one line why there is none."""
    if not torch.cuda.is_available():
        print(f"no GPU that torch {torch.__version__} can use: nothing measured")
        return 0
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {datetime.date.today()}; µs per step\n")
    print("| model | SGD | HL | HL, graph |\n|---|--:|--:|--:|")
    for name, (module, sample) in models().items():
        there = sample.to("cuda")
        found = {way: microseconds(run) for way, run in racers(module.to("cuda"), there).items()}
        print(f"| {name} | {found['SGD']:.0f} | {found['HL']:.0f} | {found['HL, graph']:.0f} |", flush=True)
    found = {way: microseconds(run) for way, run in fully_local("cuda").items()}
    print(f"| chain, 6 × 640, batch 128 | - | {found['HL']:.0f} | {found['HL, graph']:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
