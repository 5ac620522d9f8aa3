"""Which groups of a chain live on which rank."""

import copy
import math
import time
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from ..devices import device
from ..errors import bad
from ..law.sample import moved
from ..networks.chain import Chain
from .device import CPU


def measured(chain: Chain, u: Any, here: torch.device = CPU, repeats: int = 5) -> list[float]:
    """Seconds for forward and backward of each group on a device, the least of `repeats` (noise only adds)."""
    twin, costs = copy.deepcopy(chain), []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        x = moved(u, here)
        for i in range(len(twin.groups)):
            for k in twin._cuts[i]:
                twin.layers[k].to(here)
            seconds = []
            for _ in range(repeats + 1):
                device.settle(here)
                began = time.perf_counter()
                y = both_passes(twin, i, x)
                device.settle(here)
                seconds.append(time.perf_counter() - began)
            costs.append(min(seconds[1:]))
            x = y
            for k in twin._cuts[i]:
                twin.layers[k].to(CPU)  # one group at a time: the chain may be larger than the device
    return costs


def both_passes(chain: Chain, i: int, x: Any) -> Tensor:
    """Forward and backward of group i + 1 on x; its output."""
    theta = [p for k in chain._cuts[i] for p in chain.layers[k].parameters() if p.requires_grad]
    leaf = x.detach().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x
    y = chain._through(i, leaf)
    if y.requires_grad:
        torch.autograd.grad(y, [*theta, *([leaf] if leaf is not x else [])], torch.ones_like(y), allow_unused=True)
    return y.detach()


def balanced(costs: Sequence[float], ranks: int) -> tuple[int, ...]:
    """Groups per rank, contiguous and none empty, such that the slowest rank is as fast as can be."""
    groups = len(costs)
    if not 1 <= ranks <= groups:
        got, mend = f"{ranks} ranks for a chain of {groups} groups", "cut the chain into more groups, or use replicas"
        raise bad("devices", got, f"1 to {groups} ranks", mend)
    sums = list(accumulate(costs, initial=0.0))
    best: list[tuple[float, tuple[int, ...]]] = [(sums[n], (n,)) for n in range(groups + 1)]  # the first n on one rank
    for stages in range(2, ranks + 1):
        best = [(math.inf, ())] * stages + [
            min((max(best[m][0], sums[n] - sums[m]), (*best[m][1], n - m)) for m in range(stages - 1, n))
            for n in range(stages, groups + 1)
        ]
    return best[groups][1]


def checked(balance: Sequence[int], costs: Sequence[float], ranks: int) -> tuple[int, ...]:
    """`balance` if it gives each rank at least one group and each group one rank; HLError with a better one if not."""
    advised = balanced(costs, ranks)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in balance)
    if not whole or len(balance) != ranks or sum(balance) != len(costs):
        expected = f"{ranks} whole numbers >= 1 that add up to {len(costs)} groups"
        mend = f"by measured cost {advised} is best:\n{table(costs, advised)}\n"
        raise bad("balance", tuple(balance), expected, mend)
    return tuple(balance)


def owned(balance: Sequence[int]) -> list[range]:
    """The groups of each rank, counted from 0."""
    return [range(a, b) for a, b in pairwise(accumulate(balance, initial=0))]


def table(costs: Sequence[float], balance: Sequence[int]) -> str:
    """Ranks, their groups and what these cost, as text."""
    shares = [sum(costs[i] for i in own) for own in owned(balance)]
    lines = ["rank  groups   ms per tick  of the slowest"]
    for rank, (own, share) in enumerate(zip(owned(balance), shares, strict=True)):
        span = f"{own.start + 1}" if len(own) == 1 else f"{own.start + 1}-{own.stop}"
        lines.append(f"{rank:>4}  {span:<7} {1e3 * share:>12.3f}  {share / max(*shares, 1e-12):>13.0%}")
    return "\n".join(lines)
