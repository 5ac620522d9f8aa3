"""What each law learns of a far past beside RTRL: python -m hlcore.studies.credit_table [SEEDS [TASK …]]."""

import math
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch

from .. import experiments
from ..runs.side_by_side import SideBySide
from .credit_arena import BATCH, Learned, last_fifth, learned

ALL = ("RTRL", "HL", "HL, η_z = .9", "HL, one β", "one-step", "one-step, one β", "readout alone")


class Task(NamedTuple):
    """An experiment of the far past, its options, how many tokens are shown, and the loss of one who guesses.

    laws  who takes part, the exact one first: its recovery is 100 %
    alone  True: run after run; a batched step would need a target of the same kind at every token
    """

    experiment: str
    options: dict[str, Any]
    tokens: int
    guess: float = 1.0
    laws: tuple[str, ...] = ALL
    alone: bool = False


class Law(NamedTuple):
    """A learner, its options, the rates that are tried, and whether the readout alone learns."""

    learner: str
    options: dict[str, Any]
    rates: tuple[float, ...] = (0.0001, 0.0004, 0.0015)
    readout: bool = False


TRIED = (100, 101)  # seeds on which a law's rate is chosen; they are not in the table
PLAIN, SLOW = {"metric": "none"}, (0.001, 0.01, 0.1)
LAWS = {
    "RTRL": Law("rtrl", {}),
    "BPTT": Law("bptt", {"window": None, "every": None}),
    "HL": Law("hamiltonian", {}),
    "HL, η_z = .9": Law("hamiltonian", {"eta_z": 0.9}),
    "HL, one β": Law("hamiltonian", PLAIN, SLOW),
    "one-step": Law("one-step", {}),
    "one-step, one β": Law("one-step", PLAIN, SLOW),
    "readout alone": Law("one-step", {}, readout=True),
}
# RTRL is dear for a GRU, whose units feel all weights
GRU = ("BPTT", "HL", "HL, one β", "one-step", "readout alone")
TASKS = {
    "fifty back": Task("delay-50", {}, 6000),
    "sine of 1,024": Task("sine-1024", {}, 10 * 1024, 0.5),
    "Lorenz": Task("lorenz", {"keep": 0.98}, 4000, 0.62),
    "chain of 64": Task("memory-chain", {"length": 64}, 100 * 65),
    "chain of 256": Task("memory-chain", {"length": 256}, 60 * 257),
    "echo, delay ≤ 8": Task("echo-recall", {"delay": 8}, 600 * 9),
    "echo, delay ≤ 32": Task("echo-recall", {"delay": 32, "top": 0.3}, 300 * 33),
    "echo, delay ≤ 128": Task("echo-recall", {"delay": 128, "top": 0.075}, 200 * 129),
    "echo, delay ≤ 8, GRU": Task("echo-recall", {"delay": 8, "network": "gru"}, 600 * 9, laws=GRU),
    "echo, delay ≤ 32, GRU": Task("echo-recall", {"delay": 32, "network": "gru"}, 300 * 33, laws=GRU),
    "digits by pixels": Task(
        "pixels-98", {}, 100 * 98, math.log(10), ("RTRL", "HL", "one-step", "readout alone"), alone=True
    ),
}


def runs(task: Task, law: Law, lanes: Sequence[tuple[float, int]]) -> list[Learned]:
    """What became of each (β, seed); pure steps go side by side."""
    made = [(_experiment(task, law, beta), seed) for beta, seed in lanes]
    if law.learner == "hamiltonian" and not task.alone:
        return _side_by_side(made, task.tokens)
    return [_alone(experiment, seed, task.tokens, law.readout) for experiment, seed in made]


def _experiment(task: Task, law: Law, beta: float) -> Any:
    return experiments.get(task.experiment, learner=law.learner, batch=BATCH, beta=beta, **task.options | law.options)


def _side_by_side(made: Sequence[tuple[Any, int]], tokens: int) -> list[Learned]:
    lanes = SideBySide(made)
    told: list[list[Learned]] = [[] for _ in made]
    for _ in range(tokens):
        found = lanes.step()
        if found.asked.any():  # each run at times of its own
            right = (found.y * found.target > 0).flatten(1).float().mean(1).tolist()
            for one, asked, *answer in zip(told, found.asked.tolist(), found.loss.tolist(), right, strict=True):
                one.extend([Learned(*answer)] if asked else [])
    return [last_fifth(one) for one in told]


def _alone(experiment: Any, seed: int, tokens: int, readout: bool) -> Learned:
    learner, stream = experiment.learner(seed)
    if readout:
        for name, p in learner.network.named_parameters():
            p.requires_grad_(name.startswith(("C.", "readout.")))
        learner = type(learner)(learner.network, learner.loss, learner.settings)
    return learned(learner, stream, tokens)


def best_rate(task: Task, law: Law) -> float:
    """The β with the least median loss on the seeds that are not in the table."""
    lanes = [(beta, seed) for beta in law.rates for seed in TRIED]
    found = [x.loss for x in runs(task, law, lanes)]
    each = [median(found[i : i + len(TRIED)]) for i in range(0, len(found), len(TRIED))]
    return law.rates[each.index(min(each))]


def rows(task: Task, seeds: int) -> Iterator[str]:
    """A row a law: β, loss, share of right answers, and recovery: its part of the exact law's way down from a guess."""
    exact = math.nan
    for name in task.laws:
        law = LAWS[name]
        beta = best_rate(task, law)
        found = runs(task, law, [(beta, seed) for seed in range(seeds)])
        loss, right = (median(x) for x in zip(*found, strict=True))
        exact = loss if name == task.laws[0] else exact
        if math.isinf(loss):
            yield f"| {name} | {beta:g} | diverges | – | – |"
            continue
        least, most = min(x.loss for x in found), max(x.loss for x in found)
        share = 100 * (task.guess - loss) / (task.guess - exact)
        yield f"| {name} | {beta:g} | {loss:.3g} ({least:.3g} … {most:.3g}) | {right:.3f} | {share:.0f} % |"


def main(seeds: str = "10", *tasks: str) -> None:
    """Print the tables, a task after the other."""
    torch.set_num_threads(1)
    for name in tasks or TASKS:
        task = TASKS[name]
        print(f"\n**{name}** (`{task.experiment}`, {task.tokens:,} tokens × {BATCH}, guess {task.guess:g})\n")
        print("| law | β | loss, median (least … largest) | right | recovery |\n|---|--:|---|--:|--:|", flush=True)
        for row in rows(task, int(seeds)):
            print(row, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
