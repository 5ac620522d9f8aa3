"""Two kinds of inputs, told apart by a crowd: Gaussian clusters, or real images of two kinds."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MISTAKES, bad, first_line, number, whole
from ..law.sample import Sample
from .datasets import mnist
from .stream import Stream


class _TwoKinds(Stream):
    """Each of n learners gets an input of its own, y = ±1, and a die in [0, 1) for its action: target (n, 2)."""

    def __init__(self, learners: int, seed: int) -> None:
        self.learners, self.seed = whole("learners", learners), whole("seed", seed, 0)
        self.dtype = torch.get_default_dtype()

    def sample(self, k: int) -> Sample:
        """Drawn from (seed, k)."""
        draw = np.random.default_rng((self.seed, k))
        y = draw.integers(0, 2, self.learners) * 2.0 - 1
        u, die = self.inputs(k, y, draw), draw.random(self.learners)
        target = np.stack([y, die], 1)
        return Sample(torch.from_numpy(u).to(self.dtype), torch.from_numpy(target).to(self.dtype))

    @abstractmethod
    def inputs(self, k: int, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """(n, d): an input of the kind y for each."""


class Clusters(_TwoKinds):
    """u = y μ + Σ^½ ξ, ξ normal.

    mu     (d,), or (tasks, d): the k-th sample is of task k // every, round and round
    cov    Σ (d, d), symmetric, >= 0; or a number σ² for σ² I
    """

    def __init__(self, mu: Any, cov: Any, learners: int = 1, seed: int = 0, every: int | None = None) -> None:
        super().__init__(learners, seed)
        try:
            self.mu, self.cov = np.atleast_2d(np.array(mu, float)), np.array(cov, float)
        except MISTAKES as error:
            raise bad("mu, cov", first_line(error), "numbers, (d,) or (tasks, d), and (d, d) or one") from error
        alike = self.cov.ndim == 0
        d = self.mu.shape[-1]
        if self.mu.ndim != 2 or not d or not np.isfinite(self.mu).all():
            raise bad("mu", f"shape {self.mu.shape}", "finite numbers, (d,) or (tasks, d)")
        if alike:
            self.cov = np.eye(d) * number("cov", float(self.cov))
        if self.cov.shape != (d, d) or not np.isfinite(self.cov).all() or not np.allclose(self.cov, self.cov.T):
            raise bad("cov", f"shape {self.cov.shape}", f"a symmetric ({d}, {d}), as mu {self.mu.shape} has it")
        values, axes = (self.cov[0], None) if alike else np.linalg.eigh(self.cov)
        if values.min() < -1e-12:
            raise bad("cov", f"an eigenvalue {values.min():.2g}", "none below 0")
        root = np.sqrt(values.clip(0))
        self._root: Any = root[0] if axes is None else (axes * root).T
        if (every is None) is (len(self.mu) > 1):
            raise bad("every", every, "how many samples a task lasts, for several tasks; None for one")
        self.every = None if every is None else whole("every", every)

    def inputs(self, k: int, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """y μ of the task in force, and noise."""
        mu = self.mu[0 if self.every is None else k // self.every % len(self.mu)]
        return y[:, None] * mu + np.dot(draw.standard_normal((len(y), len(mu))), self._root)

    @property
    def components(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Mean and covariance of y u, for either kind: one cluster for both."""
        return [(self.mu[0], self.cov)]


class DigitPairs(_TwoKinds):
    """Real MNIST digits of two classes, raw pixels in [0, 1], d = 784: 400 of each to learn from, 100 to be asked.

    kinds  the classes of y = -1 and of y = +1     `train`, `test`  inputs (images, 784) of either kind
    """

    def __init__(self, kinds: tuple[int, int] = (0, 1), learners: int = 1, seed: int = 0) -> None:
        super().__init__(learners, seed)
        fine = isinstance(kinds, (tuple, list)) and len(kinds) == 2 and kinds[0] != kinds[1]
        if not fine or any(whole("kinds", k, 0) > 9 for k in kinds):
            raise bad("kinds", kinds, "two different classes from 0 to 9")
        data = mnist()
        images = [data.inputs[data.targets == kind].flatten(1).double().numpy() for kind in kinds]
        self.train, self.test = [x[:400] for x in images], [x[400:] for x in images]

    def inputs(self, k: int, y: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """One of the images to learn from."""
        chosen = draw.integers(0, len(self.train[0]), len(y))
        return np.where((y > 0)[:, None], self.train[1][chosen], self.train[0][chosen])

    @property
    def components(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Mean and covariance of y u, for y = -1 and for y = +1."""
        return [(y * x.mean(0), np.cov(x.T, bias=True)) for y, x in zip((-1, 1), self.train, strict=True)]

    def right(self, w: Tensor | np.ndarray) -> np.ndarray:
        """Share of right answers among the images to be asked, for each row of w."""
        try:
            w = np.atleast_2d(np.asarray(w, float))
        except MISTAKES as error:
            raise bad("w", first_line(error), "a row of weights for each learner") from error
        if w.ndim != 2 or w.shape[1] != self.test[0].shape[1]:
            raise bad("w", f"shape {w.shape}", f"(learners, {self.test[0].shape[1]})")
        return np.mean([((y * x) @ w.T > 0).mean(0) for y, x in zip((-1, 1), self.test, strict=True)], 0)
