"""Local data sets on the nodes of a random graph with clusters: a stochastic block model."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, flag, kind, number, numbers, share, whole
from ..law.sample import Sample
from .stream import Stream

SIZE = 1.6  # spread of the entries of a cluster's weights


class Clients(Stream):
    """Each tick every node of a graph has m tokens x and, where it is labelled, targets x·θ_c + noise of its cluster c.

    sizes        nodes of each cluster; node numbers go cluster by cluster      inputs  n
    p_in, p_out  chance of an edge within a cluster, and between two
    labelled     share of the nodes of each cluster that have targets
    tokens       m per node       noise  its standard deviation
    fresh        True: new tokens at every tick; False: one local data set per node, the same at every tick
    weights      θ_c, (clusters, n); None: drawn
    jump         from this tick on the last cluster has other weights; None: never
    move         from this tick on three nodes of the first cluster belong to the last: the graph does not know; or None

    sample(k): u = (x (1, N, m, n), mask (1, N)), target (1, N m), zero where nothing is known; end=False.
    """

    def __init__(
        self,
        seed: int = 0,
        sizes: Sequence[int] = (20, 20),
        inputs: int = 4,
        p_in: float = 0.5,
        p_out: float = 0.02,
        labelled: float = 0.5,
        tokens: int = 1,
        noise: float = 1.0,
        fresh: bool = True,
        weights: Any = None,
        jump: int | None = None,
        move: int | None = None,
    ) -> None:
        self.seed, self.inputs, self.tokens = whole("seed", seed, 0), whole("inputs", inputs), whole("tokens", tokens)
        self.sizes = [whole("sizes", n, 3) for n in kind("sizes", sizes, Sequence, "nodes of each cluster")]
        if not self.sizes:
            raise bad("sizes", "no cluster", "at least one")
        p_in, p_out, labelled = share("p_in", p_in), share("p_out", p_out), share("labelled", labelled)
        self.noise, self.fresh = number("noise", noise), flag("fresh", fresh)
        self.jump = None if jump is None else whole("jump", jump, 0)
        self.move = None if move is None else whole("move", move, 0)
        self.dtype = torch.get_default_dtype()
        draw = np.random.default_rng((self.seed, 0))
        self.cluster = np.repeat(np.arange(len(self.sizes)), self.sizes)
        i, j = np.triu_indices(len(self.cluster), 1)
        there = draw.random(len(i)) < np.where(self.cluster[i] == self.cluster[j], p_in, p_out)
        self.edges = torch.from_numpy(np.stack([i[there], j[there]], 1))
        known = [draw.permutation(n) < round(labelled * n) for n in self.sizes]
        self.mask = self._floats(np.concatenate(known))
        drawn = SIZE * draw.standard_normal((2, len(self.sizes), self.inputs))
        if weights is not None:
            drawn[0] = numbers("weights", weights, drawn[0].shape)
        self.weights = self._floats(drawn)  # before and after the jump
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def sides(self, k: int) -> np.ndarray:
        """The cluster of every node at tick k, (N,)."""
        side = self.cluster.copy()
        if whole("k", k, 0) >= (math.inf if self.move is None else self.move):
            side[:3] = len(self.sizes) - 1
        return side

    def truth(self, k: int) -> Tensor:
        """θ of every node's cluster at tick k, (N, n)."""
        weights = self.weights[0].clone()
        if whole("k", k, 0) >= (math.inf if self.jump is None else self.jump):
            weights[-1] = self.weights[1, -1]
        return weights[torch.from_numpy(self.sides(k))]

    def sample(self, k: int) -> Sample:
        """The tokens of tick k."""
        x, noise = self._drawn(k if self.fresh else 0)
        clean = (x * self.truth(k)[:, None]).sum(-1) + self.noise * noise
        return Sample((x[None], self.mask[None]), (self.mask[:, None] * clean).reshape(1, -1), end=False)

    def _draw(self, k: int) -> tuple[Tensor, Tensor]:
        draw = np.random.default_rng((self.seed, 1, k))
        nodes = len(self.cluster)
        x, noise = draw.standard_normal((nodes, self.tokens, self.inputs)), draw.standard_normal((nodes, self.tokens))
        return self._floats(x), self._floats(noise)

    def _floats(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(x)).to(self.dtype)
