"""A bounded record of a trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad

if TYPE_CHECKING:
    import xarray

    from ..law.sample import Sample
    from ..learners.hamiltonian import Learner, Report

SETTINGS = ("tau", "eta", "eta_z", "beta", "phi", "s")
TRACES = ("h", "z", "theta", "omega", "output", "target")
AXES = {"h": "unit", "z": "unit", "theta": "weight", "omega": "weight", "output": "channel", "target": "channel_target"}


class Recorder:
    """Keeps every `every`-th step, the last `capacity` of them; memory is bounded by capacity * width.

    width  the most entries kept of each of h, z, θ, ω, output and target; a wider one is sampled evenly

    Each record holds (h, z, θ, ω) after the step, and the loss, H', output, target and settings of the step.
    """

    def __init__(self, every: int = 1, capacity: int = 10_000, width: int = 1024) -> None:
        for name, value in (("every", every), ("capacity", capacity), ("width", width)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise bad(f"Recorder {name}", repr(value), "a whole number >= 1")
        self.every, self.capacity, self.width = every, capacity, width
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.count = 0  # records made, of which the last `capacity` are kept
        self.classes = False  # whether targets are classes, not values
        self._seen = 0
        self._columns: dict[str, _Columns] = {}
        self._scalars = np.empty((0, 0))
        self._row: list[float] = []
        self._settings: Any = None
        self._shapes: list[torch.Size] | None = None  # of the tensors of a record, which `_views` take up
        self._views: list[Tensor] = []

    def __len__(self) -> int:
        return min(self.count, self.capacity)

    def record(self, learner: Learner, report: Report, sample: Sample | None = None) -> None:
        """Take down where `learner` is after the step that gave `report`."""
        self._seen += 1
        if (self._seen - 1) % self.every:
            return
        parts = learner.traced()
        parts["output"] = {"y": report.output}
        target = None if sample is None else sample.target
        parts["target"] = {"target": target} if isinstance(target, Tensor) else {}
        if not self.count:
            self._scalars = np.full((self.capacity, 4 + len(SETTINGS)), np.nan)
        slot = self.count % self.capacity
        tensors = [x.cpu() for part in parts.values() for x in part.values()]
        shapes = [x.shape for x in tensors]
        if shapes != self._shapes:
            self._shapes = shapes
            self._lay_out(parts, tensors)
        with torch.no_grad():
            torch._foreach_copy_(self._views, tensors)  # one call for all: a record costs a tenth of a step
        for columns in self._columns.values():
            columns.write(slot)
        if learner.settings is not self._settings:
            self._settings = s = learner.settings
            beta = float(s.beta) if isinstance(s.beta, float) else np.nan
            self._row = [s.tau, s.eta, s.dissipation_z, beta, 0.0 if callable(s.phi) else s.phi, s.s]
        self._scalars[slot, :4] = learner.steps, report.t, report.loss, report.hamiltonian
        self._scalars[slot, 4:] = self._row
        if sample is not None and sample.dt is not None:
            self._scalars[slot, 4] = sample.dt
        if callable(learner.settings.phi):
            self._scalars[slot, 8] = learner.settings.phi_at(report.t - self._scalars[slot, 4])
        self.count += 1

    def _lay_out(self, parts: dict[str, dict[str, Tensor]], tensors: list[Tensor]) -> None:
        """One vector for the record to come, a view of it per tensor, a slice per trace."""
        double = any(x.dtype == torch.float64 for x in tensors)
        self.classes |= any(not x.is_floating_point() for x in parts["target"].values())
        sizes = [x.numel() for x in tensors]
        vector = torch.empty(sum(sizes), dtype=torch.float64 if double else torch.float32)
        self._views = [v.view(x.shape) for v, x in zip(vector.split(sizes), tensors, strict=True)] if tensors else []
        at = 0
        for trace, part in parts.items():
            if part and trace not in self._columns:
                self._columns[trace] = _Columns(part, self.capacity, self.width)
            end = at + sum(x.numel() for x in part.values())
            if trace in self._columns:
                self._columns[trace].source = vector.numpy()[at:end]
            at = end

    def names(self, trace: str) -> list[str]:
        """Names of the entries of a trace, such as "readout.weight[0,3]"."""
        columns = self._columns.get(trace)
        return columns.names if columns else []

    def total(self, trace: str) -> int:
        """How many entries a trace has, of which at most `width` are kept."""
        return self._columns[trace].total if trace in self._columns else 0

    def window(
        self, trace: str, last: int | None = None, entries: list[int] | None = None, most: int | None = None
    ) -> np.ndarray:
        """The last records of a trace, oldest first: (records, entries), or (records,) for a scalar.

        entries  positions of those wanted; None: all
        most     every second, third, … record, so that these are enough: those whose number is a multiple of it
        """
        n = len(self) if last is None else min(last, len(self))
        stride = 1 if most is None else max(1, -(-n // most))
        first = self.count - n
        rows = np.arange(first + -first % stride, self.count, stride) % self.capacity
        n = len(rows)
        scalars = ("step", "t", "loss", "hamiltonian", *SETTINGS)
        if trace in scalars:
            return self._scalars[rows, scalars.index(trace)] if self.count else np.empty(0)
        columns = self._columns.get(trace)
        return columns.rows(rows, entries) if columns else np.empty((n, 0))

    def trajectory(self) -> xarray.Dataset:
        """The record as an xarray.Dataset over time."""
        import xarray

        if not self.count:
            raise HLError("trajectory: got a Recorder without records, expected at least one; run some steps first.")
        data: dict[str, Any] = {name: ("time", self.window(name)) for name in ("loss", "hamiltonian", *SETTINGS)}
        coords: dict[str, Any] = {"time": self.window("t"), "step": ("time", self.window("step").astype(np.int64))}
        for trace in TRACES:
            if trace == "target" and trace not in self._columns:
                continue
            data[trace] = (("time", AXES[trace]), self.window(trace))
            coords[AXES[trace]] = np.asarray(self.names(trace), dtype=str)
        return xarray.Dataset(data, coords, attrs={"every": self.every, "records": len(self)})

    def truncate(self, keep: int) -> None:
        """Forget the newest records, keeping the oldest `keep` of those still held (to fork from the past)."""
        if not 0 <= keep <= len(self):
            raise bad("keep", keep, f"a number of records between 0 and {len(self)}")
        self.count -= len(self) - keep
        if self.count > keep:  # the ring has turned: what is kept moves to its beginning
            rows = np.arange(self.count - keep, self.count) % self.capacity
            for columns in self._columns.values():
                columns.data[:keep] = columns.data[rows]
            self._scalars[:keep] = self._scalars[rows]
            self.count = keep
        self._seen = self.count * self.every


class _Columns:
    """A ring of flat rows for one trace, at most `width` evenly sampled entries of it."""

    def __init__(self, tensors: dict[str, Tensor], capacity: int, width: int) -> None:
        self.total = sum(x.numel() for x in tensors.values())
        self.pick = None if self.total <= width else np.linspace(0, self.total - 1, width).round().astype(np.int64)
        kind = np.float64 if any(x.dtype == torch.float64 for x in tensors.values()) else np.float32
        self.data = np.full((capacity, min(self.total, width)), np.nan, kind)
        self.source = np.empty(0)  # where the next record lies
        shapes = [(name, tuple(x.shape)) for name, x in tensors.items()]
        self.names = _labels(shapes, range(self.total) if self.pick is None else self.pick.tolist())

    def write(self, slot: int) -> None:
        row = self.source
        if len(row) != self.total:  # another batch size: what fits, and nan for what is missing
            row = np.full(self.total, np.nan)
            row[: len(self.source)] = self.source[: self.total]
        self.data[slot] = row if self.pick is None else row[self.pick]

    def rows(self, rows: np.ndarray, entries: list[int] | None = None) -> np.ndarray:
        return self.data[rows] if entries is None else self.data[rows[:, None], entries]


def _labels(shapes: list[tuple[str, tuple[int, ...]]], wanted: Any) -> list[str]:
    """ "name[i,j]" of the wanted flat positions; a batch axis of length one and a lone scalar go unindexed."""
    labels: list[str] = []
    offset, queue = 0, list(shapes)
    name, shape = queue.pop(0)
    for position in wanted:
        while position - offset >= int(np.prod(shape)):
            offset += int(np.prod(shape))
            name, shape = queue.pop(0)
        index = np.unravel_index(position - offset, shape) if shape else ()
        labels.append(f"{name}[{','.join(str(int(i)) for i in index)}]" if index else name)
    return labels
