"""A bounded record of a trajectory."""

import copy
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..declared import BaseSettings
from ..errors import HLError, bad, first_line, kind, whole
from ..law.sample import Sample
from .columns import Columns, Dataset, dataset, ring

SCALARS = ("step", "t", "loss", "hamiltonian")  # kept beside the settings in force
ANSWERS = {"output": "channel", "target": "channel_target"}  # kept beside the learner's quantities: their axes


class Recorder:
    """Keeps every `every`-th step, the last `capacity` of them; memory is bounded by capacity * width.

    width  the most entries kept of each quantity, of output and target; a wider one is sampled evenly

    Each record holds the learner's quantities (of HL h, z, θ, ω) after the step, and the loss, H', output, target and
    settings of the step.
    """

    def __init__(self, every: int = 1, capacity: int = 10_000, width: int = 1024) -> None:
        self.every, self.capacity = whole("Recorder every", every), whole("Recorder capacity", capacity)
        self.width = whole("Recorder width", width)
        self.clear()

    def clear(self) -> None:
        self.count = 0  # records made, of which the last `capacity` are kept
        self._gone = 0  # those that are not there any more, though there is room
        self.classes = False  # whether targets are classes, not values
        self.axes: dict[str, str] = {}  # {quantity: its axis}, output and target too
        self.settings: list[str] = []  # names of the settings
        self._seen = 0
        self._columns: dict[str, Columns] = {}
        self._scalars = np.empty((0, 0))
        self._row: list[float] = []
        self._in_force: BaseSettings | None = None  # those that `_row` tells
        self._shapes: list[torch.Size] | None = None  # of the tensors of a record, which `_views` take up
        self._views: list[Tensor] = []

    def __len__(self) -> int:
        return self.count - max(self._gone, self.count - self.capacity)

    def record(self, learner: Any, report: Any, sample: Sample | None = None) -> int | None:
        """Take down where `learner` is after the step that gave `report`; in which row, None for a step not kept."""
        try:
            answers = report.output, None if sample is None else sample.target
            self._seen += 1
            if (self._seen - 1) % self.every:
                return None
            traced = learner.traced()
        except AttributeError as error:
            raise bad("record", first_line(error), "a learner, the report of its step, and the sample") from error
        parts = {name: traced[name] for name in learner.quantities}
        output, target = answers
        parts["output"] = {"y": output}
        parts["target"] = {"target": target} if isinstance(target, Tensor) else {}
        if not self.count:
            self.settings = list(learner.settings.about())
            self.axes = {name: quantity.axis for name, quantity in learner.quantities.items()} | ANSWERS
            self._scalars = np.full((self.capacity, len(SCALARS) + len(self.settings)), np.nan)
        slot = self.count % self.capacity
        tensors = [x.cpu() for part in parts.values() for x in part.values()]
        if (shapes := [x.shape for x in tensors]) != self._shapes:
            self._shapes = shapes
            self._lay_out(parts, tensors)
        with torch.no_grad():
            torch._foreach_copy_(self._views, tensors)  # one call for all: a record costs a tenth of a step
        for columns in self._columns.values():
            columns.write(slot)
        dt = None if sample is None else sample.dt
        settings = learner.settings
        if settings is not self._in_force or dt is not None:
            self._tell(settings, report.t, dt)
        self._scalars[slot, :4] = learner.steps, report.t, report.loss, report.hamiltonian
        self._scalars[slot, 4:] = self._row
        self.count += 1
        return slot

    def _tell(self, settings: BaseSettings, t: float, dt: float | None) -> None:
        """The numbers in force in the step that reached t; read again at each step where they may change by then."""
        names = list(settings.about())
        if names != self.settings:
            raise bad("Recorder", f"settings {names}", f"those it has begun with, {self.settings}", "use another one")
        moving = dt is not None or any(callable(getattr(settings, name)) for name in names)
        self._in_force = None if moving else settings
        self._row = settings.numbers(t - settings.at(t, dt).tau, dt)

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
                self._columns[trace] = Columns(part, self.capacity, self.width)
            if trace in self._columns:
                end = at + sum(x.numel() for x in part.values())
                self._columns[trace].source, at = vector.numpy()[at:end], end

    def names(self, trace: str) -> list[str]:
        """Names of the entries of a trace, such as "readout.weight[0,3]"."""
        return self._columns[trace].names if self._has(trace) else []

    def total(self, trace: str) -> int:
        """How many entries a trace has, of which at most `width` are kept."""
        return self._columns[trace].total if self._has(trace) else 0

    def _has(self, trace: str) -> bool:
        return kind("trace", trace, str, "the name of a trace") in self._columns

    def window(
        self, trace: str, last: int | None = None, entries: list[int] | None = None, most: int | None = None
    ) -> np.ndarray:
        """The last records of a trace, oldest first: (records, entries), or (records,) for a scalar.

        entries  positions of those wanted; None: all
        most     every second, third, … record, so that these are enough: those whose number is a multiple of it
        """
        n = len(self) if last is None else min(whole("last", last, 0), len(self))
        stride = 1 if most is None else max(1, -(-n // whole("most", most)))
        first = self.count - n
        rows = np.arange(first + -first % stride, self.count, stride) % self.capacity
        scalars = (*SCALARS, *self.settings)
        if isinstance(trace, str) and trace in scalars:
            return self._scalars[rows, scalars.index(trace)] if self.count else np.empty(0)
        if not self._has(trace):
            return np.empty((len(rows), 0))
        data = self._columns[trace].data
        if entries is None or stride > 1:
            return data[rows] if entries is None else data[rows[:, None], entries]
        begin, end = first % self.capacity, (self.count - 1) % self.capacity + 1  # whole stretches of the ring: quick
        parts = [(begin, end)] if n and begin < end else [(begin, self.capacity), (0, end)] if n else []
        return np.concatenate([data[:0, entries], *(data[a:b, entries] for a, b in parts)])

    def trajectory(self) -> Dataset:
        """The record as an xarray.Dataset over time."""
        if not self.count:
            raise HLError("trajectory: got a Recorder without records, expected at least one; run some steps first.")
        scalars = {name: self.window(name) for name in (*SCALARS, *self.settings)}
        traces = {name: self.window(name) for name in self.axes if name != "target" or name in self._columns}
        names = {name: self.names(name) for name in traces}
        return dataset(scalars, traces, names, self.axes, every=self.every, records=len(self))

    def until(self, step: int) -> Self:
        """The record as it was after that step, to be read before this one goes on: it shares its memory."""
        step, past = whole("step", step, 0), copy.copy(self)
        past._gone = self.count - len(self)
        past.count = past._gone + int(np.searchsorted(self.window("step"), step, "right"))
        return past

    def copied(self, capacity: int) -> Self:
        """A record of its own that holds the last `capacity` of these and goes on."""
        other, kept = copy.copy(self), min(len(self), whole("capacity", capacity))
        rows = np.arange(self.count - kept, self.count) % self.capacity
        other.capacity, other.count, other._gone, other._seen = capacity, kept, 0, kept * self.every
        other.axes, other._shapes, other._in_force = dict(self.axes), None, None
        other._columns = {trace: columns.copied(capacity, rows) for trace, columns in self._columns.items()}
        other._scalars = ring(capacity, self._scalars, rows)
        return other

    def truncate(self, keep: int) -> None:
        """Forget the newest records, keeping the oldest `keep` of those still held (to fork from the past)."""
        if whole("keep", keep, 0) > len(self):
            raise bad("keep", keep, f"a number of records between 0 and {len(self)}")
        self.count -= len(self) - keep
        if self.count > keep:  # the ring has turned: what is kept moves to its beginning
            rows = np.arange(self.count - keep, self.count) % self.capacity
            for columns in self._columns.values():
                columns.data[:keep] = columns.data[rows]
            self._scalars[:keep] = self._scalars[rows]
            self.count = keep
        self._seen = self.count * self.every
