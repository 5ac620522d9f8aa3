"""The recital: what a student of the signal school sings, beside a Cockpit that teaches it, to see and to hear."""

import html
import io
import wave as wav
from typing import Any, Self

import ipywidgets as W
import numpy as np
import torch

from ...errors import bad
from ...studies.signal_school import SIGNALS, Lectures, describe, heard, run_free
from ...studies.signal_school.results import TAUGHT, UNHEARD
from ..cockpit import Cockpit
from ..figures.canvas import TARGET, Canvas
from ..figures.figure import View
from ..panel import Panel
from ..widgets import column, menu, row

STEPS, STEP, EVERY = 1000, 0.1, 1000  # of an exam; lecture steps between two exams while the student learns
RATE, LOUDNESS = 44_100, 0.25  # samples of sound per second: step .1 makes .05 cycles per unit of time 220 Hz
ROUND = 45  # times that the exam is played: 1000 steps are whole periods of all eight signals, so it has no seam
KINDS = {"smooth": "smo", "square": "squ"}


class Recital(Panel):
    """Exams on all eight signals, sung anew after every lecture: curve, error, passed or not, and the sound.

    cockpit  a Cockpit of `signal-school` or `signal-school-baseline`
    `examine()` holds the exams now; `grades` are the last ones, {name: mean square error}; `sound(name)` is a WAV file.
    """

    def __init__(self, cockpit: Cockpit) -> None:
        stream = cockpit.run.stream if isinstance(cockpit, Cockpit) else None
        if not isinstance(stream, Lectures):
            wanted = "a Cockpit of the signal school"
            raise bad("Recital", type(cockpit).__name__, wanted, "Cockpit(hlcore.experiments.get('signal-school'))")
        super().__init__()
        self._cockpit, self._silent = cockpit, stream.silent
        self._target = np.concatenate([heard(s.x, STEPS, STEP).numpy()[:, 0] for s in SIGNALS.values()], 1)
        self._sung = np.zeros_like(self._target)
        self._held = [name for name in SIGNALS if name not in stream.names]
        self.grades: dict[str, float] = {}
        self._canvases = {kind: Canvas(height=430) for kind in KINDS}
        self.owns(*self._canvases.values())
        self.commands |= {"examine": lambda _: self.examine(), "hear": self._listen}
        self.children = self._laid_out()
        self.examine()
        cockpit.figures.append(self)

    def examine(self) -> Self:
        """Hold all eight exams with the student as it is now; nothing is learned."""
        learner = self._cockpit.run.learner
        u = torch.cat([describe(s.tokens, silent=self._silent) for s in SIGNALS.values()])
        sung = run_free(learner.network, u, STEPS, STEP, learner.order)
        self._sung, self._at = sung.squeeze(2).numpy(), learner.steps
        mse = np.square(self._sung - self._target).mean(0)
        self.grades = dict(zip(SIGNALS, mse.tolist(), strict=True))
        return self.shown()

    def passed(self, name: str) -> bool:
        """At most .1 on a signal that is taught, .05 on the held-out one."""
        return self.grades[name] <= (UNHEARD if name in self._held else TAUGHT)

    def sound(self, name: str, whose: str = "student") -> bytes:
        """One second of a signal as WAV: as the "student" sang it in the last exam, or as the "target" is."""
        source = {"student": self._sung, "target": self._target}[whose]
        once = np.clip(np.nan_to_num(source[:, list(SIGNALS).index(name)]), -1.5, 1.5) / 1.5
        x = np.tile(once, ROUND)
        fade = np.minimum(1, np.arange(len(x)) / 1000)
        with io.BytesIO() as file:
            with wav.open(file, "wb") as out:
                out.setparams((1, 2, RATE, len(x), "NONE", "not compressed"))
                out.writeframes((LOUDNESS * 32767 * x * fade * fade[::-1]).astype("<i2").tobytes())
            return file.getvalue()

    def close(self) -> None:
        """End it; the Cockpit goes on."""
        if self._owned and self in self._cockpit.figures:
            self._cockpit.figures.remove(self)
        super().close()

    def frame(self, run: Any, view: View) -> None:
        """Called at each frame of the Cockpit: an exam after each lecture, and whenever the student rests."""
        steps, playing = run.learner.steps, view.playing
        if steps != self._at and (steps // EVERY != self._at // EVERY or not playing or steps < self._at):
            self.examine()
            if playing and self._along.value:
                self._listen("student")

    def status(self) -> str:
        """How the exams went, and what is taught now."""
        good = [name for name in SIGNALS if self.passed(name)]
        stream = self._cockpit.run.stream
        assert isinstance(stream, Lectures)
        if self._at and self._at < (stream.length or 0):
            turn, name, _ = stream.place(self._at)
            now = f"round {turn + 1}, hearing {name}"
        else:
            now = "before the first lecture" if not self._at else "school is over"
        held = "".join(f"; {name}, never taught, {'passed' if name in good else 'not passed'}" for name in self._held)
        text = f"after {self._at:,} steps ({now}): passed {len(good)} of {len(SIGNALS)}{held}"
        return f"<b>Exams</b> {html.escape(text)}"

    def _listen(self, whose: str) -> None:
        self._audio.value = self.sound(self._which.value, whose)

    def draw(self) -> None:
        """The curves of both kinds of signals."""
        x = np.arange(STEPS, dtype=np.float32) * STEP
        for kind, start in KINDS.items():
            names = [name for name in SIGNALS if name.startswith(start)]
            rows, columns = [], [x]
            for name in names:
                i = list(SIGNALS).index(name)
                columns += [self._sung[:, i], self._target[:, i]]
                tokens = " ".join(SIGNALS[name].tokens)
                never = "never taught · " if name in self._held else ""
                verdict = "passed ✓" if self.passed(name) else "not yet"
                lines = [{"name": "sung", "ink": 0, "width": 2}, {"name": "target", "ink": TARGET}]
                what = f"{tokens} · {never}error {self.grades[name]:.3f} · {verdict}"
                rows.append({"symbol": name, "what": what, "weight": 1, "log": False, "lines": lines})
            about = f"exams on the {kind} signals: sung and target over time"
            self._canvases[kind].show("rows", columns, rows=rows, start=0.0, marks=[], about=about)

    def _laid_out(self) -> list[Any]:
        self._which = menu(SIGNALS, width="120px", tooltip="which signal")
        self._which.value = (self._held or ["smoHfHa"])[0]
        self._audio = W.Audio(value=b"", format="wav", autoplay=True, loop=False, layout=W.Layout(display="none"))
        self._along = W.Checkbox(value=False, indent=False, description="sing after every lecture",
                                 tooltip="while it learns", layout=W.Layout(width="auto"))  # fmt: skip
        bar = [
            self.button("Examine now", "All eight exams", "examine"), self._which,
            self.button("Hear the student", "What the student sang last", "hear", "student"),
            self.button("Hear the target", "What it should sing", "hear", "target"), self._along, self._audio,
        ]  # fmt: skip
        halves = [column([canvas], flex="1 1 420px") for canvas in self._canvases.values()]
        return [row(bar), self._status, self._alarm, row(halves)]
