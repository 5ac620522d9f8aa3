"""One step on a GPU: HL eager, torch.optim.SGD, HL captured as a CUDA graph: python -m tests.benchmarks.cuda."""

from __future__ import annotations

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
from hlcore.law.hamiltonian import Hamiltonian
from tests import chains
from tests.benchmarks.step import DAMPENING, MOMENTUM, RATE, models

assert chains


class Still:
    """The step of a learner as a function of tensors that stay in place, without a look at any number.

    What a CUDA graph can capture: the equations of `Learner.step`, from the learner's own point, without its refusal
    of what is not finite. Without state (sequential order) ω⁺ = (1-τη) ω - τsφ ∂L/∂θ, θ⁺ = θ - τβω⁺; with one, Euler's:

    h⁺ = h + τ f^h    z⁺ = z - τ (s ∂H'/∂h + η_z z)    θ⁺ = θ - τβω    ω⁺ = (1-τη) ω - τs ∂H'/∂θ

    u, target  where each step reads its sample: fill them with copy_
    """

    def __init__(self, learner: Learner, sample: Sample) -> None:
        assert learner.steps > 0 and sample.dt is None, "after a first step, which tells shapes and starts ω"
        self.u, self.target, self.output = sample.u.clone(), sample.target.clone(), torch.empty(0)
        self.law, self.settings = Hamiltonian(learner.network, learner.loss), learner.settings
        point = learner.point
        self.h, self.z = dict(point.h), {name: x.clone() for name, x in point.z.items()}
        assert learner.order == ("euler" if self.h else "sequential")
        self.omega, self.theta = list(point.omega.values()), list(learner._theta)
        self.keep = learner._kept(self.settings, sample, self.settings.tau)

    def __call__(self) -> None:
        """One step."""
        law, settings = self.law, self.settings
        tau, phi = settings.tau, settings.phi_at(0.0)
        known = {name: x.detach().requires_grad_() for name, x in self.h.items()}
        v = law.velocity(self.u, known, tau)
        self.output = law.output(self.u, known)
        L = law.instantaneous_loss(self.output, self.target)
        d, scale = law.derivative(L, phi, self.z if known else None, v, [*known.values(), *self.theta])
        dh, dtheta, gain = d[: len(known)], d[len(known) :], -tau * settings.s
        with torch.no_grad():
            for (name, x), g in zip(self.h.items(), dh, strict=True):
                x.copy_(x + tau * v[name])
                self.z[name].mul_(1 - tau * settings.dissipation_z)
                if g is not None:
                    self.z[name].add_(g, alpha=gain)
            if known:
                torch._foreach_add_(self.theta, self.omega, alpha=-tau * settings.beta)
            torch._foreach_mul_(self.omega, self.keep)
            moving = [i for i, g in enumerate(dtheta) if g is not None]
            torch._foreach_add_([self.omega[i] for i in moving], [dtheta[i] for i in moving], alpha=gain * scale)
            if not known:
                torch._foreach_add_(self.theta, self.omega, alpha=-tau * settings.beta)


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
    return graph.replay


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
