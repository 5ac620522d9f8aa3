"""A survey of two settings: what becomes of a run under each pair, as a map; a click lets that run play beside."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np

from ..declared import About
from ..errors import bad, known, whole
from ..experiments import Experiment, differing
from ..records.columns import Dataset
from ..runs.run import Run
from ..runs.sweep import sweep
from ..studies.stability_border import border
from ..words import tr
from .aside import Aside
from .figures.settings_map import SettingsMap
from .panel import Panel
from .screen import Parts, tab
from .widgets import button, menu, row

DECADES = 2.0  # to both sides of the value in force, of a logarithmic setting
LEVELS = (9, 17, 33)  # values of each setting, the coarse map first
STEPS = 300
SHOWN = {"mean loss": "mean_loss", "last loss": "loss", "step of divergence": "diverged"}


class Level(NamedTuple):
    """A map as far as it is: the table of `hlcore.sweep`, and the border as `studies.stability_border` has it."""

    table: Dataset
    says: str
    border: np.ndarray


def values(about: About, value: float, points: int) -> list[float]:
    """Values of a setting about the one in force: DECADES to both sides, or its slider's span."""
    if about.scale == "log":
        middle = math.log10(value) if value > 0 else -1.0
        return [float(f"{10**e:.6g}") for e in np.linspace(middle - DECADES, middle + DECADES, points)]
    low, high = min(about.span[0], value), max(about.span[1], value)
    return [float(f"{x:.6g}") for x in np.linspace(low, high, points)]


def surveyed(experiment: Experiment, names: tuple[str, str], steps: int, points: int) -> Level:
    """The runs from the experiment's seed over points × points pairs, and the border between them."""
    settings, about = experiment.settings, experiment.settings.about()
    x, y = (values(about[name], settings.in_force(name), points) for name in names)
    table = sweep(experiment, dict(zip(names, (x, y), strict=True)), steps, [experiment.seed])
    return Level(table, *border(experiment, names[0], x, names[1], y))


def levels(experiment: Experiment, names: tuple[str, str], steps: int) -> Iterator[Level]:
    """The same map, finer and finer."""
    for points in LEVELS:
        yield surveyed(experiment, names, steps, points)


