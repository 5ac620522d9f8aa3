"""A run that can be played, changed, rewound, raced and told in a string: learner, stream and record, no widgets."""

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, Self

import numpy as np
import torch

from .. import experiments
from ..declared import BaseSettings
from ..errors import HLError, bad, kind, known, number, whole
from ..experiments import Experiment, differing
from ..law.point import Report
from ..learners import BaseLearner, get
from ..records.columns import Dataset
from ..records.recorder import Recorder
from ..records.snapshots import History
from ..streams import Stream, World
from . import hand, state_string
from .rival import Rival


class Run:
    """One learner on one stream from one seed, its record, and every change of a setting on the way.

    A run is its experiment, seed, changes, what was done by hand (`drive`, `start_from`) and number of steps:
    `state_string` writes these, `from_state` makes the same bits of them.
    """

    def __init__(self, experiment: Experiment, capacity: int = 20_000, width: int = 256) -> None:
        if not isinstance(experiment, Experiment):
            wanted = "hlcore.experiments.get('tracker-water-flow')"
            raise bad("Run", type(experiment).__name__, "an Experiment", wanted)
        self.experiment, self.seed = experiment, experiment.seed
        self.start = experiment.settings  # those at step 0
        self.recorder = Recorder(capacity=capacity, width=width)
        self.rivals: tuple[Rival, ...] = ()
        self.reset()

    learner: BaseLearner
    stream: Stream
    report: Report | None
    dt: float | None  # of the last sample, where it has one of its own
    changes: list[tuple[int, dict[str, Any]]]
    _history: History
    moves: dict[int, int]  # {step: the move that a person made after it}
    placed: dict[int, tuple[int, dict[str, float]]]  # {step: before it, the entry that was put, and where}

    def reset(self, seed: int | None = None) -> None:
        """Back to step 0 with the settings now in force, from the same seed or another."""
        if hasattr(self, "learner"):
            self.start = self.learner.settings
        self.seed = self.seed if seed is None else whole("seed", seed, 0)
        self.changes, self.moves, self.placed = [], {}, {}
        self._begin()
        self._race_again()

    def back(self, steps: int) -> None:
        """Back to where it was after `steps` steps, to go on from there differently; later changes are undone."""
        steps, rivals = self._past("back", steps), self.rivals
        self.changes = [(at, change) for at, change in self.changes if at < steps]
        for done in (self.moves, self.placed):
            for at in [at for at in done if at >= steps]:
                del done[at]
        self._history, self.rivals = self._history.until(steps), ()
        self._return(steps, record=True)
        self.rivals = rivals
        self._race_again()

    def at(self, steps: int) -> Self:
        """A run of its own where this one was after `steps` steps: the nearest snapshot before, and replay, to the bit.

        Its record is this one's up to there, to be read before this one goes on; where that has forgotten the time,
        what was replayed. This run stays where it is, and so does its race.
        """
        steps, now = self._past("at", steps), self.learner.steps
        there = copy.copy(self)
        there.learner, there.rivals, there.report = type(self.learner).beside(self.learner), (), None
        there.stream = copy.deepcopy(self.stream) if self.stream.answers else self.stream
        there.changes = [(at, dict(change)) for at, change in self.changes if at < steps or at == steps == now]
        for name in ("moves", "placed"):
            setattr(there, name, {at: x for at, x in getattr(self, name).items() if at < steps or steps == now})
        if isinstance(there.stream, World):
            there.stream.by_hand = there.moves
        there._history = self._history.until(steps)
        known = self.recorder.window("step")
        kept = len(known) > 0 and known[0] <= steps
        empty = Recorder(self.recorder.every, self.recorder.capacity, self.recorder.width)
        there.recorder = self.recorder.until(steps) if kept else empty
        there._return(steps, record=not kept)
        return there

    def fork(self, steps: int | None = None, **changes: Any) -> Self:
        """A run that was this one up to `steps` (None: now) and goes on with other settings; record and past its own.

        Raises HLError for a step that never was, and for settings as `set` does.
        """
        there = self.at(self.learner.steps if steps is None else steps)
        there.recorder = there.recorder.copied(self.recorder.capacity)
        there.set(**changes)
        return there

    def _past(self, name: str, steps: int) -> int:
        if not 0 <= whole("steps", steps, 0) <= self.learner.steps:
            raise bad(name, steps, f"a step between 0 and {self.learner.steps}")
        return steps

    def _return(self, steps: int, record: bool) -> None:
        """Go to the moment before and replay, at least the last step, whose report is told then."""
        moment = self._history.before(max(0, steps - 1))
        self.learner.restore(moment.snapshot)
        self.stream.restore(moment.stream)
        self._generator = moment.generator.clone()
        if record:
            self.recorder.truncate(int(np.searchsorted(self.recorder.window("step"), moment.snapshot.steps, "right")))
        if not moment.snapshot.steps:
            self.learner.settings, self.report = self.start, None
        for at, change in self.changes:
            if at >= self.learner.steps:
                self._take(at - self.learner.steps, record)
                self.learner.settings = self.settings.replace(**change)
        self._take(steps - self.learner.steps, record)

    def _begin(self) -> None:
        self.learner, self.stream = self.experiment.learner(self.seed)
        self.learner.settings = self.start
        if isinstance(self.stream, World):
            self.stream.by_hand = self.moves
        self.recorder.clear()
        self.report, self.dt, self._history = None, None, History()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._generator = torch.get_rng_state()
        self._history.keep(self.learner.snapshot(), self._generator, self.stream.state())

    def race(self, *names: str | bool | None) -> None:
        """Let other learners take the same run from here on, with the settings of now as they understand them.

        names  of `hlcore.learners.names()`; True, or none at all: "sgd"; None or False: no race

        Raises HLError where the settings mean nothing to one of them; the race there was goes on then.
        """
        named = ["sgd" if name is True else name for name in names or (True,) if name is not None and name is not False]
        made = [Rival(name, self.learner, self.recorder) for name in named]
        self.rivals = tuple({rival.name: rival for rival in made}.values())

    @property
    def rival(self) -> Rival | None:
        """The first of the rivals."""
        return self.rivals[0] if self.rivals else None

    def _race_again(self) -> None:
        names, self.rivals = [rival.name for rival in self.rivals], ()
        if names:
            self.race(*names)

    @property
    def settings(self) -> Any:
        return self.learner.settings

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change settings from the next step on; returns what really changed."""
        for name in changes:
            known("setting", name, self.settings.about())
        settings: BaseSettings = self.settings.replace(**changes)
        real = differing(self.settings, settings)
        self.learner.settings = settings
        if real and self.learner.steps:
            if self.changes and self.changes[-1][0] == self.learner.steps:
                self.changes[-1][1].update(real)
            else:
                self.changes.append((self.learner.steps, dict(real)))
        elif real:
            self.start = settings
        return real

    def drive(self, action: int) -> None:
        """A step after which a person makes the move, and not the learner, who learns from it as from its own."""
        if not isinstance(self.stream, World):
            raise bad("drive", type(self.stream).__name__, "a world, in which there are moves to make")
        at = self.learner.steps
        self.moves[at] = whole("action", action, 0)
        try:
            self.step()
        except HLError:
            del self.moves[at]
            if self.learner.steps > at:  # the step was taken, the move refused
                self.back(at)
            raise

    def start_from(self, entry: int, **values: float) -> None:
        """Put one entry of h, z, θ or ω somewhere before the next step: start_from(3, h=0.5, z=0.0)."""
        at = self.learner.steps
        told = {name: float(kind(name, value, Real, "a finite number")) for name, value in values.items()}
        hand.put(self.learner.point, whole("entry", entry, 0), told)
        self.placed[at] = entry, told

    def step(self, n: int = 1) -> None:
        """Take n steps; `Diverged` leaves the point and the record before it."""
        self._take(whole("steps", n, 0), record=True)

    def _take(self, n: int, record: bool) -> None:
        with self._own_generator():
            for _ in range(n):
                self._one(record)

    def learn(self, seconds: float, most: float = math.inf) -> int:
        """Take steps for about so long, at most `most`; returns how many."""
        first, end = self.learner.steps, time.perf_counter() + number("seconds", seconds)
        most = most if isinstance(most, float) and most == math.inf else number("most", most)
        with self._own_generator():
            while self.learner.steps - first < most and time.perf_counter() < end:
                self._one()
        return self.learner.steps - first

    def _one(self, record: bool = True) -> None:
        learner = self.learner
        if learner.steps in self.placed:
            learner.point = hand.put(learner.point, *self.placed[learner.steps])
        if learner.steps == self.stream.length:
            raise HLError(f"stream: got to its end after {self.stream.length:,} samples; Reset begins anew.")
        sample = self.stream[learner.steps]
        before = torch.get_rng_state() if self.rivals else None
        self.report, self.dt = learner.step(sample), sample.dt
        if record:
            self.recorder.record(learner, self.report, sample)
        if before is not None:
            after = torch.get_rng_state()
            for rival in self.rivals:
                torch.set_rng_state(before)  # dropout draws the same for all
                rival.step(sample, learner)
            torch.set_rng_state(after)
        self.stream.act(self.report.output)
        if learner.steps % self._history.every == 0:
            self._history.keep(learner.snapshot(), torch.get_rng_state(), self.stream.state())

    def trajectory(self) -> Dataset:
        return self.recorder.trajectory()

    def state_string(self) -> str:
        """Everything that makes this run, in one line.

        Raises HLError for an experiment that is not on the list, and for settings that are no numbers.
        """
        return state_string.written(self)

    @classmethod
    def from_state(cls, text: str) -> Self:
        """The run of a state string, stepped to where it was."""
        state = state_string.parsed(text)
        name, options = str(state["experiment"]), state["options"]
        kind = get(options.get("learner", experiments.entry(name).learner)).settings_type
        experiment = experiments.get(name, **options)
        run = cls(experiment.replace(seed=whole("seed", state["seed"], 0), settings=kind(**state["settings"])))
        run.moves |= dict(state.get("moves", ()))
        run.placed |= {at: (entry, told) for at, entry, told in state.get("placed", ())}
        state_string.replayed(run, state["changes"], state["steps"])
        return run

    def code(self) -> str:
        """The same run as a program; raises HLError as `state_string` does."""
        return state_string.code(self)

    @contextmanager
    def _own_generator(self) -> Iterator[None]:
        """Dropout and the like draw from this run's own generator: a reset repeats them."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._generator)
        try:
            yield
        finally:
            self._generator = torch.get_rng_state()
            torch.set_rng_state(outside)
