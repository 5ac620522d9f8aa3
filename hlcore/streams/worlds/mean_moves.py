"""All transitions of a finite world at once, each with its weight: what sampled moves do in the mean."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ...errors import bad, number
from ...law.sample import Sample
from ..stream import Stream
from .mdp import MDP


class Mean(NamedTuple):
    """G = E[x xᵀ], C = E[x x'ᵀ], b = E[x r]. Semi-gradient TD moves θ by b - Aθ in the mean, A = G - γC."""

    G: np.ndarray
    C: np.ndarray
    b: np.ndarray

    def A(self, discount: float) -> np.ndarray:
        """E[x (x - γx')ᵀ]: not symmetric, no potential's derivative."""
        return self.G - discount * self.C


class Sweep(Stream):
    """The same sample for ever: x(s,a) and E x(s',·) under `policy`, (N, 2, d), times √(its weight); for `td`.

    policy   (S, A), whose value is learned     weights  (S, A), how often what is done; None: even, by the policy
    spring   κ >= 0: H' gains ½κ|θ|² (as rows that say θ_i = 0), which shifts A by κ

    Squares of rows times √w are w times squares, so `td` sums to the expected loss. There is nothing to choose in it:
    one action. `mean` has the matrices of the same rows.
    """

    def __init__(self, world: MDP, policy: Any = None, weights: Any = None, spring: float = 0.0) -> None:
        S, A, _ = world.P.shape
        policy = np.full((S, A), 1 / A) if policy is None else np.asarray(policy, float)
        live = ~world.ends[:, None]
        for name, p in (("policy", policy), ("weights", policy if weights is None else np.asarray(weights, float))):
            if p.shape != (S, A) or (p < 0).any():
                raise bad(name, f"shape {p.shape}", f"({S}, {A}), >= 0")
        weights = policy * live / live.sum() if weights is None else np.asarray(weights, float)
        self.world, self.dtype = world, torch.get_default_dtype()
        w = weights[:, :, None] * world.P
        s, a, to = np.nonzero(w)
        root = np.sqrt(w[s, a, to])
        after = np.einsum("sa,sad->sd", policy, world.X)
        pull = np.sqrt(number("spring", spring)) * np.eye(world.X.shape[2])[: None if spring else 0]
        self._x = np.vstack([root[:, None] * world.X[s, a], pull])
        self._alive = np.r_[1.0 - world.ends[to], np.zeros(len(pull))]
        self._r = np.r_[root * world.r[s, a, to], np.zeros(len(pull))]
        self._after = np.vstack([root[:, None] * after[to], pull])

    def sample(self, k: int) -> Sample:
        u = torch.from_numpy(np.stack([self._x, self._after], 1)).to(self.dtype)
        told = np.stack([np.zeros_like(self._r), self._r, self._alive], 1)
        return Sample(u, torch.from_numpy(told).to(self.dtype))

    @property
    def mean(self) -> Mean:
        """G, C and b; a spring stands in G."""
        x = self._x
        return Mean(x.T @ x, x.T @ (self._alive[:, None] * self._after), x.T @ self._r)