class Survey:
    """The tab of the map: two menus of settings, what the colour is, how many steps, and the picture.

    found  the map that is shown     of  the experiment it is a map of: settings and seed of the run then
    """

    def __init__(self, post: Any, quiet: Any, parts: Parts) -> None:
        self.found: Level | None = None
        self.of: Experiment | None = None
        self._post, self._quiet = post, quiet
        self.aside = Aside("map", post)
        self._menus = [menu([], width="31%", tooltip=tip) for tip in ("to the right", "upwards")]
        self._shown = menu(SHOWN.items(), width="34%", tooltip="what the colour is")
        self.steps = W.BoundedIntText(
            value=STEPS, min=1, max=100_000, tooltip=tr("steps"), layout=W.Layout(width="5em")
        )
        self._begin = button("Map", "", lambda: post("survey", not self.aside.working))
        self._told = W.HTML()
        self.picture = SettingsMap()
        quiet.observe(self._shown, partial(post, "survey shown"))
        quiet.observe(self.picture, self._visit, "spot")
        head = [row([*self._menus, self._shown]), row([self._begin, self.steps, W.Label(tr("steps")), self._told])]
        parts.tabs["map"] = tab([*head, self.picture], "portrait")
        self._say()

    @property
    def names(self) -> tuple[str, str]:
        """The settings on the menus."""
        return self._menus[0].value, self._menus[1].value

    def offer(self, run: Run) -> None:
        """Settings that are numbers, on both menus; η and β first, where there are such."""
        settings = run.settings
        free = {
            about.letter: name
            for name, about in settings.about().items()
            if about.scale in ("log", "linear") and isinstance(settings.in_force(name), float)
        }
        of, now = self.of, run.experiment
        stale = of is not None and (of.name, of.options, of.dtype) != (now.name, now.options, now.dtype)
        if stale or list(free.items()) != list(self._menus[0].options):
            self.stop()
            self.found = self.of = None
            first = [name for name in ("eta", "beta") if name in free.values()]
            first = [*first, *(name for name in free.values() if name not in first)]
            with self._quiet:
                for k, one in enumerate(self._menus):
                    one.options = list(free.items())
                    one.value = first[min(k, len(first) - 1)] if first else None
                self.picture.plan, self.picture.cells = {}, b""

    def begin(self, run: Run) -> None:
        """Make the map in a process of its own, the coarse one first; each level is posted as "map"."""
        self._ready(run, *self.names)
        self.stop()
        self.aside.begin(levels, self.of, self.names, self.steps.value)
        self._say("begins …")

    def stop(self) -> None:
        """Stop where it is."""
        self.aside.stop()
        self._say()

    def take(self, level: Level) -> None:
        """A level came."""
        self.found = level
        self.draw()
        self._say()

    def make(self, run: Run, x: str, y: str, steps: int, points: int) -> Level:
        """The map here and now."""
        self._ready(run, x, y)
        assert self.of is not None
        self.take(surveyed(self.of, (x, y), steps, whole("points", points, 2)))
        assert self.found is not None
        return self.found

    def failed(self, words: str) -> None:
        """It broke off."""
        self.stop()
        raise bad("map", words, "settings under which the run can begin")

    def draw(self) -> None:
        """Show what was found, in the colours of what was asked for."""
        if self.found is None or self.of is None:
            return
        table, about = self.found.table, self.of.settings.about()
        x, y = (str(name) for name in list(table.dims)[:2])
        across, up = [{"letter": about[name].letter, "values": table[name].values.tolist(),
                  "log": about[name].scale == "log"} for name in (x, y)]  # fmt: skip
        shown = self._shown.value
        cells = table[shown].values[..., 0].astype(float)
        blank = "diverged" if shown != "diverged" else "never"
        cells = np.where(cells < 0, np.nan, cells) if shown == "diverged" else cells
        self.picture.show(across, up, cells, self._shown.label, tr(blank), self.found.border, tr(self.found.says))

    def mark(self, run: Run, beside: dict[str, Run]) -> None:
        """Show on the map where this run is, and those beside it, in their inks."""
        if self.found is None:
            return
        x, y = (str(name) for name in list(self.found.table.dims)[:2])
        here = [
            [one.settings.in_force(x), one.settings.in_force(y), k] for k, one in enumerate([run, *beside.values()])
        ]
        self.picture.mark(here[0][:2], here[1:])

    def _ready(self, run: Run, *names: str) -> None:
        for name in names:
            known("setting", name, [name for _, name in self._menus[0].options])
        if len(set(names)) < 2:
            raise bad("map", f"{names[0]} twice", "two settings")
        self.of = run.experiment.replace(seed=run.seed, settings=run.settings)
        self._menus[0].value, self._menus[1].value = names

    def _visit(self, spot: Any) -> None:
        if self.found is not None and len(spot) == 3:
            table = self.found.table
            names = [str(name) for name in list(table.dims)[:2]]
            self._post("visit", {n: float(table[n].values[k]) for n, k in zip(names, spot, strict=False)})

    def _say(self, words: str = "") -> None:
        self._begin.description = tr("Stop" if self.aside.working else "Map")
        tip = "what is found stays" if self.aside.working else "run it under every pair, in a process of its own"
        self._begin.tooltip = tr(tip)
        if not words and self.found is not None:
            shape, steps = self.found.table["loss"].shape, int(self.found.table["steps"].max())
            words = f"{shape[0]} × {shape[1]} runs of {steps:,}"
        self._told.value = tr(words)

    def close(self) -> None:
        """End the process and the picture."""
        self.aside.close()
        self.picture.close()


class Surveyed(Panel):
    """A panel whose run can be set beside all its neighbours: `run` is the run, `survey` the tab of the map."""

    run: Run
    survey: Survey
    time: Any
    walked: Any

    def map(self, x: str = "eta", y: str = "beta", steps: int = STEPS, points: int = LEVELS[1]) -> Dataset:
        """`hlcore.sweep` of this run over settings x and y, about those in force, from its seed and step 0; drawn, too.

        points  values of each setting, four decades about a logarithmic one

        The border on the map is that of `studies.stability_border`: where τη = 2 for ω, E*4; for temporal differences
        where a step of the mean grows. The button makes the same map in a process of its own, while the run plays.
        """
        return self.survey.make(self.run, x, y, steps, points).table

    def visit(self, **settings: float) -> str:
        """A run from step 0 with these settings, the others as the map has them; it goes on beside this one.

        Returns its name among `forks`.
        """
        of = self.run.settings if self.survey.of is None else self.survey.of.settings
        wanted = of.replace(**settings)
        about = wanted.about()
        name = ", ".join(f"{about[k].letter} = {x:.3g}" for k, x in settings.items())
        if name in self.time.tree.made:  # again
            self.time.tree.delete(name)
        fork = self.time.grow(0, name=name, **differing(self.run.start, wanted))
        self.walked()
        return str(fork.name)

    def survey_commands(self) -> dict[str, Any]:
        """What the messages of the map do."""
        return {
            "survey": lambda on: self.survey.begin(self.run) if on else self.survey.stop(),
            "survey shown": lambda _: self.survey.draw(),
            "map": self.survey.take,
            "map done": lambda _: self.survey.stop(),
            "map failed": self.survey.failed,
            "visit": lambda settings: self.visit(**settings),
        }
