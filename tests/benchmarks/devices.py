"""A chain over 1, 2, 4 processes beside GPipe: python -m tests.benchmarks.devices [WIDTH] [TICKS] [ROUNDS]."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from statistics import mean, median

import numpy as np
import torch

from hlcore import experiments
from hlcore.devices import Workers
from hlcore.devices.balance import measured as group_costs
from hlcore.devices.simulate import Costs, scaling, ticks_per_second
from tests import chains

assert chains
BATCH, SKIP = 512, 5


def pace(lanes) -> float:
    """Ticks per second of the last rank, without the first few."""
    done = lanes.moment.values[-1, SKIP:, -1]
    return (len(done) - 1) / (done[-1] - done[0])


def torchrun(ranks: int, module: str, *given: object) -> list:
    """What a module prints in capitals after its own name."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command += ["--local-addr", "127.0.0.1", "-m", f"tests.benchmarks.{module}", *map(str, given)]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.search(rf"{module.upper()} (.*)", result.stdout)
    assert found, result.stderr
    return json.loads(found[1])


def gpipe(ranks: int, steps: int, microbatches: int, width: int, beta: float = 0.06) -> tuple[float, list[float]]:
    """Steps per second, and the losses."""
    return tuple(torchrun(ranks, "gpipe", steps, microbatches, beta, width, BATCH))


def slowdown(pools: list[Workers], chain, ticks: int, alone: float) -> float:
    """How much slower whole chains are, one in each of some processes at once and without messages, than one alone."""
    for pool in pools:
        pool.start(chain, ticks, capacity=ticks, every=ticks)
    return alone / mean(pace(pool.wait().lanes) for pool in pools)


def race(width: int, ticks: int, rounds: int) -> None:
    """Side by side, round after round; medians and their ratios."""
    torch.set_num_threads(1)
    chain = experiments.get("race-chain", width=width, batch=BATCH)
    seen: dict[str, list[float]] = {}
    terms: dict[str, list[float]] = {}
    shares = np.array(group_costs(chain.network, chain.stream[0].u, repeats=10))
    with ExitStack() as stack:
        workers, *pools = (stack.enter_context(Workers(n)) for n in (4, 1, 1, 1, 1))
        for pool in (workers, *pools):
            pool.run(chain, 2)  # they import torch first
        for _ in range(rounds):
            run = workers.run(chain, ticks, 1, capacity=ticks, every=ticks)
            alone = pace(run.lanes)
            link, handling = torchrun(2, "ping", width * BATCH)
            found = {"walk": walk(chain), "link": link, "handling": handling}
            groups = split(Costs.of(run.lanes.isel(tick=slice(SKIP, None))), found["walk"], shares)
            for ranks in (1, 2, 4):
                if ranks > 1:
                    balance = groups.balance(ranks)
                    run = workers.run(chain, ticks, ranks, capacity=ticks, every=ticks, balance=balance)
                    found[f"slowdown {ranks}"] = slowdown(pools[:ranks], chain, ticks, alone)
                seen.setdefault(f"chain, {ranks}", []).append(pace(run.lanes))
                for how, told in predicted(groups, ranks, found).items():
                    terms.setdefault(f"{how}, {ranks}", []).append(told / pace(run.lanes))
                print(run.table, flush=True) if _ == 0 else None
            for ranks in (1, 2):
                seen.setdefault(f"GPipe, {ranks}", []).append(gpipe(ranks, ticks, 4, width)[0])
            for name, value in found.items():
                terms.setdefault(name, []).append(value)
    print(f"\nwidth {width}, batch {BATCH}, {ticks} ticks, {rounds} rounds, one torch thread per rank\n")
    print("| what, ranks | ticks/s | samples/s | × one rank |\n|:--|--:|--:|--:|")
    for name, paces in seen.items():
        first = seen[f"{name.split(',')[0]}, 1"]
        ratio = median(a / b for a, b in zip(paces, first, strict=True))
        print(f"| {name} | {median(paces):.1f} | {median(paces) * BATCH:,.0f} | {ratio:.2f} |")
    compare(terms, {ranks: median(seen[f"chain, {ranks}"]) for ranks in (1, 2, 4)})
    extrapolate(groups, median(terms["link"]))


def walk(chain, ticks: int = 20) -> float:
    """Seconds that every rank spends on the next sample, which it makes by itself."""
    began = time.perf_counter()
    for k in range(ticks):
        chain.stream[k]
    return (time.perf_counter() - began) / ticks


