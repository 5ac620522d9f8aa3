"""The Cockpit: an experiment with its controls, its figures and its words."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from ..errors import HLError, bad, whole
from ..experiments import Experiment
from ..lab import equations as words
from ..records.export import write
from ..runs.run import NAMES, Session
from .panel import Panel


class Cockpit(Panel):
    """The panel of an experiment: play it, change its Hamiltonian while it learns, and see all four quantities move.

    controls  names of the controls to show beside Play and its kin ("eta", "beta", "presets", ...); None: all
    Every control has a twin to call: play, pause, step, reset, set, settings, back, race, pin, state_string, ...
    """

    def __init__(self, experiment: Experiment | Session, controls: list[str] | None = None) -> None:
        if not isinstance(experiment, (Experiment, Session)):
            wanted = "hlcore.experiments.get('tracker-water-flow')"
            raise bad("Cockpit", type(experiment).__name__, "an Experiment", wanted)
        torch.set_num_threads(1)  # small tensors: a second thread only gets in the way of the browser
        self._speed, self._debt, self._paid = math.inf, 0.0, 0.0
        super().__init__(experiment if isinstance(experiment, Session) else Session(experiment), controls)

    # ---- what a program calls ----------------------------------------------------------------------------------------

    def set(self, **changes: Any) -> Cockpit:
        """Change settings, from the next step on; an unknown name or a bad value is an HLError."""
        self._apply(changes)
        return self

    def step(self, n: int = 1) -> Cockpit:
        """Take n steps now."""
        whole("n", n)
        self._loop.pause()
        self._step(n)
        return self

    def play(self) -> Cockpit:
        """Learn until `pause`, in the notebook's own event loop."""
        self._loop.play()
        return self

    def pause(self) -> Cockpit:
        """Stop."""
        self._loop.pause()
        self.told()
        return self

    def reset(self, seed: int | None = None) -> Cockpit:
        """Back to step 0 with the settings in force, from the same seed or another."""
        self._loop.pause()
        self._loop.error = None
        self._session.reset(seed)
        self._pick(None)
        self.draw()
        self.told()
        return self

    def back(self, t: float) -> Cockpit:
        """Back to the step that reached time t (on record), to go on from there with other settings."""
        times = self._session.recorder.window("t")
        if not len(times) or not times[0] <= t <= times[-1] + 1e-9:
            span = f"a time between {times[0]:g} and {times[-1]:g}" if len(times) else "a run that has begun"
            raise bad("back", f"t = {t:g}", span, "the record goes back no further")
        self._loop.pause()
        self._loop.error = None
        self._session.back(int(self._session.recorder.window("step")[times.searchsorted(t + 1e-9) - 1]))
        self._show_settings()
        self._pick(None)
        self.draw()
        self.told()
        return self

    def race(self, on: bool = True) -> Cockpit:
        """Let torch.optim.SGD run beside, with the settings of now, where T1 holds; `gap` says how far apart."""
        try:
            self._session.race(on)
        finally:
            self._controls.show_race(self._session.twin is not None)
        return self

    @property
    def gap(self) -> float:
        """The largest |Δθ| from torch.optim.SGD since `race`; nan without a race."""
        return math.nan if self._session.twin is None else self._session.twin.gap

    def pin(self) -> Cockpit:
        """Keep the run that is shown as a ghost behind the next ones."""
        self._figure.pin(f"seed {self._session.seed}, {words.told(self.settings)}")
        return self

    def unpin(self) -> Cockpit:
        """Let the ghosts go."""
        self._figure.unpin()
        self.draw()
        return self

    async def wait(self) -> None:
        """Wait until the panel rests; raises what stopped it."""
        await self._loop.wait()

    def trajectory(self) -> Any:
        """The record so far, an xarray.Dataset."""
        return self._session.trajectory()

    def state_string(self) -> str:
        """This run in one line."""
        return self._session.state_string()

    @classmethod
    def from_state(cls, text: str, controls: list[str] | None = None) -> Cockpit:
        """The panel of a state string, at the very same point."""
        panel = cls(Session.from_state(text), controls)
        panel.draw()
        return panel

    def __repr__(self) -> str:
        return "Cockpit()"

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def obey(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        if name in NAMES:
            source, number = value
            self._apply({name: number}, {name: source})
        elif name == "toggle":
            self.pause() if self._loop.playing else self.play()
        elif name == "step":
            self.step(value)
        elif name in ("reset", "new seed"):
            self.reset(None if name == "reset" else self._session.seed + 1)
        elif name == "preset" and value is not None:
            start = self._session.experiment.settings
            whole = {k: getattr(start, k) for k in NAMES}
            self._apply({**whole, **self._session.experiment.presets[value]})
        elif name in ("speed", "window", "maps"):
            setattr(self, f"_{name}", value)
        elif name == "phase":
            self._phase_unit = value
        elif name.startswith("units "):
            self._units[name.removeprefix("units ")] = list(value)
        elif name == "picked":
            self._pick(value)
        elif name == "back" and self._picked is not None:
            self.back(self._picked)
        elif name == "race":
            self.race(value)
        elif name == "pin":
            self.pin() if value else self.unpin()
        elif name == "copy":
            self._controls.text.value = self.state_string() if value == "state" else self._session.code()
        elif name == "load":
            self._adopt(Session.from_state(value))
        elif name == "call":
            value()
        elif name == "export" and value == ".png":
            self._figure.widget.save(f"{self._session.experiment.name}-{self._session.learner.steps}.png")
        elif name == "export":
            self.notice(f"wrote {write(self.trajectory(), self._session.experiment.name, value)}")

    def advance(self, seconds: float) -> None:
        """Learn for about so long, or as much as the chosen speed allows."""
        if math.isinf(self._speed):
            self._session.learn(seconds)
        else:
            now = time.perf_counter()
            self._debt = min(self._debt + self._speed * (now - self._paid), max(1.0, 0.2 * self._speed))
            self._paid = now
            self._debt -= self._session.learn(seconds, math.floor(self._debt))
        if time.perf_counter() - self._told > 0.25:
            self.told()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _step(self, n: int) -> None:
        try:
            self._session.step(n)
            self._loop.error = None
        except HLError as error:
            self._loop.fail(error)
            raise
        finally:
            self.draw()
            self.told()

    def _apply(self, changes: dict[str, Any], source: dict[str, str] | None = None) -> None:
        try:
            real = self._session.set(**changes)
        except HLError:
            self._controls.show(self.settings)  # back to the good value
            raise
        self._touched = next(iter(real), self._touched) if len(real) == 1 else ""
        self._show_settings(source)

    def _adopt(self, session: Session) -> None:
        self._loop.pause()
        self._loop.error = None
        self._session, self._named = session, False
        self._pick(None)
        self._name()
        self._show_settings()
        self.draw()
        self.told()
