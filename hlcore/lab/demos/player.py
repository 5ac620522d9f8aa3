"""A picture that can be played moment by moment, under controls that change what is played."""

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import plotly.graph_objects as go

from ...errors import unknown, whole
from ..figures.chart import Plot, placed
from ..panel import Panel
from ..widgets import row


class Player(Panel):
    """Play, Step and Restart over the moments 1 … `length` of something computed, and one control per choice.

    A picture says what it computes from the choices and how many moments that has (`compute`), how it is drawn up to
    moment `at` (`draw`) and what it is in words (`status`); its construction ends with `show`. `play`, `pause`,
    `step(n)`, `reset()` and `set(name=…)` are the controls' twins.

    controls  {name of a choice: its widget}     pace  seconds per moment     what  what one moment is called
    """

    length: int
    pace, what = 0.1, "moment"

    def __init__(self, controls: Mapping[str, Any]) -> None:
        super().__init__()
        self._controls, self._moved = dict(controls), 0.0
        self.chosen: dict[str, Any] = {name: control.value for name, control in controls.items()}
        self.commands |= {"step": lambda _: self.step(), "reset": lambda _: self.reset()}
        for name, control in controls.items():
            self.commands[name] = partial(self._choose, name)
            self._quiet.observe(control, partial(self._loop.post, name))
        self._bar = [
            self._play,
            self.button("Step", f"One {self.what} further", "step"),
            self.button("Restart", f"The first {self.what}", "reset"),
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

    def compute(self, **chosen: Any) -> None:
        """Make what is shown, and say its `length`; HLError for a bad choice, before anything is changed."""
        raise NotImplementedError

    def paint(self, x: np.ndarray, maps: Sequence[np.ndarray], curves: Mapping[int, tuple[Any, Any]]) -> None:
        """Show maps, (rows, len(x)) each, by the first traces, and curves {trace: (x, y)}; nan is not drawn."""
        with self.figure.batch_update():
            for trace, cells in zip(self.figure.data, maps, strict=False):
                trace.x = x.tolist()
                trace.z = [[None if math.isnan(v) else round(v, 3) for v in row] for row in cells.tolist()]
            for k, points in curves.items():
                self.figure.data[k].x, self.figure.data[k].y = (np.asarray(p, np.float32) for p in points)

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
        self._loop.pause()
        return self._go(min((0 if self.at >= self.length else self.at) + whole("n", n), self.length))

    def reset(self) -> Self:
        """Back to the first moment."""
        self._loop.pause()
        return self._go(1)

    def ask(self, question: Any) -> None:
        """Show the first moment alone until this `Predict` has an answer."""
        super().ask(question)
        self._go(1)

    def play(self) -> Self:
        """Go on by itself, moment after moment."""
        if self.at >= self.length:
            self.at = 1
        return super().play()

    def advance(self, seconds: float) -> None:
        """One moment further when it is time."""
        now = time.perf_counter()
        if now - self._moved >= self.pace:
            self._moved = now
            self.at = min(self.at + 1, self.length)
            self.refresh_status()
            if self.at == self.length:
                self._loop.pause()

    def _choose(self, name: str, value: Any) -> None:
        self.set(**{name: value})

    def _go(self, at: int) -> Self:
        self.at = at
        return self.shown()
