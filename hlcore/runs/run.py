"""A run that can be played, changed, rewound and told in a string: the panel without its widgets."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import xarray

from .. import experiments
from ..errors import HLError, bad, unknown, whole
from ..experiments import Experiment
from ..law.point import Report
from ..law.settings import Settings
from ..learners.hamiltonian import Learner
from ..learners.sgd import Twin
from ..records.recorder import Recorder
from ..records.snapshots import EVERY, Past
from ..streams.stream import Stream

STATE = "hl1:"
NAMES = ("tau", "eta", "eta_z", "beta", "phi", "s")


class Session:
    """One learner on one stream from one seed, its record, and every change of a setting on the way.

    A session is its experiment, seed, changes and number of steps: `state_string` writes these, `from_state` makes the
    same bits of them.
    """

    def __init__(self, experiment: Experiment, capacity: int = 20_000, width: int = 256) -> None:
        if not isinstance(experiment, Experiment):
            raise bad(
                "Cockpit", type(experiment).__name__, "an Experiment", "hlcore.experiments.get('tracker-water-flow')"
            )
        self.experiment, self.seed = experiment, experiment.seed
        self._start = experiment.settings
        self.recorder = Recorder(capacity=capacity, width=width)
        self.twin: Twin | None = None
        self.reset()

    learner: Learner
    stream: Stream
    report: Report | None
    changes: list[tuple[int, dict[str, Any]]]

    def reset(self, seed: int | None = None) -> None:
        """Back to step 0 with the settings now in force, from the same seed or another."""
        if hasattr(self, "learner"):
            self._start = self.learner.settings
        self.seed = self.seed if seed is None else whole("seed", seed, 0)
        self.changes = []
        self._begin()
        if self.twin is not None:
            self.race(True)

    def back(self, steps: int) -> None:
        """Back to where the run was after `steps` steps, to go on from there differently; later changes are undone."""
        if not 0 <= whole("steps", steps, 0) <= self.learner.steps:
            raise bad("back", steps, f"a step between 0 and {self.learner.steps}")
        self.changes = [(at, change) for at, change in self.changes if at < steps]
        moment, racing = self._past.before(steps), self.twin is not None
        self.twin = None
        if moment is None:
            self._begin()
        else:
            moment.restore(self.learner)
            self._generator = moment.generator.clone()
            self.recorder.truncate(int(np.searchsorted(self.recorder.window("step"), moment.steps, "right")))
        for at, change in self.changes:
            if at >= self.learner.steps:
                self.step(at - self.learner.steps)
                self.learner.settings = self.settings.replace(**change)
        self.step(steps - self.learner.steps)
        if racing:
            self.race(True)

    def _begin(self) -> None:
        self.learner, self.stream = self.experiment.learner(self.seed)
        self.learner.settings = self._start
        self.recorder.clear()
        self.report, self._past = None, Past()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._generator = torch.get_rng_state()

    def race(self, on: bool) -> None:
        """Let torch.optim.SGD take the same run from here on, with the settings of now.

        Raises HLError where T1 does not hold.
        """
        if on and not self.stream[self.learner.steps].end:
            raise bad("SGD twin", "a stream whose state lives on", "samples with end=True", "T1 is about those")
        self.twin = Twin(self.experiment, self.seed, self.learner, self.recorder.capacity) if on else None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.learner.settings

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change settings from the next step on; returns what really changed."""
        for name in changes:
            if name not in NAMES:
                raise unknown("setting", name, NAMES)
        settings = self.settings.replace(**changes)
        real = {k: getattr(settings, k) for k in changes if not _equal(getattr(settings, k), getattr(self.settings, k))}
        self.learner.settings = settings
        if real and self.learner.steps:
            if self.changes and self.changes[-1][0] == self.learner.steps:
                self.changes[-1][1].update(real)
            else:
                self.changes.append((self.learner.steps, dict(real)))
        elif real:
            self._start = settings
        return real

    def step(self, n: int = 1) -> None:
        """Take n steps; `Diverged` leaves the point and the record before it."""
        with self._own_generator():
            for _ in range(n):
                self._one()

    def learn(self, seconds: float, most: float = math.inf) -> int:
        """Take steps for about so long, at most `most`; returns how many."""
        first, end = self.learner.steps, time.perf_counter() + seconds
        with self._own_generator():
            while self.learner.steps - first < most and time.perf_counter() < end:
                self._one()
        return self.learner.steps - first

    def _one(self) -> None:
        if self.learner.steps == self.stream.length:
            raise HLError(f"stream: got to its end after {self.stream.length:,} samples; Reset begins anew.")
        sample = self.stream[self.learner.steps]
        before = torch.get_rng_state() if self.twin is not None else None
        self.report = self.learner.step(sample)
        self.recorder.record(self.learner, self.report, sample)
        if self.twin is not None and before is not None:
            after = torch.get_rng_state()
            torch.set_rng_state(before)  # dropout draws the same for both
            self.twin.step(sample, self.learner)
            torch.set_rng_state(after)
        if self.learner.steps % EVERY == 0:
            self._past.keep(self.learner, torch.get_rng_state())

    def trajectory(self) -> xarray.Dataset:
        """The record so far."""
        return self.recorder.trajectory()

    def state_string(self) -> str:
        """Everything that makes this run, in one line."""
        settings = {k: _plain(k, getattr(self._start, k)) for k in NAMES}
        state = {
            "experiment": self.experiment.name,
            "options": dict(self.experiment.options),
            "seed": self.seed,
            "settings": settings,
            "changes": [[k, {n: _plain(n, v) for n, v in c.items()}] for k, c in self.changes],
            "steps": self.learner.steps,
        }
        return STATE + json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_state(cls, text: str) -> Session:
        """The session of a state string, stepped to where it was."""
        state = _parsed(text)
        experiment = experiments.get(str(state["experiment"]), **state["options"])
        settings = Settings(**state["settings"])
        session = cls(experiment.replace(seed=whole("seed", state["seed"], 0), settings=settings))
        for at, change in state["changes"]:
            session.step(whole("steps", at, 0) - session.learner.steps)
            session.set(**change)
        session.step(whole("steps", state["steps"], 0) - session.learner.steps)
        return session

    def code(self) -> str:
        """The same run as a program."""
        start = ", ".join(f"{k}={_plain(k, getattr(self._start, k))!r}" for k in NAMES)
        options = "".join(f", {k}={v!r}" for k, v in self.experiment.options.items())
        lines = [
            "import hlcore",
            "from hlcore import Recorder, Settings",
            "",
            f"experiment = hlcore.experiments.get({self.experiment.name!r}{options})",
            f"learner, stream = experiment.learner(seed={self.seed})",
            "recorder = Recorder(capacity=20_000)",
            f"learner.settings = Settings({start})",
        ]
        done = 0
        for at, change in [*self.changes, (self.learner.steps, {})]:
            if at > done:
                lines.append(f"learner.run(stream.since({done}), {at - done}, recorder)")
            if change:
                named = ", ".join(f"{k}={_plain(k, v)!r}" for k, v in change.items())
                lines.append(f"learner.settings = learner.settings.replace({named})")
            done = at
        return "\n".join([*lines, "print(recorder.trajectory())"])

    @contextmanager
    def _own_generator(self) -> Iterator[None]:
        """Dropout and the like draw from this session's own generator: a reset repeats them."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._generator)
        try:
            yield
        finally:
            self._generator = torch.get_rng_state()
            torch.set_rng_state(outside)


def _parsed(text: str) -> dict[str, Any]:
    expected = {"experiment", "options", "seed", "settings", "changes", "steps"}
    try:
        if not isinstance(text, str) or not text.strip().startswith(STATE):
            raise ValueError(f"it does not begin with {STATE}")
        state = json.loads(text.strip().removeprefix(STATE))
        if not isinstance(state, dict) or set(state) != expected:
            raise ValueError(f"its parts are not {sorted(expected)}")
        whole = isinstance(state["options"], dict) and isinstance(state["settings"], dict)
        if not whole or not isinstance(state["changes"], list) or not all(map(_is_change, state["changes"])):
            raise ValueError("options, settings or changes are damaged")
    except ValueError as error:
        raise HLError(
            f"state string: got {str(text)[:40]!r} ({error}), expected what 'Copy state' gave; copy all of it."
        ) from None
    return state


def _is_change(change: Any) -> bool:
    return isinstance(change, list) and [type(x) for x in change] == [int, dict]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, (int, float)) or value is None:
        return value
    if isinstance(value, Mapping) and all(isinstance(v, float) for v in value.values()):
        return dict(value)
    raise bad(name, type(value).__name__, "a number", "schedules and tensors do not fit into a state string")


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    return a is b or (isinstance(a, (int, float)) and isinstance(b, (int, float)) and a == b)
