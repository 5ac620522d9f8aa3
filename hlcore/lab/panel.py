"""What a panel shows: title, status, equations, words, the time scope and the phase portrait."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as W

from ..lab import equations as words
from ..law.settings import Settings
from ..runs.run import Session
from .controls import Controls
from .figures.scope import UNITS, PhaseScope, TimeScope
from .gate import FrameGate
from .loop import LiveLoop
from .places import Place, forget

NOTICE = 6.0  # seconds for which a notice stays


class Panel(W.VBox):
    """The widgets of a session, and how they follow it; what they can do is the Cockpit's."""

    def __init__(self, session: Session, controls: list[str] | None = None) -> None:
        super().__init__()
        self._session = session
        self._place = Place(self)  # closes the panel that an earlier run of the same cell has made
        self._window, self._phase_unit, self._maps = 5000, 0, False
        self._picked: float | None = None
        self._units: dict[str, list[int]] = {name: [0, 1] for name in UNITS}
        self._touched, self._named, self._note = "", False, (-math.inf, "")
        self._told, self._counted, self._rate = 0.0, 0, 0.0
        self._watcher: Callable[[], Any] | None = None
        self._gate = FrameGate()
        self._loop = LiveLoop(self, self._gate)
        self._controls = Controls(self.settings, self._loop.post, controls)
        self._figure, self._phase = TimeScope(), PhaseScope()
        self._controls.quiet.observe(self._figure.widget, lambda t: self._loop.post("picked", t), "picked")
        self._title, self._status, self._alarm, self._summary, self._law = (W.HTML() for _ in range(5))
        self._name()
        self.children = self._laid_out()
        self._show_settings()
        self.told()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._session.settings

    @property
    def session(self) -> Session:
        """The run behind the panel: its learner, stream and record."""
        return self._session

    @property
    def playing(self) -> bool:
        """True between Play and Pause."""
        return self._loop.playing

    def obey(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        """Learn for about so long."""
        raise NotImplementedError

    def close(self) -> None:
        """End the task and the widgets."""
        forget(self)
        if hasattr(self, "_figure"):
            self._loop.close()
            self.children = []  # views go while their models can still be told: a Tab says so when it goes
            for widget in (self._figure.widget, self._phase.widget, self._gate):
                widget.close()
        super().close()

    def draw(self) -> None:
        """Show the record as it stands."""
        recorder = self._session.recorder
        if len(recorder) and not self._named:
            self._name_units()
        marks, twin = words.marks(self._session), self._session.twin
        self._figure.draw(recorder, self._window, self._units, marks, twin, self._maps)
        self._phase.draw(recorder, self._window, self._phase_unit)
        if self._watcher is not None:
            self._watcher()

    def watch(self, watcher: Callable[[], Any] | None) -> None:
        """Call `watcher` after every frame, on the loop's own thread; None: no longer."""
        self._watcher = watcher

    def soon(self, call: Callable[[], Any]) -> None:
        """Call `call` between two steps, on the loop's own thread. Any thread."""
        self._loop.post("call", call)

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

    def _show_settings(self, source: dict[str, str] | None = None) -> None:
        self._controls.show(self.settings, source)
        kind = words.regime(self.settings)
        colour = words.ALARM if kind == "unstable" else "inherit"
        self._law.value = (
            words.equations(self._touched)
            + f'<div style="line-height:1.7">{words.as_sgd(self.settings)}'
            + f' · <span style="color:{colour}"><b>{kind}</b>: {words.REGIMES[kind]}</span></div>'
        )

    def _pick(self, t: float | None) -> None:
        """The time that was clicked, to which one can go back."""
        self._picked = t
        self._controls.show_picked(t)
        with self._controls.quiet:
            self._figure.widget.picked = t

    def _name_units(self) -> None:
        names = {name: self._session.recorder.names(name) for name in UNITS}
        self._named = True
        x, _ = self._phase.axes(self._session.recorder)
        self._controls.name_units(names, self._units, names[x])

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
