"""A chain over 1, 2, 4 processes beside GPipe: python -m tests.benchmarks.devices [WIDTH] [TICKS] [ROUNDS]."""

import json
import os
import re
import subprocess
import sys
from statistics import median

import numpy as np

from hlcore import experiments
from hlcore.devices import Workers
from hlcore.devices.simulate import Costs, scaling, ticks_per_second
from tests import chains

assert chains
BATCH, SKIP = 512, 5


def pace(lanes) -> float:
    """Ticks per second of the last rank, without the first few."""
    done = lanes.moment.values[-1, SKIP:, -1]
    return (len(done) - 1) / (done[-1] - done[0])


def gpipe(ranks: int, steps: int, microbatches: int, width: int, beta: float = 0.06) -> tuple[float, list[float]]:
    """Steps per second, and the losses."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command += ["--local-addr", "127.0.0.1", "-m", "tests.benchmarks.gpipe"]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command += [str(x) for x in (steps, microbatches, beta, width, BATCH)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"GPIPE (.*)", result.stdout)
    assert found, result.stderr
    return tuple(json.loads(found[1]))


def race(width: int, ticks: int, rounds: int) -> None:
    """Side by side, round after round; medians and their ratios."""
    chain = experiments.get("race-chain", width=width, batch=BATCH)
    seen: dict[str, list[float]] = {}
    with Workers(4) as workers:
        single = None
        for _ in range(rounds):
            for ranks in (1, 2, 4):
                run = workers.run(chain, ticks, ranks, capacity=ticks, every=ticks)
                seen.setdefault(f"chain, {ranks}", []).append(pace(run.lanes))
                single = run if ranks == 1 else single
                print(run.table, flush=True) if _ == 0 else None
            for ranks in (1, 2):
                seen.setdefault(f"GPipe, {ranks}", []).append(gpipe(ranks, ticks, 4, width)[0])
        link_run = workers.run(experiments.get("digits-chain"), 300, 2, capacity=300, every=300)
    moment = link_run.lanes.moment.values
    link = float(np.median(moment[:, SKIP:, 4] - moment[:, SKIP:, 3]))
    print(f"\nwidth {width}, batch {BATCH}, {ticks} ticks, {rounds} rounds, one torch thread per rank\n")
    print("| what, ranks | ticks/s | samples/s | × one rank |\n|:--|--:|--:|--:|")
    for name, found in seen.items():
        first = seen[f"{name.split(',')[0]}, 1"]
        ratio = median(a / b for a, b in zip(found, first, strict=True))
        print(f"| {name} | {median(found):.1f} | {median(found) * BATCH:,.0f} | {ratio:.2f} |")
    whole = Costs.of(single.lanes)
    predict(chain, whole, link, {n: median(seen[f"chain, {n}"]) for n in (1, 2, 4)})


def predict(chain, whole: Costs, link: float, measured: dict[int, float]) -> None:
    """The simulator, fed with the costs of one rank and one link, beside what was measured."""
    from hlcore.devices.balance import measured as group_costs

    shares = np.array(group_costs(chain.network, chain.stream[0].u, 10))
    shares = shares / shares.sum()
    parts = (tuple(float(x) * shares) for x in (whole.forward[0], whole.backward[0], whole.update[0]))
    groups = Costs(*parts)
    cores = len(os.sched_getaffinity(0))
    print(f"\nlink {1e6 * link:.0f} µs, {cores} cores\n")
    print("| ranks | measured ticks/s | predicted | ratio |\n|--:|--:|--:|--:|")
    for ranks, found in measured.items():
        told = ticks_per_second(groups.spread(ranks), link if ranks > 1 else 0.0, cores)
        print(f"| {ranks} | {found:.1f} | {told:.1f} | {told / found:.2f} |")
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
