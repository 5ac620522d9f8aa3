"""The columns of a record: rows of numbers with a name for each entry, and the Dataset that is made of them."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from xarray import Dataset
else:
    Dataset = "xarray.Dataset"  # to import it takes half a second


class Columns:
    """A ring of flat rows for one trace, at most `width` evenly sampled entries of it."""

    def __init__(self, tensors: Mapping[str, Tensor], capacity: int, width: int) -> None:
        self.total = sum(x.numel() for x in tensors.values())
        self.pick = evenly(self.total, width)
        kind = np.float64 if any(x.dtype == torch.float64 for x in tensors.values()) else np.float32
        self.data = np.full((capacity, min(self.total, width)), np.nan, kind)
        self.source = np.empty(0)  # where the next record lies
        self.names = labels({name: x.shape for name, x in tensors.items()}, self.pick)

    def write(self, slot: int) -> None:
        """Take up what lies in `source`."""
        row = self.source
        if len(row) != self.total:  # another batch size: what fits, and nan for what is missing
            row = np.full(self.total, np.nan)
            row[: len(self.source)] = self.source[: self.total]
        self.data[slot] = row if self.pick is None else row[self.pick]

    def copied(self, capacity: int, rows: np.ndarray) -> Self:
        """These rows, with room for others."""
        other = copy.copy(self)
        other.data = ring(capacity, self.data, rows)
        return other


def ring(capacity: int, data: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Room for `capacity` rows that begins with these ones."""
    found = np.empty((capacity, data.shape[1]), data.dtype)
    found[: len(rows)] = data[rows]
    return found


def evenly(total: int, width: int) -> np.ndarray | None:
    """Positions of the entries that are kept of `total`; None: all."""
    return None if total <= width else np.linspace(0, total - 1, width).round().astype(np.int64)


def labels(shapes: Mapping[str, Sequence[int]], pick: np.ndarray | None) -> list[str]:
    """ "name[i,j]" of the picked flat positions, in their order (None: of all); a lone scalar goes unindexed."""
    found: list[str] = []
    start = 0
    for name, shape in shapes.items():
        n = math.prod(shape)
        own = np.arange(n) if pick is None else pick[(pick >= start) & (pick < start + n)] - start
        indices = np.stack(np.unravel_index(own, shape), 1).tolist() if shape else [[]] * len(own)
        found += [f"{name}[{','.join(map(str, index))}]" if index else name for index in indices]
        start += n
    return found


def dataset(
    scalars: dict[str, Any], traces: dict[str, Any], names: dict[str, list[str]], axes: dict[str, str], **told: int
) -> Dataset:
    """A trajectory over time: `step` and `t` become its axis, scalars have no other, a trace has the one `axes` tells.

    Two traces share an axis if their entries have the same names; else the second one's is "AXIS_TRACE".
    """
    import xarray

    data: dict[str, Any] = {k: ("time", x) for k, x in scalars.items() if k not in ("step", "t")}
    coords: dict[str, Any] = {"time": scalars["t"], "step": ("time", scalars["step"].astype(np.int64))}
    for trace, values in traces.items():
        axis = axes[trace]
        if coords.setdefault(axis, names[trace]) != names[trace]:
            axis = f"{axis}_{trace}"
        data[trace] = (("time", axis), values)
        coords[axis] = names[trace]
    found = {k: np.asarray(x, dtype=str) if isinstance(x, list) else x for k, x in coords.items()}
    return xarray.Dataset(data, found, attrs=told)
