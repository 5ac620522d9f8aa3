"""The same experiment under many settings and seeds: what becomes of each run, as a table over the settings."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from numbers import Real
from typing import Any

import numpy as np
import torch

from ..declared import BaseSettings
from ..errors import MISTAKES, HLError, bad, first_line, known, whole
from ..experiments import Experiment
from ..law.point import PhasePoint
from ..law.sample import present
from ..records.columns import Dataset
from .apart import alone, in_processes, written
from .batches import Batch, walk
from .lanes import Lanes
from .traced import CPU

log = logging.getLogger("hlcore")
LANES = 512  # runs in one batch: more do not fit a core's cache
CROWD = 2**18  # runs in one batch on a GPU
FEW = 32  # runs in one batch of which it is not worth while to make two
Measure = Callable[[PhasePoint], Mapping[str, float] | float]


def sweep(
    experiment: Experiment,
    settings: Mapping[str, Sequence[float]],
    steps: int,
    seeds: int | Sequence[int] = 1,
    measure: Measure | None = None,
    resume: "Dataset | None" = None,
    device: torch.device | str = CPU,
) -> Dataset:
    """Run `experiment` for `steps` steps under every combination of `settings`, from every seed.

    settings  {name: values} of the experiment's learner; the others stay as the experiment has them
    seeds     how many, from the experiment's own on, or which
    measure   (the point that a run has reached) -> number, or {name: number}
    resume    what an interrupted sweep returned: go on from there, with the same bits
    device    where runs go side by side: "cuda" takes 262,144 of them in one batch; others go on the processor

    Over the settings and `seed`: `loss` (of the last step), `mean_loss` (over all steps), `diverged` (the step that
    would have written inf or nan, as `Diverged.step`; -1: none), `steps` (taken), and what `measure` gives. A run that
    has diverged is nan.

    Runs of `hlcore.Learner` go side by side: one pure step (`law.step`), batched by vmap. They are the single runs up
    to round-off: float64 to 1e-10, float32 to 1e-3 of the loss where no run magnifies round-off. Runs of other
    learners, and of a network, stream or β that the pure step does not take, go one after the other, long ones in a
    process a core where no `measure` is asked for; `attrs["way"]` says why.
    An interrupt (Ctrl-C, Jupyter's ■) ends the sweep and returns what there is, for `resume`.

    Raises HLError for an unknown setting, a bad value, and a `resume` of another sweep.
    """
    if not isinstance(experiment, Experiment):
        raise bad("sweep", type(experiment).__name__, "an Experiment", "hlcore.experiments.get('tracker-water-flow')")
    if measure is not None and not callable(measure):
        raise bad("measure", type(measure).__name__, "a function of the point that a run has reached")
    grid, there = _grid(experiment, settings), present(device)
    table = _Table(experiment, grid, whole("steps", steps), _seeds(experiment, seeds), measure, there)
    if resume is not None:
        table.take(resume)
    with _bar(table) as bar:
        try:
            for column in range(len(table.seeds)):
                if table.side_by_side(column, bar):
                    table.one_after_another(column, bar)
                    break
        except KeyboardInterrupt:
            done = int((table.found["steps"] >= table.steps).sum() + (table.found["diverged"] >= 0).sum())
            log.warning(
                "sweep: interrupted, %d of %d runs are done; go on with resume=", done, table.found["loss"].size
            )
    return table.dataset()


class _Apart(Exception):
    """Why runs cannot go side by side."""


class _Table:
    """What was found, (settings, seed), and how."""

    def __init__(
        self,
        experiment: Experiment,
        grid: dict[str, list[float]],
        steps: int,
        seeds: list[int],
        measure: Measure | None,
        device: torch.device,
    ) -> None:
        self.experiment, self.grid, self.seeds, self.measure = experiment, grid, seeds, measure
        length = experiment.stream.length
        self.steps, self.device = steps if length is None else min(steps, length), device
        self.settings = [
            experiment.settings.replace(**dict(zip(grid, c, strict=True))) for c in product(*grid.values())
        ]
        shape = len(self.settings), len(seeds)
        self.found = {name: np.full(shape, np.nan) for name in ("loss", "mean_loss")}
        self.found |= {"diverged": np.full(shape, -1), "steps": np.zeros(shape, np.int64)}
        self.phase = np.empty((*shape, 0))  # of runs that were interrupted
        self.why, self.processes = "", False

    def side_by_side(self, column: int, bar: Any) -> str:
        """The runs of one seed in batches; `why` not, in words, where they cannot."""
        batches: list[Batch] = []
        try:
            lanes = self._lanes(column)
            batches = [self._begun(lanes, rows, column) for rows in self._rows(column)]
            try:
                walk(batches, self.steps, bar)
            except MISTAKES as error:
                raise _Apart(first_line(error)) from error
            finally:
                for batch in batches:
                    self._write(batch, column)
        except _Apart as why:
            self.why = str(why)
            return self.why
        for batch in batches:
            bar.update(len(batch.rows) * (self.steps - batch.place.steps))
        return ""

    def _lanes(self, column: int) -> Lanes:
        try:
            lanes = Lanes(self.experiment, self.seeds[column], _varying(self.settings), self.steps, self.device)
            for k in range(self.steps):
                lanes.pure.sample(k)
        except HLError as error:
            raise _Apart(first_line(error)) from error
        return lanes

    def _rows(self, column: int) -> list[np.ndarray]:
        """Rows still to do, at most LANES (GPU: CROWD) together, that have come equally far; work for every thread."""
        taken, found = self.found["steps"][:, column], list[np.ndarray]()
        for far in np.unique(taken):
            rows = np.flatnonzero((taken == far) & (taken < self.steps) & (self.found["diverged"][:, column] < 0))
            pieces = -(-len(rows) // CROWD)
            if self.device == CPU:
                pieces = max(-(-len(rows) // LANES), min(torch.get_num_threads(), len(rows) // FEW))
            found += np.array_split(rows, pieces or 1) if len(rows) else []
        return found

    def _begun(self, lanes: Lanes, rows: np.ndarray, column: int) -> Batch:
        settings, far = [self.settings[i] for i in rows], int(self.found["steps"][rows[0], column])
        place = lanes.unpacked(settings, far, self.phase[rows, column]) if far else lanes.begin(settings)
        return Batch(lanes, rows, settings, place)

    def _write(self, batch: Batch, column: int) -> None:
        place, rows = batch.lanes.home(batch.place), batch.rows
        diverged = place.diverged.numpy()
        columns = {
            "loss": place.loss, "mean_loss": place.total / max(place.steps, 1), "diverged": diverged,
            "steps": np.where(diverged < 0, place.steps, diverged),
        }  # fmt: skip
        for name, values in columns.items():
            self.found[name][rows, column] = values
        if 0 < place.steps < self.steps:  # interrupted
            packed = batch.lanes.packed(place)
            if not self.phase.shape[2]:
                self.phase = np.full((*self.phase.shape[:2], packed.shape[1]), np.nan)
            self.phase[rows, column] = packed
        for i in range(len(rows) if place.steps == self.steps and self.measure is not None else 0):
            if diverged[i] < 0:
                self._measured(batch.lanes.point(place, i, batch.settings[i]), rows[i], column)

    def one_after_another(self, column: int, bar: Any) -> None:
        """Runs of this seed and the next by the learner itself, in processes if that is quicker.

        One that is interrupted begins anew.
        """
        left = np.argwhere((self.found["steps"] < self.steps) & (self.found["diverged"] < 0))
        left = left[left[:, 1] >= column]
        made = [self.experiment.replace(settings=self.settings[i], seed=self.seeds[k]) for i, k in left]
        texts = written(made, self.steps) if self.measure is None else []
        for which, became in in_processes(texts, self.steps) if texts else ((k, None) for k in range(len(left))):
            before = bar.n
            if became is None:
                became, learner = alone(made[which], made[which].seed, self.steps, bar.update)
                if self.measure is not None and became.diverged < 0:
                    self._measured(learner.point, *left[which])
            else:
                self.processes = True
            bar.update(self.steps - (bar.n - before))
            for name, value in (("loss", became.loss), ("mean_loss", became.total / max(became.steps, 1)),
                                ("diverged", became.diverged), ("steps", became.steps)):  # fmt: skip
                self.found[name][tuple(left[which])] = value

    def _measured(self, point: PhasePoint, row: int, column: int) -> None:
        assert self.measure is not None
        try:
            given = self.measure(point)
            given = {k: float(x) for k, x in (given if isinstance(given, Mapping) else {"measure": given}).items()}
        except MISTAKES as error:
            wanted = "a number of a point, or {name: number}"
            raise bad("measure", f"{type(error).__name__}: {first_line(error)}", wanted) from error
        for name, value in given.items():
            if name in ("loss", "mean_loss", "diverged", "steps", "phase", "seed", *self.grid):
                raise HLError(f"measure: got the name {name!r}, expected one that the sweep does not use.")
            self.found.setdefault(name, np.full(self.found["loss"].shape, np.nan))[row, column] = value

    def take(self, other: Dataset) -> None:
        """What an interrupted sweep of the same kind had found."""
        mine = self.dataset()
        same = getattr(other, "attrs", {}).get("of") == mine.attrs["of"] and "steps" in other
        if not same or any(k not in other.coords or not x.equals(other.coords[k]) for k, x in mine.coords.items()):
            raise bad("resume", "another sweep", "one of this experiment over these settings, seeds and steps")
        shape = self.found["loss"].shape
        for name, values in other.data_vars.items():
            if name == "phase":
                self.phase = values.values.reshape(*shape, -1).copy()
            else:
                self.found[str(name)] = values.values.reshape(shape).copy()

    def dataset(self) -> Dataset:
        """Over the settings and `seed`."""
        import xarray

        dims = [*self.grid, "seed"]
        shape = [len(values) for values in self.grid.values()] + [len(self.seeds)]
        data: dict[str, Any] = {name: (dims, x.reshape(shape)) for name, x in self.found.items()}
        taken = self.found["steps"]
        under_way = (taken > 0) & (taken < self.steps) & (self.found["diverged"] < 0)
        if under_way.any():
            rows = np.where(under_way[..., None], self.phase, np.nan)
            data["phase"] = ([*dims, "entry"], rows.reshape(*shape, -1))
        e = self.experiment
        told = (e.name, dict(e.options), e.dtype, e.learner_name, e.order, e.settings, self.steps)
        where = "" if self.device == CPU else f" on {self.device}"
        apart = f"one after the other{', in processes' * self.processes}: {self.why}"
        way = apart if self.why else f"side by side{where}, one step for all by vmap"
        return xarray.Dataset(data, self.grid | {"seed": self.seeds}, attrs={"of": repr(told), "way": way})


def _grid(experiment: Experiment, settings: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    if not isinstance(settings, Mapping) or not settings:
        raise bad("settings", repr(settings), "{name: values}", 'as in {"eta": [0.1, 0.3]}')
    found = {}
    for name, given in settings.items():
        known("setting", name, experiment.settings.about())
        try:
            values = [float(x) for x in given if isinstance(x, (Real, np.number)) and not isinstance(x, bool)]
        except TypeError:
            values = []
        if not values or len(values) < len(list(given)) or len(set(values)) < len(values):
            raise bad(name, repr(given), "a sequence of numbers, none twice")
        found[name] = values
    return found


def _seeds(experiment: Experiment, seeds: int | Sequence[int]) -> list[int]:
    if isinstance(seeds, (list, tuple, range, np.ndarray)):
        found = [whole("seed", seed, 0) for seed in seeds]
        if not found or len(set(found)) < len(found):
            raise bad("seeds", repr(seeds), "at least one, none twice")
        return found
    return list(range(experiment.seed, experiment.seed + whole("seeds", seeds)))


def _scheduled(settings: BaseSettings) -> list[str]:
    return [name for name in settings.about() if callable(getattr(settings, name))]


def _varying(settings: list[BaseSettings]) -> list[str]:
    """The numbers in force that are not the same in all, or move with time."""
    numbers = [c.at(0.0) for c in settings]
    apart = [
        name for name in settings[0].about() if any(getattr(c, name) != getattr(numbers[0], name) for c in numbers)
    ]
    return sorted({*apart, *_scheduled(settings[0])})


def _bar(table: _Table) -> Any:
    """Steps done, in a terminal or a notebook; silent elsewhere."""
    from tqdm.auto import tqdm

    shown = "ipykernel" in sys.modules or sys.stderr.isatty()
    return tqdm(total=table.found["loss"].size * table.steps, unit="step", leave=False, disable=not shown)
