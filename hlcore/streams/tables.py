"""Data that a user brings: a list, an array, a column of a frame, a CSV file."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, flag, kind, known, number, unknown, whole
from ..files import place
from ..law.sample import Sample
from .stream import Stream


def numbers(what: str, values: Any, least: int = 1) -> np.ndarray:
    """`values` as at least `least` finite numbers (n,), or an HLError that names the row, the column and the value."""
    import pandas as pd

    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if isinstance(values, pd.DataFrame):
        if values.shape[1] != 1:
            raise bad(what, f"a frame with the columns {list(values.columns)}", "one column", "choose one: frame['x']")
        values = values.iloc[:, 0]
    if not isinstance(values, pd.Series):
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise bad(what, f"{values!r} ({type(values).__name__})", "numbers in one axis", "a file: streams.from_csv")
        if np.ndim(np.asarray(values, dtype=object)) != 1:
            raise bad(what, f"shape {np.shape(np.asarray(values, dtype=object))}", "numbers in one axis")
        values = pd.Series(list(values), dtype=object)
    if len(values) < least:
        raise bad(what, f"{len(values)} numbers", f"at least {least}")
    found = np.array([_float(x) for x in values])
    if not np.isfinite(found).all():
        raise _no_number(what, values, int(np.flatnonzero(~np.isfinite(found))[0]))
    return found


def from_csv(path: str | Path, columns: Any = None, decimal: str = ".", **how: Any) -> "Table":
    """A CSV file with a line of names as a stream; columns and what else is possible: see `from_frame`.

    The separator (comma, semicolon, tab, space) is found in the file; decimal="," reads 1,5 as one and a half.
    """
    import pandas as pd

    path = place(path)
    kind("decimal", decimal, str, '"." or ","')
    try:
        frame = pd.read_csv(path, sep=None, engine="python", decimal=decimal)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        got = str(getattr(error, "strerror", None) or error).strip().splitlines()[0]
        raise bad(f"file {path}", got, "a CSV file with a line of names", "") from error
    except Exception as error:  # csv.Error of the search for a separator, and a bad `decimal`
        if not isinstance(error, (ValueError, LookupError)) and type(error).__name__ != "Error":
            raise
        raise bad(f"file {path}", str(error).splitlines()[0], "a CSV file with a line of names") from error
    return from_frame(frame, columns, **how)


def from_frame(frame: Any, columns: Any = None, **how: Any) -> "Table":
    """A pandas frame as a stream that foretells the row to come: a `Table`, whose options are these.

    columns   names of the inputs; None: all columns of numbers
    """
    return Table(frame, columns, **how)


class Table(Stream):
    """u_k = the columns of row k, target_k = the target's columns of row k + horizon; in file order, again and again.

    columns   names of the inputs; None: all columns of numbers, but for `time`
    target    names of what is foretold; None: the same columns
    horizon   rows ahead, >= 1, or 0 for other columns of the same row
    scaled    x is told as (x - m_k)/s_k by the mean and deviation of the column up to row k: nothing of the future
    gaps      "refuse": an empty cell is an HLError; "skip": rows with one are left out, and the time of a `time` column
              goes on
    time      name of a column of times or numbers that grow: dt of a sample is the time since the row before, in units
              of the median one, times `tau`

    The last sample of each round has end=True. `read(k, y)` tells outputs in the unit of the file. Raises HLError with
    row, column and value for whatever is no finite number.
    """

    def __init__(
        self, frame: Any, columns: Any = None, target: Any = None, horizon: int = 1, scaled: bool = True,
        gaps: str = "refuse", time: str | None = None, tau: float = 1.0,
    ) -> None:  # fmt: skip
        known("gaps", gaps, ("refuse", "skip"))
        import pandas as pd

        kind("frame", frame, pd.DataFrame, "a pandas DataFrame", "a file: streams.from_csv(path)")
        flag("scaled", scaled)
        if time is not None:
            _names("time", frame, [time], None)
        self.columns = _names("columns", frame, columns, time)
        self.targets = self.columns if target is None else _names("target", frame, target, None)
        self.horizon = whole("horizon", horizon, 0)
        if horizon == 0 and set(self.targets) & set(self.columns):
            raise bad("horizon", 0, "at least 1, or a target that is no input", "the answer would be told")
        named = list(dict.fromkeys([*self.columns, *self.targets]))
        if gaps == "skip":
            kept = [*named, *([] if time is None else [time])]
            frame = frame[frame[kept].notna().all(axis=1)]
        found = {name: numbers(f"column {name!r}", frame[name], self.horizon + 2) for name in named}
        ticks = None if time is None else _ticks(time, frame[time])
        self.round = len(frame) - self.horizon
        self._dt = None if ticks is None else number("tau", tau, positive=True) * ticks
        x, y = (np.stack([found[name] for name in of], 1) for of in (self.columns, self.targets))
        (m, s), (self._mean, self._scale) = ((_past(z) if scaled else (0 * z, 0 * z + 1)) for z in (x, y))
        ahead, now = y[self.horizon :], slice(self.round)
        dtype = torch.get_default_dtype()
        self._u = torch.from_numpy((x - m) / s).to(dtype)
        self._target = torch.from_numpy((ahead - self._mean[now]) / self._scale[now]).to(dtype)

    def sample(self, k: int) -> Sample:
        i = k % self.round
        dt = None if self._dt is None else float(self._dt[i])
        return Sample(self._u[i : i + 1].clone(), self._target[i : i + 1].clone(), i == self.round - 1, dt)

    def read(self, k: int, y: Tensor) -> Tensor:
        """An output or a target of sample k, (1, channels), in the unit of the file."""
        i = whole("k", k, 0) % self.round
        if kind("y", y, Tensor, "a tensor").shape[-1:] != (len(self.targets),):
            raise bad("y", f"shape {tuple(y.shape)}", f"(1, {len(self.targets)})")
        return torch.from_numpy(self._mean[i]) + torch.from_numpy(self._scale[i]) * y.double()


def _float(x: Any) -> float:
    """The number, or nan where it is none: another text, an empty cell, pandas' NA, a truth value, a complex number."""
    wrong = isinstance(x, (bool, np.bool_, complex)) or x is None or (isinstance(x, str) and "_" in x)
    try:
        return float("nan") if wrong else float(x)
    except (TypeError, ValueError):
        return float("nan")


