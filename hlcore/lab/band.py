"""The tangent band: how y and L would move if the dial that was touched last were a little different."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import torch

from ..errors import Diverged, HLError, bad, whole
from ..experiments import Experiment
from ..records.columns import Dataset
from ..runs.run import Run
from ..runs.sensitivity import carried
from ..runs.traced import PureStep
from ..words import tr
from .aside import Aside
from .figures.time_rows import SMOOTH, Band, smooth
from .panel import Panel

BEHIND, AHEAD = 250, 250  # steps
PART = 0.1  # of the value in force: the small step


class Start(NamedTuple):
    """Where a band begins: experiment, settings in force, step, time, (θ, ω, h, z) or None at 0, the losses before."""

    experiment: Experiment
    step: int
    t: float
    phase: tuple[dict[str, torch.Tensor], ...] | None
    losses: np.ndarray


def begin(run: Run, behind: int) -> Start:
    """So many steps before the run's point, but after its last change and whatever was put by hand."""
    now = run.learner.steps
    first = max([now - behind, 0, *(at for at, _ in run.changes), *(at + 1 for at in run.placed if at < now)])
    there = run if first == now else run.at(first)
    point, recorder = there.learner.point, run.recorder
    losses = recorder.window("loss")[recorder.window("step") <= first][-SMOOTH:]
    parts = tuple({k: x.clone() for k, x in part.items()} for part in (point.theta, point.omega, point.h, point.z))
    experiment = run.experiment.replace(seed=run.seed, settings=run.settings)
    return Start(experiment, first, point.t, parts if first else None, losses)


def band(start: Start, setting: str, steps: int) -> Iterator[Band]:
    """The band of so many steps, to the first order: curve ± d/d(setting) · PART of its value."""
    pure = PureStep(start.experiment, start.experiment.seed)
    value = start.experiment.settings.in_force(setting)
    rows = []
    try:
        for _, at, _, taken, d in carried(pure, setting, steps, start.step, start.t, start.phase):
            rows.append(
                [at, *(float(x.flatten()[0]) for x in (taken.output, d.output)), float(taken.loss), float(d.loss)]
            )
    except Diverged:  # as far as it goes
        pass
    t, y, dy, L, dL = np.array(rows).reshape(-1, 5).T
    mean = smooth(np.concatenate([start.losses, L]), len(L))
    slope = smooth(np.concatenate([np.zeros(len(start.losses)), dL]), len(L))
    about = start.experiment.settings.about()[setting]
    small = PART * value if value else PART
    told = f"{about.letter} ± {PART:.0%}" if value else f"{about.letter} ± {PART:g}"
    yield Band(told, t, {"y": (y, small * dy), "L": (mean, small * slope)})


class Banded(Panel):
    """A panel whose curves can have a tangent band: `run` is the run, `time.past` where the cursor stands."""

    run: Run
    time: Any
    view: Any
    _touched: str

    def _band_switch(self) -> W.ToggleButton:
        """The button; what it needs to be obeyed."""
        tip = tr("while it rests: where y and L would go if the dial touched last were a tenth more or less")
        self._banded = W.ToggleButton(description=tr("which way?"), tooltip=tip, layout=W.Layout(width="auto"))
        self._quiet.observe(self._banded, lambda on: self._loop.post("which way", on))
        self._aside, self._band_of = Aside("band", self._loop.post), None
        self.owns(self._aside)
        return self._banded

    _band_of: Any = None

    def band(self, setting: str = "", behind: int = BEHIND, ahead: int = AHEAD) -> Dataset:
        """y and L about the cursor, and d/d(setting) of both in forward mode (`hlcore.sensitivity`), an xarray.Dataset.

        d = 0 at most `behind` steps before the cursor, or where a setting was last changed: from there on the setting
        is thought to be a little different. Over time: y, dy, loss, dloss (means of 100); unit of d…: that of the
        quantity over that of the setting. Shown as curve ± a tenth of the setting's value times its derivative.

        setting  the one that was touched last if none is given

        Raises HLError as `sensitivity` does, and where no setting was touched.
        """
        import xarray

        setting = setting or self._touched
        if not setting:
            raise bad("band", "no setting", "one, or a dial that was touched", 'cockpit.band("eta")')
        seen = self.time.past or self.run
        start = begin(seen, whole("behind", behind, 0))
        (found,) = band(start, setting, seen.learner.steps - start.step + whole("ahead", ahead, 0))
        self._show_band(found)
        value = start.experiment.settings.in_force(setting)
        small = PART * value if value else PART
        data = {"y": found.curves["y"][0], "dy": found.curves["y"][1] / small,
                "loss": found.curves["L"][0], "dloss": found.curves["L"][1] / small}  # fmt: skip
        coords = {"time": found.t}
        return xarray.Dataset({k: ("time", x) for k, x in data.items()}, coords, attrs={"by": setting, "at": value})

    def follow_band(self) -> None:
        """Begin the band that belongs to where the cursor stands, in a process of its own, while the run rests."""
        seen = self.time.past or self.run
        of = (id(seen.experiment), seen.seed, seen.settings, seen.learner.steps, self._touched)
        if not self._banded.value or self.playing or not self._touched or not len(seen.recorder):
            if self._banded.value:
                self.view.band = self._band_of = None
            return
        if of == self._band_of:
            return
        self._band_of, self.view.band = of, None
        try:
            start = begin(seen, BEHIND)
            PureStep(start.experiment, start.experiment.seed)  # those that have no pure step say so at once
            self._aside.begin(band, start, self._touched, seen.learner.steps - start.step + AHEAD)
        except HLError as error:
            self.warn(str(error))

    def band_commands(self) -> dict[str, Any]:
        """What its messages do."""

        def switch(on: bool) -> None:
            self._band_of = self.view.band = None
            if not on:
                self._aside.stop()

        return {
            "which way": switch,
            "band": self._show_band,
            "band done": lambda _: None,
            "band failed": self.warn,
        }

    def _show_band(self, found: Band) -> None:
        self.view.band = found
        self.draw()
