"""The part of a graph of clients that lives on one rank, and what it tells its neighbours."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import bad
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from ..networks import TotalVariation


class GraphPart(TotalVariation):
    """Own nodes, every edge that touches them, and what was heard of the rest.

    The dual of an edge between two ranks has one owner, the rank of the lower nodes: θ goes there, u comes back. Then
    late and lost letters change the way, not the goal, as long as it settles (ours): a delay feeds the wave between
    nodes that nothing curves, and the later the letters, the smaller the steps must be. With owners=2 both ranks reckon
    u from the letters: the bits of one process while every letter comes in its tick, a wrong answer for ever if not.

    sizes  nodes of each rank      halo  θ of foreign nodes, as last heard      heard  u of edges owned elsewhere, too
    """

    halo: Tensor
    heard: Tensor
    mine: Tensor

    def __init__(self, whole: TotalVariation, sizes: Sequence[int], rank: int, owners: int = 1) -> None:
        n, ends = whole.theta.shape[1], list(accumulate(sizes))
        super().__init__(sizes[rank], n, whole.i.new_empty(0, 2), None, whole.lam, whole.sigma, whole.norm)
        self.both = owners == 2
        self.own, self.rank = slice(ends[rank] - sizes[rank], ends[rank]), rank
        home = torch.tensor([bisect_right(ends, k) for k in range(len(whole.theta))])
        a, b = home[whole.i], home[whole.j]
        self.edges = ((a == rank) | (b == rank)).nonzero()[:, 0]
        i, j, a, b = (x[self.edges] for x in (whole.i, whole.j, a, b))
        ends_here = torch.cat([i, j])
        self._foreign = ends_here[home[ends_here] != rank].unique()
        place = torch.full_like(home, -1)
        place[torch.cat([torch.arange(self.own.start, self.own.stop), self._foreign])] = torch.arange(
            sizes[rank] + len(self._foreign)
        )
        self.i, self.j, self.A = place[i], place[j], whole.A[self.edges]
        owner = torch.minimum(a, b)
        self.register_buffer("mine", torch.full_like(owner, True, dtype=torch.bool) if owners == 2 else owner == rank)
        self.register_buffer("halo", whole.theta.detach()[self._foreign].clone())
        self.register_buffer("heard", whole.theta.new_zeros(1, len(i), n).detach())
        self.theta.data = whole.theta.detach()[self.own].clone()
        self._home, other = home[self._foreign], torch.where(a == rank, b, a)
        self.neighbours: list[int] = sorted(set(other.tolist()) - {rank})
        self._edges_with = {r: (other == r).nonzero()[:, 0] for r in self.neighbours}
        self._told = {
            r: torch.cat([i[e], j[e]])[home[torch.cat([i[e], j[e]])] == rank].unique() - self.own.start
            for r, e in self._edges_with.items()
        }

    @property
    def everywhere(self) -> Tensor:
        """θ of own nodes, then of foreign ones."""
        return torch.cat([self.theta, self.halo])

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """Own duals move; the others are what was heard."""
        v, dual = super().velocity(u, h, tau), h["u"]
        assert dual is not None
        return v | {"u": torch.where(self.mine[:, None], v["u"], (self.heard - dual) / tau)}

    def share(self, sample: Sample) -> Sample:
        """The tokens of the own nodes."""
        x, mask = sample.u
        target = sample.target.reshape(*x.shape[:3])[:, self.own].reshape(1, -1)
        return Sample((x[:, self.own], mask[:, self.own]), target, sample.end, sample.dt)

    def letter(self, to: int, u: Tensor) -> Tensor:
        """θ of the nodes that `to` has edges with, and the duals that are kept here for it."""
        shared = self._edges_with[to]
        kept = shared[:0] if self.both else shared[self.mine[shared]]
        return torch.cat([self.theta.detach()[self._told[to]], u[0, kept]])

    def space(self, source: int) -> Tensor:
        """Room for a letter of `source`."""
        elsewhere = ~self.mine[self._edges_with[source]]
        rows = int((self._home == source).sum()) + int(elsewhere.sum())
        return self.theta.new_empty(rows, self.theta.shape[1]).detach()

    def hear(self, source: int, letter: Tensor) -> None:
        """Take over what a letter says."""
        there = (self._home == source).nonzero()[:, 0]
        self.halo[there] = letter[: len(there)]
        if len(letter) > len(there):
            shared = self._edges_with[source]
            self.heard[0, shared[~self.mine[shared]]] = letter[len(there) :]


class Mailbox:
    """Letters from one rank to another: `late` ticks under way, and lost by chance, the same for the same seed."""

    def __init__(self, seed: int, source: int, to: int, late: int, lost: float) -> None:
        self._key, self.late, self.lost = (seed, source, to), late, lost
        self._way: list[Tensor | None] = []

    def pass_on(self, tick: int, letter: Tensor) -> Tensor | None:
        """The letter that arrives when this one is sent; None where it was lost, or none is due yet."""
        gone = self.lost > 0 and np.random.default_rng((*self._key, tick)).random() < self.lost
        self._way.append(None if gone else letter.clone())
        return self._way.pop(0) if len(self._way) > self.late else None


def shares(nodes: int, ranks: int, balance: Sequence[int] | None) -> list[int]:
    """Nodes of each rank: as given, or as even as can be."""
    even = [nodes // ranks + (r < nodes % ranks) for r in range(ranks)]
    found = even if balance is None else list(balance)
    if len(found) != ranks or sum(found) != nodes or min(found) < 1:
        raise bad("balance", tuple(found), f"{ranks} whole numbers >= 1 that add up to {nodes} nodes")
    return found
