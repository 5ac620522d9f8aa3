"""The columns of a record: rows of numbers with a name for each entry, and the Dataset that is made of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
        shapes = [(name, tuple(x.shape)) for name, x in tensors.items()]
        self.names = labels(shapes, range(self.total) if self.pick is None else self.pick.tolist())

    def write(self, slot: int) -> None:
        """Take up what lies in `source`."""
        row = self.source
        if len(row) != self.total:  # another batch size: what fits, and nan for what is missing
            row = np.full(self.total, np.nan)
            row[: len(self.source)] = self.source[: self.total]
        self.data[slot] = row if self.pick is None else row[self.pick]

    def rows(self, rows: np.ndarray, entries: list[int] | None = None) -> np.ndarray:
        """These rows, of these entries."""
        return self.data[rows] if entries is None else self.data[rows[:, None], entries]


def evenly(total: int, width: int) -> np.ndarray | None:
    """Positions of the entries that are kept of `total`; None: all."""
    return None if total <= width else np.linspace(0, total - 1, width).round().astype(np.int64)


def labels(shapes: Sequence[tuple[str, Sequence[int]]], wanted: Iterable[int]) -> list[str]:
    """ "name[i,j]" of the wanted flat positions; a batch axis of length one and a lone scalar go unindexed."""
    found: list[str] = []
    offset, queue = 0, list(shapes)
    name, shape = queue.pop(0)
    for position in wanted:
        while position - offset >= int(np.prod(shape)):
            offset += int(np.prod(shape))
            name, shape = queue.pop(0)
        index = np.unravel_index(position - offset, shape) if shape else ()
        found.append(f"{name}[{','.join(str(int(i)) for i in index)}]" if index else name)
    return found


def dataset(
    scalars: Mapping[str, np.ndarray],
    traces: Mapping[str, np.ndarray],
    names: Mapping[str, list[str]],
    axes: Mapping[str, str],
    attributes: Mapping[str, Any],
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
    return xarray.Dataset(data, found, attrs=dict(attributes))
