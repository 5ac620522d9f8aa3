"""Series of numbers as streams, as they are or as changes, and real ones that come inside packages."""

import csv
import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, kind, known, number, whole
from ..law.sample import Sample
from .stream import Stream
from .tables import numbers

STOCKS = ("AAPL", "AMZN", "IBM", "INTC", "JNJ", "JPM", "KO", "MSFT", "WMT", "XOM")


class Series(Stream):
    """u = x_k, target = x_{k+horizon} of a series of n numbers, played again and again.

    The last sample of each round has end=True: the jump back is not part of the series.
    """

    def __init__(self, values: Any, horizon: int = 1) -> None:
        self.horizon = whole("horizon", horizon)
        values = numbers("series", values, horizon + 1)
        self.values = torch.from_numpy(values).to(torch.get_default_dtype())
        self.round = len(values) - horizon

    def sample(self, k: int) -> Sample:
        i = k % self.round
        now, later = (self.values[j].view(1, 1).clone() for j in (i, i + self.horizon))
        return Sample(now, later, end=i == self.round - 1)


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
    limit    in units of s_k; None: changes are told as large as they are

    Raises HLError for anything else.
    """

    def __init__(
        self, values: Any, lags: int = 3, rhythm: int | None = None, memory: int = 100, limit: float | None = 5.0
    ) -> None:
        values = numbers("changes", values, 3)
        self.lags, self.memory = whole("lags", lags), whole("memory", memory)
        self.rhythm = None if rhythm is None else whole("rhythm", rhythm, lags + 1)
        limit = np.inf if limit is None else number("limit", limit, positive=True)
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
        return Sample(self._u[i : i + 1].clone(), self._target[i].view(1, 1).clone(), end=i == self.round - 1)

    def read(self, k: int, y: Tensor) -> Tensor:
        """x_k + s_k y: an output or a target of sample k in the unit of the series."""
        i = whole("k", k, 0) % self.round
        kind("y", y, Tensor, "a tensor")
        return float(self.values[i]) + float(self.scale[i]) * y


def _scale(d: np.ndarray) -> float:
    """Median of |d|; where that is zero, the mean; where nothing ever changed, 1."""
    size = np.abs(d)
    return float(np.median(size)) or float(size.mean()) or 1.0


class Real(NamedTuple):
    """A series as its source gives it, and what is fixed beforehand.

    values  in `unit`, one every `every`
    zero, one  round numbers, so that (values - zero)/one is of order 1: never fitted, nothing of the future is used
    rhythm  samples after which the calendar repeats: a day of hours, a week of days, a year of months
    """

    values: np.ndarray
    unit: str
    every: str
    zero: float
    one: float
    rhythm: int

    @property
    def scaled(self) -> np.ndarray:
        """(values - zero)/one."""
        return (self.values - self.zero) / self.one


def real(name: str) -> Real:
    """The series `name`, each is a file that river (BSD-3) carries, so no network is needed.

    water-flow   1268 hourly flows through a pipeline branch, March to May 2022, given to river by Tecnojest s.r.l.;
                 four anomalous segments. Nine gaps, 1 to 31 hours missing, are closed up, as river has it.
    approval     1001 daily approval ratings of a US president, 2017 to 2019: FiveThirtyEight's average of the polls
    sp500        1257 days, 2013 to 2018: the sum of the daily mean returns of ten S&P 500 stocks, that is the level of
                 a portfolio with equal weights, rebalanced daily, nothing reinvested. From Kaggle camnugent/sandp500
    sp500-swing  the same days: mean |return| of the ten stocks, the restlessness of the market
    passengers   144 monthly airline passengers, 1949 to 1960 (Box and Jenkins; R's AirPassengers)

    river's licence is that of its collection; for the data themselves it names these sources and no other licence.
    Raises HLError for an unknown name, and where river is not installed or is too old to carry the file.
    """
    return _SERIES[known("series", name, _SERIES)]()


def water_flow(horizon: int = 1) -> Series:
    """Hourly flow through a pipeline branch, March to May 2022, 1268 values, in units of 50 l/s around 100 l/s.

    Daily rhythm; four anomalous segments (losses, interventions). From river (BSD-3), see `real`.
    The unit is fixed beforehand, not fitted: nothing of the future is used.
    """
    return Series(real("water-flow").scaled, horizon)


def _returns() -> np.ndarray:
    """(days, stocks), percent."""
    return np.stack([_column("sp500.csv.gz", name) for name in STOCKS], 1)


_SERIES: dict[str, Callable[[], Real]] = {
    "water-flow": lambda: Real(_column("water-flow.csv", "Water flow [l/s]"), "l/s", "hour", 100.0, 50.0, 24),
    "approval": lambda: Real(_column("trump_approval.csv.gz", "five_thirty_eight"), "percent", "day", 40.0, 5.0, 7),
    "sp500": lambda: Real(np.cumsum(_returns().mean(1)), "percent", "trading day", 0.0, 10.0, 5),
    "sp500-swing": lambda: Real(np.abs(_returns()).mean(1), "percent", "trading day", 0.0, 1.0, 5),
    "passengers": lambda: Real(_column("airline-passengers.csv", "passengers"), "thousands", "month", 100.0, 100.0, 12),
}


def _column(file: str, name: str) -> np.ndarray:
    spec = importlib.util.find_spec("river")
    places = spec.submodule_search_locations if spec is not None else None
    path = Path(places[0]) / "datasets" / file if places else None
    if path is None or not path.exists():
        raise bad("series", f"no {file} of the package river", "river >= 0.26 to be installed", "pip install river")
    with gzip.open(path, "rt", newline="") if file.endswith(".gz") else path.open(newline="") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])
