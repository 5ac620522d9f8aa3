"""A series as changes against its last value, in units of its own past."""

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, whole
from ..law.sample import Sample
from .stream import Stream


class Changes(Stream):
    """What comes next, as a change against what is: an output of zero is the persistence forecast x_{k+1} = x_k.

    With d_k = x_k - x_{k-1}, and over the last `memory` samples up to k the median s_k of |d| and the mean m_k of x:

        u_k      = (d_k, …, d_{k-lags+1}, d_{k+1-rhythm}, m_k - x_k) / s_k, cut at ±limit    (1, inputs)
        target_k = (x_{k+1} - x_k) / s_k                                                       (1, 1)

    Sample k knows x_0 … x_k and, as its target, x_{k+1}; nothing later. Changes before the first are zero. The series
    is played again and again; the last sample of each round, the (n-1)-th, has end=True.

    values   n finite numbers, in any unit
    lags     how many past changes the input tells; with 1 the past is left to the network's state
    rhythm   samples after which the calendar repeats, > lags: its change of one round ago is told too; None: it is not
    memory   samples over which scale and level are taken
    limit    in units of s_k

    Raises HLError for anything else.
    """

    def __init__(
        self, values: np.ndarray, lags: int = 3, rhythm: int | None = None, memory: int = 100, limit: float = 5.0
    ) -> None:
        values = np.array(values, dtype=float)
        if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all():
            raise HLError(f"changes: got shape {values.shape}, expected at least 3 finite numbers in one axis.")
        self.lags, self.memory = whole("lags", lags), whole("memory", memory)
        self.rhythm = None if rhythm is None else whole("rhythm", rhythm, lags + 1)
        if not limit > 0:
            raise bad("limit", repr(limit), "a number > 0")
        self.values, self.round = values, len(values) - 1
        d = np.diff(values, prepend=values[0])
        windows = [slice(max(0, k - memory + 1), k + 1) for k in range(self.round)]
        self.scale = np.array([_scale(d[w]) for w in windows])
        level = np.array([values[w].mean() for w in windows]) - values[:-1]
        ages = [*range(lags), *([] if rhythm is None else [rhythm - 1])]
        known = [np.concatenate([np.zeros(age), d])[: self.round] for age in ages]
        u = np.stack([*known, level], 1) / self.scale[:, None]
        self.inputs = u.shape[1]
        self._u = torch.from_numpy(u.clip(-limit, limit)).to(torch.get_default_dtype())
        self._target = torch.from_numpy(d[1:] / self.scale).to(torch.get_default_dtype())

    def sample(self, k: int) -> Sample:
        i = k % self.round
        return Sample(self._u[i : i + 1], self._target[i].view(1, 1), end=i == self.round - 1)

    def read(self, k: int, y: Tensor) -> Tensor:
        """x_k + s_k y: an output or a target of sample k in the unit of the series."""
        i = k % self.round
        return float(self.values[i]) + float(self.scale[i]) * y


def _scale(d: np.ndarray) -> float:
    """Median of |d|; where that is zero, the mean; where nothing ever changed, 1."""
    size = np.abs(d)
    return float(np.median(size)) or float(size.mean()) or 1.0