def _no_number(what: str, values: Any, row: int) -> HLError:
    value, label = values.iloc[row], values.index[row]
    text = repr(value.item() if isinstance(value, np.generic) else value)
    where = f"row {row}" if label == row else f"row {row} ({label})"
    mend = 'empty cells: gaps="skip"'
    if isinstance(value, str):
        mend = 'read the file with decimal=","' if "," in value else "take the row out, or choose other columns"
    return bad(what, f"{text} in {where}", "a finite number", mend)


def _names(what: str, frame: Any, chosen: Any, time: str | None) -> list[Any]:
    if chosen is None:
        found = [name for name in frame.columns if name != time and any(_float(x) == _float(x) for x in frame[name])]
        if not found:
            raise bad(what, f"a table with the columns {list(frame.columns)}", "a column of numbers", 'decimal=","?')
        return found
    names = list(chosen) if isinstance(chosen, Sequence) and not isinstance(chosen, str) else [chosen]
    for name in names:
        if not isinstance(name, Hashable) or name not in frame.columns:
            raise unknown(what, name, frame.columns)
    if not names or len(set(names)) < len(names):
        raise bad(what, names, "at least one name, each once")
    return names


def _ticks(name: str, column: Any) -> np.ndarray:
    """The time since the row before, in units of the median one; 1 for the first row."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        t = numbers(f"time {name!r}", column, 2)
    else:
        times = pd.to_datetime(column, errors="coerce", format="mixed")
        if times.isna().any():
            raise _no_number(f"time {name!r}", column, int(np.flatnonzero(times.isna())[0]))
        t = (times - times.iloc[0]).dt.total_seconds().to_numpy()
    steps = np.diff(t)
    if not (steps > 0).all():
        row = int(np.flatnonzero(~(steps > 0))[0]) + 1
        raise bad(f"time {name!r}", f"{column.iloc[row]} in row {row}", "a time after that of the row before")
    return np.concatenate([[1.0], steps / np.median(steps)])


def _past(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column up to each row; a deviation of 0 counts as 1."""
    n = np.arange(1, len(x) + 1)[:, None]
    shift = x[0]
    mean = np.cumsum(x - shift, 0) / n
    deviation = np.sqrt(np.maximum(np.cumsum((x - shift) ** 2, 0) / n - mean**2, 0))
    return mean + shift, np.where(deviation > 1e-12 * np.maximum(np.abs(x).max(0), 1e-300), deviation, 1.0)
