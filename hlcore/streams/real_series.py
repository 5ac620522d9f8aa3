"""Real time series that come inside packages, in their own units."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import bad, unknown

STOCKS = ("AAPL", "AMZN", "IBM", "INTC", "JNJ", "JPM", "KO", "MSFT", "WMT", "XOM")


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
    """The series `name`, one of `NAMES`; each is a file that river (BSD-3) carries, so no network is needed.

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
    if name not in _SERIES:
        raise unknown("series", name, _SERIES)
    return _SERIES[name]()


def _water_flow() -> Real:
    return Real(_column("water-flow.csv", "Water flow [l/s]"), "l/s", "hour", 100.0, 50.0, 24)


def _approval() -> Real:
    return Real(_column("trump_approval.csv.gz", "five_thirty_eight"), "percent", "day", 40.0, 5.0, 7)


def _returns() -> np.ndarray:
    """(days, stocks), percent."""
    return np.stack([_column("sp500.csv.gz", name) for name in STOCKS], 1)


def _sp500() -> Real:
    return Real(np.cumsum(_returns().mean(1)), "percent", "trading day", 0.0, 10.0, 5)


def _sp500_swing() -> Real:
    return Real(np.abs(_returns()).mean(1), "percent", "trading day", 0.0, 1.0, 5)


def _passengers() -> Real:
    return Real(_column("airline-passengers.csv", "passengers"), "thousands", "month", 100.0, 100.0, 12)


_SERIES: dict[str, Callable[[], Real]] = {
    "water-flow": _water_flow,
    "approval": _approval,
    "sp500": _sp500,
    "sp500-swing": _sp500_swing,
    "passengers": _passengers,
}
NAMES = tuple(_SERIES)


def _column(file: str, name: str) -> np.ndarray:
    spec = importlib.util.find_spec("river")
    places = spec.submodule_search_locations if spec is not None else None
    path = Path(places[0]) / "datasets" / file if places else None
    if path is None or not path.exists():
        raise bad("series", f"no {file} of the package river", "river >= 0.26 to be installed", "pip install river")
    with gzip.open(path, "rt", newline="") if file.endswith(".gz") else path.open(newline="") as lines:
        return np.array([float(row[name]) for row in csv.DictReader(lines)])
