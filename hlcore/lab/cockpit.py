"""The Cockpit: an experiment with its controls, its figures and its words."""

from __future__ import annotations

import html
import math
import time
from typing import Any

import ipywidgets as W
import torch

from ..errors import HLError
from ..experiments import Experiment
from ..export import write
from ..settings import Settings
from ..streams.base import count
from . import words
from .controls import Controls
from .gate import FrameGate
from .live import LiveLoop
from .places import Place, forget
from .scope import UNITS, PhaseScope, TimeScope
from .session import NAMES, Session

NOTICE = 6.0  # seconds for which a notice stays


class Cockpit(W.VBox):
    """The panel of an experiment: play it, change its Hamiltonian while it learns, and see all four quantities move.

    controls  names of the controls to show beside Play and its kin ("eta", "beta", "presets", ...); None: all
    Every control has a twin to call: play, pause, step, reset, set, settings, trajectory, state_string, from_state.
    """

    def __init__(self, experiment: Experiment, controls: list[str] | None = None) -> None:
        super().__init__()
        torch.set_num_threads(1)  # small tensors: a second thread only gets in the way of the browser
        self._session = Session(experiment)
        self._place = Place(self)  # closes the panel that an earlier run of the same cell has made
        self._speed, self._window, self._debt, self._paid = math.inf, 5000, 0.0, 0.0
        self._units: dict[str, list[int]] = {name: [0, 1] for name in UNITS}
        self._phase_unit, self._touched, self._named = 0, "", False
        self._note = (-math.inf, "")
        self._told, self._counted, self._rate = 0.0, 0, 0.0
        self._gate = FrameGate()
        self._loop = LiveLoop(self, self._gate)
        self._controls = Controls(self.settings, self._loop.post, controls)
        self._figure, self._phase = TimeScope(), PhaseScope()
        self._title, self._status, self._alarm, self._summary, self._law = (W.HTML() for _ in range(5))
        self._name()
        self.children = self._laid_out()
        self._show_settings()
        self.told()

    # ---- what a program calls ----------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._session.settings

    @property
    def session(self) -> Session:
        """The run behind the panel: its learner, stream and record."""
        return self._session

    def set(self, **changes: Any) -> Cockpit:
        """Change settings, from the next step on; an unknown name or a bad value is an HLError."""
        self._apply(changes)
        return self

    def step(self, n: int = 1) -> Cockpit:
        """Take n steps now."""
        count("n", n)
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
        session = Session.from_state(text)
        panel = cls(session.experiment, controls)
        panel._adopt(session)
        return panel

    def close(self) -> None:
        """End the task and the widgets."""
        forget(self)
        if hasattr(self, "_figure"):
            self._loop.close()
            for widget in (self._figure.widget, self._phase.widget, self._gate):
                widget.close()
        super().close()

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
        elif name in ("speed", "window"):
            setattr(self, f"_{name}", value)
        elif name == "phase":
            self._phase_unit = value
        elif name.startswith("units "):
            self._units[name.removeprefix("units ")] = list(value)
        elif name == "race":
            self.race(value)
        elif name == "pin":
            self.pin() if value else self.unpin()
        elif name == "copy":
            self._controls.text.value = self.state_string() if value == "state" else self._session.code()
        elif name == "load":
            self._adopt(Session.from_state(value))
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

    def draw(self) -> None:
        """Show the record as it stands."""
        recorder = self._session.recorder
        if len(recorder) and not self._named:
            self._name_units()
        self._figure.draw(recorder, self._window, self._units, words.marks(self._session), self._session.twin)
        self._phase.draw(recorder, self._window, self._phase_unit)

    def told(self) -> None:
        """Bring status line and summary up to date."""
        loop, learner, now = self._loop, self._session.learner, time.perf_counter()
        if loop.playing:
            self._rate = max(0, learner.steps - self._counted) / (now - self._told)
        self._told, self._counted = now, learner.steps
        self._controls.show_playing(loop.playing)
        state = "playing" if loop.playing else "paused"
        text = f"{state} · step {learner.steps:,} · t {learner.t:.2f} · seed {self._session.seed}"
        if loop.playing:
            text += f" · {self._rate:,.0f} steps/s · {loop.frame_rate:.0f} frames/s"
        self._status.value = f'<span role="status">{text}</span>'
        alarm = words.stopped(loop.error, self.settings) if loop.error else self._note[1]
        if not loop.error and now - self._note[0] > NOTICE:
            alarm = ""
        self._alarm.value = words.alarmed(alarm)
        self._summary.value = html.escape(words.summary(self._session))
        self._summary.layout.display = "none" if alarm else "block"  # the two share one line, so that nothing jumps

    def notice(self, text: str) -> None:
        """Show a line that stays for a few seconds."""
        self._note = (time.perf_counter(), text)
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

    def _show_settings(self, source: dict[str, str] | None = None) -> None:
        self._controls.show(self.settings, source)
        kind = words.regime(self.settings)
        colour = words.ALARM if kind == "unstable" else "inherit"
        self._law.value = (
            words.equations(self._touched)
            + f'<div style="line-height:1.7">{words.as_sgd(self.settings)}'
            + f' · <span style="color:{colour}"><b>{kind}</b>: {words.REGIMES[kind]}</span></div>'
        )

    def _name_units(self) -> None:
        names = {name: self._session.recorder.names(name) for name in UNITS}
        self._named = True
        x, _ = self._phase.axes(self._session.recorder)
        self._controls.name_units(names, self._units, names[x])

    def _adopt(self, session: Session) -> None:
        self._loop.pause()
        self._loop.error = None
        self._session, self._named = session, False
        self._name()
        self._show_settings()
        self.draw()
        self.told()

    def _name(self) -> None:
        """Title and presets are the experiment's."""
        experiment = self._session.experiment
        self._title.value = f'<b style="font-size:17px">{html.escape(experiment.title)}</b>'
        self._controls.offer(experiment.presets)

    def _laid_out(self) -> list[W.Widget]:
        spread = W.Layout(justify_content="space-between", flex_flow="row wrap", min_width="0")
        head = W.HBox([self._title, self._status], layout=spread)
        line = W.Box(
            [self._alarm, self._summary], layout=W.Layout(min_height="32px", min_width="0", margin="0 0 0 -2px")
        )
        controls = self._controls
        left = W.VBox(
            [controls.settings(), controls.drawers(self._phase.widget)],
            layout=W.Layout(flex="1 1 340px", max_width="430px", min_width="300px"),
        )
        right = W.VBox([self._figure.widget, self._gate], layout=W.Layout(flex="4 1 480px", min_width="0"))
        body = W.HBox([left, right], layout=W.Layout(flex_flow="row wrap", min_width="0", width="100%"))
        return [head, controls.transport(), self._law, line, body]
