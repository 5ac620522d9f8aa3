"""Days on which memories are shown, and nights on which nothing is."""

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, flag, floats, share, whole
from ..law.sample import Sample
from .datasets import digits
from .stream import Stream


def memories(count: int, units: int, seed: int = 0) -> Tensor:
    """Random patterns ±1, (count, units)."""
    draw = np.random.default_rng((seed, whole("memories", count), whole("units", units)))
    return torch.from_numpy(draw.integers(0, 2, (count, units)) * 2.0 - 1).to(torch.get_default_dtype())


def digit_memories(count: int = 10) -> Tensor:
    """Real digits, 8×8, as ±1 where they are bright or dark: the first of each class, then the second, (count, 64)."""
    data = digits()
    order = np.argsort(np.argsort(data.targets.numpy(), kind="stable"), kind="stable")
    ranks = np.concatenate([np.arange(int((data.targets == c).sum())) for c in range(10)])[order]
    rows = np.lexsort((data.targets.numpy(), ranks))[: whole("memories", count)]
    return (data.inputs[rows].flatten(1) > 0.4).to(data.inputs.dtype) * 2 - 1


class Nights(Stream):
    """`days` samples that show a memory, then `nights` of sleep, round and round.

    shown    (P, N), ±1: by day u is one of them, drawn from (seed, k); None: a new one every day, never seen again
    units    N, where `shown` is None     batch  dreams of one night, or memories of one day
    flip     share of the spins that a day shows wrong
    flipped  True: the target of a night is -1, of a day +1 (`hopfield.energy`); False: always +1, the sign is s
    A night's u is zeros.
    """

    def __init__(
        self,
        shown: Tensor | None,
        days: int = 1,
        nights: int = 1,
        batch: int = 1,
        flip: float = 0.0,
        seed: int = 0,
        units: int | None = None,
        flipped: bool = False,
    ) -> None:
        if (shown is None) is (units is None):
            raise bad("Nights", "neither" if units is None else "both", "memories, or units for new ones")
        if shown is not None and not bool((floats("Nights memories", shown, "P, N").abs() == 1).all()):
            raise bad("Nights memories", "other entries", "spins ±1", "memories(30, 100) makes some")
        self.days, self.nights = whole("days", days, 0), whole("nights", nights, 0)
        whole("days + nights", self.days + self.nights)
        self.batch, self.flip, self.seed = whole("batch", batch), share("flip", flip), whole("seed", seed, 0)
        self.shown = None if shown is None else shown.detach().clone()
        self.flipped, self.dtype = flag("flipped", flipped), torch.get_default_dtype() if shown is None else shown.dtype
        self.units = whole("units", units) if shown is None else shown.shape[1]

    def sample(self, k: int) -> Sample:
        """Day or night k."""
        day = k % (self.days + self.nights) < self.days
        sign = torch.full((self.batch, 1), 1.0 if day or not self.flipped else -1.0, dtype=self.dtype)
        if not day:
            return Sample(torch.zeros(self.batch, self.units, dtype=self.dtype), sign)
        draw = np.random.default_rng((self.seed, k))
        if self.shown is None:
            seen = torch.from_numpy(draw.integers(0, 2, (self.batch, self.units)) * 2.0 - 1).to(self.dtype)
        else:
            seen = self.shown[torch.from_numpy(draw.integers(0, len(self.shown), self.batch))]
        if self.flip:
            seen = torch.where(torch.from_numpy(draw.random(seen.shape) < self.flip), -seen, seen)
        return Sample(seen, sign)
