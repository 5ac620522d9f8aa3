"""A chaotic series of which one coordinate is seen."""

from functools import cached_property, lru_cache

import numpy as np
import torch

from ..errors import whole
from ..law.sample import Sample
from .stream import Stream

LENGTH = 20_000  # samples that are integrated; then from the first again


class Lorenz(Stream):
    """x of Lorenz's system (σ, ρ, β = 10, 28, 8/3), every .05, as 0.1 x: how will it be `ahead` samples later?

    batch  as many places of one path side by side, equally far apart
    """

    def __init__(self, seed: int = 0, ahead: int = 5, batch: int = 1) -> None:
        self.seed, self.ahead, self.dtype = whole("seed", seed, 0), whole("ahead", ahead), torch.get_default_dtype()
        self._places = np.arange(whole("batch", batch)) * LENGTH // batch

    def sample(self, k: int) -> Sample:
        """Token k."""
        x = self._path
        rows = ((self._places + i) % LENGTH for i in (k, k + self.ahead))
        u, y = (torch.from_numpy(x[i][:, None]).to(self.dtype) for i in rows)
        return Sample(u, y, end=False)

    @cached_property
    def _path(self) -> np.ndarray:  # one's own: many seeds side by side would push each other out of a cache
        return _integrated(self.seed)


@lru_cache(maxsize=4)
def _integrated(seed: int) -> np.ndarray:
    """By Runge-Kutta 4, step .01."""
    at = np.random.default_rng(seed).normal((0.0, 0.0, 25.0), 1.0)
    found = np.empty(LENGTH)

    def slope(s: np.ndarray) -> np.ndarray:
        x, y, z = s
        return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    for k in range(-200, LENGTH):
        for _ in range(5):
            a = slope(at)
            b = slope(at + 0.005 * a)
            c = slope(at + 0.005 * b)
            d = slope(at + 0.01 * c)
            at = at + 0.01 / 6 * (a + 2 * b + 2 * c + d)
        if k >= 0:
            found[k] = 0.1 * at[0]
    return found
