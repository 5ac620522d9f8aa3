"""The Cockpit: a run with its controls, its figures and its words."""

import html
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import ipywidgets as W

from .. import learners
from ..errors import HLError, bad, whole
from ..experiments import Experiment
from ..law.settings import BaseSettings
from ..runs.forks import Forks
from ..runs.run import Run
from . import equations
from .band import Banded
from .by_hand import ByHand
from .controls import Controls
from .figures.figure import View
from .figures.gallery import Gallery
from .figures.phase import PhasePortrait, axes
from .figures.time_rows import TimeRows
from .keeping import Keeping
from .opening import OPENING, Opening
from .pace import Pace
from .races import Raced
from .runs_table import Runs, RunsTable
from .screen import FullScreen, Parts, beside, place, tab
from .survey import Survey, Surveyed
from .term_notes import Terms
from .time_line import TimeLine, Walked
from .widgets import row


class Cockpit(Walked, Surveyed, Runs, Raced, Banded, ByHand):
    """The panel of an experiment: play it, change its Hamiltonian while it learns, and see all it moves.

    controls  names of the controls to show beside Play and its kin ("eta", "beta", "presets", ...); None: all
    figures   what is drawn beside the curves and the phase portrait: instances or classes of `Figure`, any number
    opening   how many of its first steps a run shows before it begins, pale, and as soon as a browser looks; 0: none
    Every control has a twin to call: play, pause, step, reset, set, settings, back, race, pin, state_string, ...
    `figures` is the list of all that are drawn at every frame; append what else has a `frame(run, view)`.
    `parts` are the places for whatever else is to be seen, see `screen.Parts`.
    """

    def __init__(
        self,
        experiment: Experiment | Run,
        controls: list[str] | None = None,
        figures: Sequence[Any] | None = None,
        opening: int = OPENING,
    ) -> None:
        if not isinstance(experiment, (Experiment, Run)):
            wanted = "hlcore.experiments.get('tracker-water-flow')"
            raise bad("Cockpit", type(experiment).__name__, "an Experiment", wanted)
        super().__init__()
        self.run = experiment if isinstance(experiment, Run) else Run(experiment)
        self.view, self._pace, self._only, self.opening = View(), Pace(), controls, Opening(opening)
        self._touched, self._named = "", False
        self._title, self._law, self._summary = W.HTML(), W.HTML(), W.HTML()
        self._rows, self._phase = TimeRows(), PhasePortrait()
        self._keeping = Keeping(self, lambda text: setattr(self._controls.text, "value", text), self._rows.save)
        self.figures = Gallery([self._rows, self._phase], figures or ())
        self.parts, self._full, self._terms = Parts(), FullScreen(), Terms()
        self.time = TimeLine(self._loop.post, self._quiet, self.parts)
        self.table = RunsTable(lambda what, name: self._loop.post(f"run {what}", name))
        write = self.button("CSV table", "Write this table into a file beside the notebook", "runs csv")
        self.parts.tabs["runs"] = tab([self.table, row([write])])
        self.survey = Survey(self._loop.post, self._quiet, self.parts)
        self.owns(self.figures, self._full, self._terms, self.survey, self.table)
        self.parts.switches.append(self._band_switch())
        self._build()
        for trait in ("picked", "room", "rows"):
            self._quiet.observe(self._rows.widget, partial(self._loop.post, trait), trait)
        self._rows.widget.on_msg(lambda _, told, __: self._loop.post("picked", told.get("picked")))
        self._quiet.observe(self._phase.widget, partial(self._loop.post, "start from"), "spot")
        self._show_all()

    # ---- what a program calls ----------------------------------------------------------------------------------------

    @property
    def settings(self) -> Any:
        """The settings in force."""
        return self.run.settings

    session = property(lambda self: self.run, doc="The run behind the panel, by its older name.")

    def set(self, **changes: Any) -> Self:
        """Change settings, from the next step on; an unknown name or a bad value is an HLError."""
        self._apply(changes)
        return self

    def step(self, n: int = 1) -> Self:
        """Take n steps now."""
        return self._taken(partial(self.run.step, whole("n", n)))

    def reset(self, seed: int | None = None) -> Self:
        """Back to step 0 with the settings in force, from the same seed or another."""
        self._rest()
        self.keep()
        self._far = 0
        self.run.reset(seed)
        return self._show_all()

    def back(self, t: float) -> Self:
        """Back to the step that reached time t (on record), to go on from there with other settings."""
        times = self.run.recorder.window("t")
        if not len(times) or not times[0] <= t <= times[-1] + 1e-9:
            span = f"a time between {times[0]:g} and {times[-1]:g}" if len(times) else "a run that has begun"
            raise bad("back", f"t = {t:g}", span, "the record goes back no further")
        self._rest()
        self.run.back(int(self.run.recorder.window("step")[times.searchsorted(t + 1e-9) - 1]))
        return self._show_all()

    def trajectory(self) -> Any:
        """The record so far, an xarray.Dataset."""
        return self.run.trajectory()

    def page(self, path: Any) -> Any:
        """Write what was recorded, forks too, as a page of one file, to be mailed or handed in; returns its path."""
        from ..page import run_page

        return run_page.write(self.run, path, self.time.tree)

    def state_string(self) -> str:
        """This run and its forks in one line."""
        return str(self.time.tree.state_string())

    @classmethod
    def from_state(cls, text: str, controls: list[str] | None = None, figures: Sequence[Any] | None = None) -> Self:
        """The panel of a state string, at the very same point."""
        tree = Forks.from_state(text)
        return cls(tree.trunk, controls, figures).grown(tree)

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Learn for about so long, or as much as the chosen speed allows."""
        self._pace.learn(self.run.learn, seconds)
        self.time.tree.catch_up(seconds)
        if self._pace.since > 0.25:
            self.refresh_status()

    def draw(self) -> None:
        """Show the record as it stands, in every figure; one that raises is told, and drawn no more."""
        if len(self.run.recorder) and not self._named:
            self._named = True
            self._controls.name_units(self.run.recorder.names, self.view.units, axes(self.run))
        self.view.marks, self.view.playing = equations.marks(self.run), self.playing
        if self._rows.arrangement.room:  # a browser looks
            self.view.opening = None if self.asked else self.opening.before(self.run)
        self.view.past, self.view.forks = self.time.past, self.forks()
        self.survey.mark(self.run, self.view.forks)
        self._rows.arrangement.sparse = self.figures.instead
        self.figures.draw(self.run, self.view, self.warn)
        self._controls.rows.show(self._rows.arrangement.seats)

    def refresh_status(self) -> None:
        """Bring the words up to date."""
        self._pace.count(self.run.learner.steps, self.playing)
        super().refresh_status()
        self._keeping.keep(resting=not self.playing)
        self.time.show(self.run)
        self.show_runs()
        self.follow_band()
        if self.run.dt is not None and self.time.past is None:
            self._law.value = equations.law(self.run, self._touched)
        self._terms.tell(self.time.past or self.run)
        self._summary.value = html.escape(equations.summary(self.run))
        self._summary.layout.display = "none" if self._alarm.value else "block"  # they share a line: nothing jumps

    def words(self) -> str:
        """The run in one sentence."""
        return equations.summary(self.run)

    def status(self) -> str:
        """Step, time, seed, and while it plays how fast."""
        learner = self.run.learner
        text = f"step {learner.steps:,} · t {learner.t:.2f} · seed {self.run.seed}"
        speed = f" · {self._pace.rate:,.0f} steps/s · {self._loop.frame_rate:.0f} frames/s"
        return f"playing · {text}{speed}" if self.playing else f"paused · {text}"

    def alarm(self) -> str:
        """What stopped the run, or what a control complains of."""
        error = self._loop.error
        return equations.stopped(error, self.run) if error else super().alarm()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """The controls that this learner has, what their messages do, and where all lies."""
        learner, post, rivals = self.run.learner, self._loop.post, learners.names()
        self._controls = controls = Controls(self.settings, post, self._quiet, self._only, learner.quantities, rivals)
        self.view.units = {name: [0, 1] for name in learner.quantities}
        self.commands |= self._hands() | {
            "step": self.step,
            "reset": lambda _: self.reset(),
            "new seed": lambda _: self.reset(self.run.seed + 1),
            "preset": self._choose,
            "speed": partial(setattr, self._pace, "speed"),
            "room": partial(setattr, self._rows.arrangement, "room"),
            "rows": lambda told: self._rows.arrangement.change(**told),
            "back": lambda _: None if (t := self._rows.widget.picked) is None else self.back(t),
            **self._keeping.commands(),
            **self.walk_commands(),
            **self.race_commands(),
            **self.survey_commands(),
            **self.runs_commands(),
            **self.band_commands(),
            **{name: partial(setattr, self.view, name) for name in ("window", "maps", "phase")},
            **{f"set {name}": partial(self._turn, name) for name in controls.dials},
            **{f"units {name}": partial(self.view.units.__setitem__, name) for name in controls.units},
        }
        bar = [self._keeping.again, *controls.transport(self._play), self._full]
        tabs = (
            {"portrait": tab([controls.phase, self._phase.widget], "portrait")}
            | controls.tabs(self.parts.switches)
            | self.parts.tabs
        )
        side = place("side", beside(controls.chosen(*controls.dials), tabs))
        main = [self.figures.place, self._rows.widget, *self.parts.under, self._gate]
        screen = [
            place("head", [self._title, *controls.chosen("presets")]),
            place("bar", bar),
            *self.parts.bar,
            place("law", [self._law, self._terms]),
            place("words", [self._status, self._alarm, self._summary]),
            self.figures.front,
            place("body", [side, place("main", main)]),
        ]
        self.children = [place("screen", screen), *self.parts.below]

    def _show_all(self) -> Self:
        """Everything anew: title, settings, figures, words."""
        self._controls.offer(self.run.experiment.presets)
        self.survey.offer(self.run)
        self.time.renew(self.run)
        self._show_race()
        self.pick(None)
        return self.shown()

    def _show_settings(self, source: dict[str, str] | None = None) -> None:
        seen = self.time.past or self.run
        self._controls.show(seen.settings.replace(**self.time.pending), source)
        self._law.value = equations.law(seen, self._touched, self.time.past is not None)

    def _apply(self, changes: dict[str, Any], source: dict[str, str] | None = None) -> None:
        try:
            real = self.run.set(**changes)
        except HLError:
            self._controls.show(self.settings)  # back to the good value
            raise
        self._touched = next(iter(real), self._touched) if len(real) == 1 else ""
        self._show_settings(source)

    def _turn(self, name: str, told: tuple[str, Any]) -> None:
        """A dial was turned: which part of it, and to what."""
        if self.time.past is None:
            return self._apply({name: told[1]}, {name: told[0]})
        self._touched = self.time.wait_for_fork(name, told[1])
        self.walked()

    def _choose(self, preset: str | None) -> None:
        """The settings of the experiment, with those of a preset."""
        if preset is not None:
            start: BaseSettings = self.run.experiment.settings
            changes = dict(self.run.experiment.presets[preset])
            self._apply({name: getattr(start, name) for name in start.about()} | changes)

    def walked(self) -> Self:
        """Show where the cursor stands."""
        t = None if self.time.past is None else self.time.past.learner.t
        self._controls.show_picked(t)
        with self._quiet:
            self._rows.widget.picked = t
        self._show_settings()
        return self.shown()

    def _rest(self) -> None:
        self._loop.pause()
        self._loop.error = None

    def adopt(self, run: Run, keep: bool = True) -> None:
        """Another run in the place of this one, which is kept in the table; its learner may have other controls."""
        self._rest()
        if keep:
            self.keep()
        before, self.run, self._named, self._touched = self.run, run, False, ""
        if type(run.learner) is not type(before.learner):
            self._build()
        self._show_all()
