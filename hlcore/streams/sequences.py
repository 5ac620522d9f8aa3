"""Labelled sequences, one whole sequence per step: the input of automatic unfolding."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, whole
from ..law.sample import Sample
from .stream import Stream


class Sequences(Stream):
    """Pairs (sequence, class), permuted in every epoch by (seed, epoch); a sample is one sequence, (1, n, d)."""

    def __init__(self, sequences: list[Tensor], classes: list[int], seed: int = 0, epochs: int | None = None) -> None:
        if not sequences or len(sequences) != len(classes):
            raise bad("sequences", f"{len(sequences)} and {len(classes)} classes", "the same number, at least one")
        self.sequences, self.classes = sequences, classes
        self.seed, self.per_epoch = whole("seed", seed, 0), len(sequences)
        self.length = None if epochs is None else self.per_epoch * whole("epochs", epochs)
        self._order = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> list[int]:
        return np.random.default_rng((self.seed, epoch)).permutation(self.per_epoch).tolist()

    def sample(self, k: int) -> Sample:
        """Sequence k mod n of epoch k // n."""
        epoch, position = divmod(k, self.per_epoch)
        i = self._order(epoch)[position]
        return Sample(self.sequences[i].unsqueeze(0), torch.tensor([self.classes[i]]))


def vowels(per_speaker: int = 30, seed: int = 0, epochs: int | None = None) -> Sequences:
    """Japanese vowels: who of 9 speakers says it? 7 to 26 tokens of 12 coefficients (Kudo et al. 1999, UCI, CC BY 4.0).

    per_speaker  the first so many of each speaker's 30 utterances
    """
    if whole("per_speaker", per_speaker) > 30:
        raise bad("per_speaker", per_speaker, "at most 30", "the file carries 270 utterances of 9 speakers")
    sequences, classes = _read()
    taken: list[int] = []
    for c in sorted(set(classes)):
        taken += [i for i, k in enumerate(classes) if k == c][:per_speaker]
    dtype = torch.get_default_dtype()
    return Sequences(
        [torch.from_numpy(sequences[i]).to(dtype) for i in taken], [classes[i] for i in taken], seed, epochs
    )


@lru_cache(maxsize=1)
def _read() -> tuple[list[np.ndarray], list[int]]:
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
