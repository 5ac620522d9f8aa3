"""A picture that can be played moment by moment, under controls that change what is played."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import ipywidgets as W
import plotly.graph_objects as go

from ...errors import HLError, unknown, whole
from ...lab import equations as words
from ..figures.chart import placed
from ..gate import FrameGate
from ..loop import LiveLoop
from ..places import Place, forget

STYLE = {"description_width": "initial"}


class Player(W.VBox):
    """Play, Step and Restart over the moments 1 … `length` of something computed, and one control per choice.

    A picture says what it computes from the choices (`compute`), how it is drawn up to moment `at` (`draw`) and what
    it is in words (`text`); its construction ends with `show`. `play`, `pause`, `step(n)`, `reset()` and `set(name=…)`
    are the controls' twins.

    controls  {name of a choice: its widget}     pace  seconds per moment     what  what one moment is called
    """

    def __init__(self, controls: Mapping[str, Any], pace: float, what: str) -> None:
        super().__init__(layout=W.Layout(width="100%", min_width="0"))
        self._place = Place(self)
        self._gate = FrameGate()
        self._loop = LiveLoop(self, self._gate)
        self._controls, self._pace = dict(controls), pace
        self.chosen: dict[str, Any] = {name: control.value for name, control in controls.items()}
        self._moved, self._quiet = 0.0, False
        self._words, self._alarm = W.HTML(), W.HTML()
        self._bar = W.HBox(
            [*self._buttons(what), *controls.values(), self._gate],
            layout=W.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        for name, control in controls.items():
            control.observe(partial(self._heard, name), "value")
        self.compute(**self.chosen)
        self.at = self.length

    def show(self, figure: go.Figure) -> None:
        """Lay the picture out under its controls."""
        self.figure: Any = figure
        self.draw()
        self.figure = go.FigureWidget(self.figure)  # drawn already: what is sent before it is displayed may be lost
        self.children = [self._bar, self._words, self._alarm, placed(self.figure)]
        self.told()

    # ---- what a picture says of itself -------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """Moments there are."""
        raise NotImplementedError

    def compute(self, **chosen: Any) -> None:
        """Make what is shown; HLError for a bad choice, before anything is changed."""
        raise NotImplementedError

    def draw(self) -> None:
        """Show it up to moment `at`."""
        raise NotImplementedError

    def text(self) -> str:
        """It in words, as HTML."""
        raise NotImplementedError

    # ---- what a program calls ----------------------------------------------------------------------------------------

    def set(self, **changes: Any) -> Player:
        """Change what is played; an unknown name or a bad value is an HLError and changes nothing."""
        for name in changes:
            if name not in self.chosen:
                raise unknown("control", name, self.chosen)
        at_end = self.at == self.length
        try:
            self.compute(**self.chosen | changes)
            self.chosen |= changes
        finally:
            self._show()
        self.at = self.length if at_end else min(self.at, self.length)
        self.draw()
        self.told()
        return self

    def step(self, n: int = 1) -> Player:
        """Go n moments further; from the end on, begin anew."""
        self.at = min((0 if self.at >= self.length else self.at) + whole("n", n), self.length)
        self.draw()
        self.told()
        return self

    def reset(self) -> Player:
        """Back to the first moment."""
        self._loop.pause()
        self.at = 1
        self.draw()
        self.told()
        return self

    def play(self) -> Player:
        """Go on by itself, moment after moment."""
        if self.at >= self.length:
            self.at = 1
        self._loop.play()
        return self

    def pause(self) -> Player:
        """Stop."""
        self._loop.pause()
        self.told()
        return self

    def close(self) -> None:
        """End the task and the widgets."""
        forget(self)
        if hasattr(self, "_gate"):
            self._loop.close()
            self._gate.close()
        super().close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def obey(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        if name == "toggle":
            self.pause() if self._loop.playing else self.play()
        elif name == "step":
            self._loop.pause()
            self.step()
        elif name == "reset":
            self.reset()
        else:
            self.set(**{name: value})

    def advance(self, seconds: float) -> None:
        """One moment further when it is time."""
        now = time.perf_counter()
        if now - self._moved >= self._pace:
            self._moved = now
            self.at = min(self.at + 1, self.length)
            self.told()
            if self.at == self.length:
                self._loop.pause()

    def told(self) -> None:
        """Bring button and words up to date."""
        playing, error = self._loop.playing, self._loop.error
        self._play.description = "Pause" if playing else "Play"
        self._play.button_style = "warning" if playing else "success"
        self._words.value = f'<span role="status">{self.text()}</span>'
        self._alarm.value = words.alarmed(str(error) if isinstance(error, HLError) else repr(error) if error else "")

    def notice(self, text: str) -> None:
        """Show a complaint that stops nothing."""
        self._alarm.value = words.alarmed(text)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _heard(self, name: str, change: Any) -> None:
        if not self._quiet:
            self._loop.post(name, change.new)

    def _show(self) -> None:
        """Let the controls show what is chosen."""
        self._quiet = True
        try:
            for name, control in self._controls.items():
                control.value = self.chosen[name]
        finally:
            self._quiet = False

    def _buttons(self, what: str) -> list[W.Button]:
        post, auto = self._loop.post, W.Layout(width="auto")
        self._play = W.Button(description="Play", tooltip="let time go on", button_style="success", layout=auto)
        self._play.on_click(lambda _: post("toggle"))
        buttons = [self._play]
        for label, tip, name in (("Step", f"one {what} further", "step"), ("Restart", f"the first {what}", "reset")):
            button = W.Button(description=label, tooltip=tip, layout=auto)
            button.on_click(lambda _, name=name: post(name))
            buttons.append(button)
        return buttons


def slider(kind: Any, value: Any, low: Any, high: Any, label: str, **more: Any) -> Any:
    """A slider of the given kind whose label is not cut off."""
    layout = W.Layout(width="300px", min_width="200px")
    return kind(value=value, min=low, max=high, description=label, style=STYLE, layout=layout, **more)


def menu(options: Any, label: str, width: str = "240px") -> Any:
    """A drop-down menu whose label is not cut off."""
    return W.Dropdown(options=list(options), description=label, style=STYLE, layout=W.Layout(width=width))