def split(whole: Costs, each: float, shares: np.ndarray) -> Costs:
    """The costs of one rank with all groups, less its walk, as those of each group."""
    parts = (whole.forward[0] - each, whole.backward[0], whole.update[0])
    return Costs(*(tuple(max(part, 0.0) * shares / shares.sum()) for part in parts))


def predicted(groups: Costs, ranks: int, found: dict[str, float]) -> dict[str, float]:
    """Ticks per second by the simulator: as if alone on ideal cores, then with what was measured beside the run."""
    link, walk, cores = found["link"] if ranks > 1 else 0.0, found["walk"], len(os.sched_getaffinity(0))
    busy = (
        2 * found["handling"] * (ranks - 1) / ranks if ranks >= cores and ranks > 1 else 0.0
    )  # no core is free for it
    slow = found.get(f"slowdown {ranks}", 1.0)
    return {
        "cores": ticks_per_second(groups.spread(ranks, walk / ranks), link, cores),
        "walk": ticks_per_second(groups.spread(ranks, walk), link, cores),
        "slowdown": ticks_per_second(groups.spread(ranks, walk), link, slowdown=slow),
        "messages": ticks_per_second(groups.spread(ranks, walk + busy), link, slowdown=slow),
    }


def compare(terms: dict[str, list[float]], measured: dict[int, float]) -> None:
    """Predicted / measured, round by round, one term after the other."""
    cores = len(os.sched_getaffinity(0))
    at = {name: median(values) for name, values in terms.items()}
    ms = {name: f"{1e3 * at[name]:.2f} ms" for name in ("link", "handling", "walk")}
    print(f"\n{cores} cores. A message takes {ms['link']}; one sent and one received, {ms['handling']} of processor.")
    print(f"The walk along the stream takes every rank {ms['walk']}.")
    print(
        f"Independent processes at once are slower than one: two {at['slowdown 2']:.2f}, four {at['slowdown 4']:.2f}.\n"
    )
    print("| ranks | measured ticks/s | predicted / measured: cores alone | and the walk on each rank | "
          "the slowdown measured | and the messages' processor time |\n|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    for ranks, pace in measured.items():
        cells = " | ".join(f"{at[f'{how}, {ranks}']:.2f}" for how in ("cores", "walk", "slowdown", "messages"))
        print(f"| {ranks} | {pace:.1f} | {cells} |")


def extrapolate(groups: Costs, link: float) -> None:
    """More devices than are here, a group on each."""
    one = [float(np.median(x)) for x in (groups.forward, groups.backward, groups.update)]
    devices = [2, 16, 128, 1024]
    print("\n| devices, a group of this cost on each | predicted ticks/s, this link | a link of 1 ms |\n|--:|--:|--:|")
    for n, near, far in zip(devices, scaling(one, devices, link), scaling(one, devices, 1e-3), strict=True):
        print(f"| {n} | {near:.1f} | {far:.1f} |")


def losses(width: int, samples: int) -> None:
    """Loss against samples seen: what the delay costs; each at the best of beta = .03, .06, .1, .3 for it.

    A held sample counts when it has just reached the output, after six ticks: before the weights have seen its loss.
    Not held, an output meets the target of a sample six ticks younger, so nothing can be learned.
    """
    marks = [samples // 4, samples // 2, samples]
    print("\n| learner | " + " | ".join(f"loss after {m:,} samples" for m in marks) + " |\n|:--|" + "--:|" * len(marks))
    with Workers(2) as workers:
        for hold in (1, 7, 12):
            chain, steps = experiments.get("race-chain", width=width, batch=BATCH, hold=hold), samples * hold // BATCH
            loss = workers.run(chain, steps, 2, capacity=steps).trajectory.loss.values
            at = [loss[(m // BATCH - 1) * hold + min(6, hold - 1)] for m in marks]
            print(
                f"| chain, a sample held {hold} ticks, beta = 0.06 | " + " | ".join(f"{x:.3f}" for x in at) + " |",
                flush=True,
            )
    _, loss = gpipe(2, samples // BATCH, 4, width, beta=0.3)
    print("| GPipe, beta = 0.3 | " + " | ".join(f"{loss[m // BATCH - 1]:.3f}" for m in marks) + " |")


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    width, ticks, rounds = (*given, *(640, 60, 3)[len(given) :])
    race(width, ticks, rounds)
    losses(96, BATCH * 60)
