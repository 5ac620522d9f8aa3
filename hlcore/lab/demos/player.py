"""A picture that can be played moment by moment, under controls that change what is played."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import plotly.graph_objects as go

from ...errors import unknown, whole
from ..figures.chart import Plot, placed
from ..panel import Panel
from ..widgets import row


class Player(Panel):
    """Play, Step and Restart over the moments 1 … `length` of something computed, and one control per choice.

    A picture says what it computes from the choices (`compute`), how it is drawn up to moment `at` (`draw`) and what
    it is in words (`status`); its construction ends with `show`. `play`, `pause`, `step(n)`, `reset()` and
    `set(name=…)` are the controls' twins.

    controls  {name of a choice: its widget}     pace  seconds per moment     what  what one moment is called
    """

    def __init__(self, controls: Mapping[str, Any], pace: float, what: str) -> None:
        super().__init__()
        self._controls, self._pace, self._moved = dict(controls), pace, 0.0
        self.chosen: dict[str, Any] = {name: control.value for name, control in controls.items()}
        self.commands |= {"step": self._one, "reset": lambda _: self.reset()}
        for name, control in controls.items():
            self.commands[name] = partial(self._choose, name)
            self._quiet.observe(control, partial(self._loop.post, name))
        self._bar = [
            self._play,
            self.button("Step", f"One {what} further", "step"),
            self.button("Restart", f"The first {what}", "reset"),
            *controls.values(),
        ]
        self.compute(**self.chosen)
        self.at = self.length

    def show(self, figure: go.Figure) -> None:
        """Lay the picture out under its controls."""
        self.figure: Any = figure
        self.draw()
        self.figure = Plot(self.figure)  # drawn already: what is sent before it is displayed may be lost
        self.children = [row([*self._bar, self._gate]), self._status, self._alarm, placed(self.figure)]
        self.refresh_status()

    # ---- what a picture says of itself, beside `draw` and `status` ---------------------------------------------------

    @property
    def length(self) -> int:
        """Moments there are."""
        raise NotImplementedError

    def compute(self, **chosen: Any) -> None:
        """Make what is shown; HLError for a bad choice, before anything is changed."""
        raise NotImplementedError

    # ---- what a program calls ----------------------------------------------------------------------------------------

    def set(self, **changes: Any) -> Self:
        """Change what is played; an unknown name or a bad value is an HLError and changes nothing."""
        for name in changes:
            if name not in self.chosen:
                raise unknown("control", name, self.chosen)
        at_end = self.at == self.length
        try:
            self.compute(**self.chosen | changes)
            self.chosen |= changes
        finally:
            with self._quiet:
                for name, control in self._controls.items():
                    control.value = self.chosen[name]
        return self._go(self.length if at_end else min(self.at, self.length))

    def step(self, n: int = 1) -> Self:
        """Go n moments further; from the end on, begin anew."""
        return self._go(min((0 if self.at >= self.length else self.at) + whole("n", n), self.length))

    def reset(self) -> Self:
        """Back to the first moment."""
        self._loop.pause()
        return self._go(1)

    def play(self) -> Self:
        """Go on by itself, moment after moment."""
        if self.at >= self.length:
            self.at = 1
        return super().play()

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """One moment further when it is time."""
        now = time.perf_counter()
        if now - self._moved >= self._pace:
            self._moved = now
            self.at = min(self.at + 1, self.length)
            self.refresh_status()
            if self.at == self.length:
                self._loop.pause()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _choose(self, name: str, value: Any) -> None:
        self.set(**{name: value})

    def _one(self, _: Any) -> None:
        self._loop.pause()
        self.step()

    def _go(self, at: int) -> Self:
        self.at = at
        self.draw()
        self.refresh_status()
        return self
