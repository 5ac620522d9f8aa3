"""The time that can be walked: a cursor over all figures, and the forks that begin where it stands."""

import time
from collections import deque
from functools import partial
from typing import Any, Self

import ipywidgets as W

from ..errors import bad
from ..records.columns import Dataset
from ..runs.forks import TRUNK, Fork, Forks
from ..runs.run import Run
from ..words import tr
from .panel import Panel
from .screen import Parts
from .widgets import button, row

STEP = 1 / 2000  # of the slider
ECHO = 5.0  # seconds within which a browser sends back what it is shown
CATCH_UP = 1.0  # seconds in which a fork that was just made comes as far as it can


class TimeLine:
    """The cursor, and the tree of forks, of the run of a cockpit.

    past     the run as it was where the cursor stands; None: now     pending  what a dial was turned to meanwhile
    widget   the cursor, in one line
    """

    def __init__(self, post: Any, quiet: Any, parts: Parts) -> None:
        self.past: Run | None = None
        self.pending: dict[str, Any] = {}
        self.tree: Any = None
        self._post, self._quiet = post, quiet
        self._shown: deque[tuple[float, float]] = deque(maxlen=16)  # (value, when) of what the slider was shown
        look = {"readout": False, "layout": W.Layout(flex="1 1 120px", width="auto", min_width="80px")}
        tip = "Walk through the time of this run; arrow keys, too"
        # a share of the run's time, 1 is now: a slider whose ends move while it plays answers with a value of its own
        self.cursor = W.FloatSlider(value=1, min=0, max=1, step=STEP, description=tr("time"), tooltip=tr(tip), **look)
        quiet.observe(self.cursor, partial(post, "walk"))
        self._fork = button("Fork", "Another run from here on, with the settings of the dials", partial(post, "fork"))
        self._now = button("Now", "Let the cursor go", partial(post, "picked"))
        self.widget = row([self.cursor, self._now, self._fork])
        parts.under.append(self.widget)

    def go(self, run: Run, t: float | None) -> Run | None:
        """Let the cursor stand where the run was at time t; None, or a time to come: now."""
        self.pending, self.past = {}, None
        if t is not None and run.learner.steps and t < run.learner.t - 1e-9:
            self.past = run.at(step_at(run, max(0.0, t)))
        return self.past

    def walked(self, part: float) -> bool:
        """Whether a person moved the slider: the browser sends back what it is shown, perhaps when it is no more so."""
        now = time.monotonic()
        echo = next((one for one in self._shown if now - one[1] < ECHO and abs(part - one[0]) < 0.51 * STEP), None)
        if echo is not None:
            self._shown.remove(echo)
        return echo is None

    def wait_for_fork(self, name: str, value: Any) -> str:
        """A dial was turned in the past: the next fork will have that; a bad value is an HLError."""
        assert self.past is not None
        self.past.settings.replace(**{name: value})
        self.pending[name] = value
        return name

    def renew(self, run: Run) -> None:
        """Begin a tree of its own for another run, and for one that begins anew."""
        if self.tree is None or self.tree.trunk is not run or not run.learner.steps:
            self.tree = Forks(run)

    def grow(self, steps: int | None, **changes: Any) -> Fork:
        """A fork, which at once comes as far as it can in a second."""
        fork: Fork = self.tree.grow(steps, **changes)
        self.tree.catch_up(CATCH_UP)
        return fork

    def show(self, run: Run) -> None:
        """Bring slider, buttons and list up to date."""
        at = (self.past or run).learner.t
        told = ", ".join(f"{run.settings.about()[k].letter} = {v:.3g}" for k, v in self.pending.items())
        part = 1.0 if self.past is None else at / run.learner.t
        if part != self.cursor.value:
            self._shown.append((part, time.monotonic()))
        with self._quiet:
            self.cursor.value = part
        self._now.disabled = self.past is None
        self._fork.description = tr(f"Fork: {told}" if told else "Fork" if self.past is None else f"Fork at t {at:.4g}")


class Walked(Panel):
    """A panel whose run can be walked: `run` is the run, `time` its time line."""

    run: Run
    time: TimeLine

    def at(self, t: float) -> Run:
        """The run as it was at time t, to the bit: its point, settings, report and record; the cursor goes there."""
        if not 0 <= t <= self.run.learner.t + 1e-9:
            raise bad("at", f"t = {t:g}", f"a time between 0 and {self.run.learner.t:g}")
        there = self.time.go(self.run, t) or self.run
        self.walked()
        return there

    def fork(self, **changes: Any) -> str:
        """Another run from where the cursor stands (or from now), with these settings; returns its name.

        It goes on beside this one, as far as this one is.
        """
        past = self.time.past
        fork = self.time.grow(None if past is None else past.learner.steps, **self.time.pending | changes)
        self.time.pending = {}
        self.walked()
        return fork.name

    def forks(self) -> dict[str, Run]:
        """{name: run} of the forks."""
        return {name: fork.run for name, fork in self.time.tree.made.items()}

    def compare(self, a: str, b: str = TRUNK) -> Dataset:
        """b - a over the steps that both have on record, curves and |Δθ|; "run" is the run itself."""
        found: Dataset = self.time.tree.compare(a, b)
        return found

    def walk_commands(self) -> dict[str, Any]:
        """What the time line's messages do."""
        return {
            "walk": self._slid,
            "picked": self.pick,
            "fork": lambda _: self.fork(),
        }

    def _slid(self, part: float) -> None:
        if self.time.walked(part):
            self.pick(None if part >= 1 else part * self.run.learner.t)

    def grown(self, tree: Forks) -> Self:
        """Take the forks of a tree whose trunk this run is."""
        self.time.tree = tree
        return self.walked()

    def pick(self, t: float | None) -> None:
        """A time was clicked, or the slider moved: the cursor goes there, and one can go back to it."""
        self.time.go(self.run, t)
        self.walked()

    def walked(self) -> Self:
        """Show where the cursor stands."""
        raise NotImplementedError


def step_at(run: Run, t: float) -> int:
    """The last step that was not after time t: by the record, and before that in its measure."""
    times, steps = run.recorder.window("t"), run.recorder.window("step")
    if len(times) and t >= times[0] - 1e-9:
        return int(steps[times.searchsorted(t + 1e-9) - 1])
    return int(t / times[0] * steps[0] + 1e-9) if len(times) else 0
