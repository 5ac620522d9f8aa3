"""A series of numbers as a stream: now, and a little later."""

from __future__ import annotations

import numpy as np
import torch

from ..errors import HLError, whole
from ..law.sample import Sample
from .real_series import real
from .stream import Stream


class Series(Stream):
    """u = x_k, target = x_{k+horizon} of a series of n numbers, played again and again.

    The last sample of each round has end=True: the jump back is not part of the series.
    """

    def __init__(self, values: np.ndarray, horizon: int = 1) -> None:
        self.horizon = whole("horizon", horizon)
        if values.ndim != 1 or len(values) <= horizon or not np.isfinite(values).all():
            raise HLError(f"series: got shape {values.shape}, expected more than {horizon} finite numbers in one axis.")
        self.values = torch.from_numpy(np.array(values, dtype=float)).to(torch.get_default_dtype())
        self.round = len(values) - horizon

    def sample(self, k: int) -> Sample:
        """(x_k, x_{k+horizon}), each of shape (1, 1)."""
        i = k % self.round
        return Sample(self.values[i].view(1, 1), self.values[i + self.horizon].view(1, 1), end=i == self.round - 1)


def water_flow(horizon: int = 1) -> Series:
    """Hourly flow through a pipeline branch, March to May 2022, 1268 values, in units of 50 l/s around 100 l/s.

    Daily rhythm; four anomalous segments (losses, interventions). From river (BSD-3), see `real`.
    The unit is fixed beforehand, not fitted: nothing of the future is used.
    """
    return Series(real("water-flow").scaled, horizon)
