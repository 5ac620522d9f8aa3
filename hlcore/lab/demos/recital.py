"""The recital: what a student of the signal school sings, beside a Cockpit that teaches it, to see and to hear."""

from __future__ import annotations

import html
import io
import wave as wav
from typing import Any

import ipywidgets as W
import numpy as np
import torch

from ...errors import bad
from ...studies.signal_school import SIGNALS, Lectures, describe, heard, run_free
from ...studies.signal_school.results import TAUGHT, UNHEARD
from ..cockpit import Cockpit
from ..figures.scope import TARGET, Canvas
from ..places import Place, forget

STEPS, STEP, EVERY = 1000, 0.1, 1000  # of an exam; lecture steps between two exams while the student learns
RATE, LOUDNESS = 44_100, 0.25  # samples of sound per second: step .1 makes .05 cycles per unit of time 220 Hz
ROUND = 45  # times that the exam is played: 1000 steps are whole periods of all eight signals, so it has no seam
KINDS = {"smooth": "smo", "square": "squ"}


class Recital(W.VBox):
    """Exams on all eight signals, sung anew after every lecture: curve, error, passed or not, and the sound.

    cockpit  a Cockpit of `signal-school` or `signal-school-baseline`
    `examine()` holds the exams now; `grades` are the last ones, {name: mean square error}; `sound(name)` is a WAV file.
    """

    def __init__(self, cockpit: Cockpit) -> None:
        stream = cockpit.session.stream if isinstance(cockpit, Cockpit) else None
        if not isinstance(stream, Lectures):
            wanted = "a Cockpit of the signal school"
            raise bad("Recital", type(cockpit).__name__, wanted, "Cockpit(hlcore.experiments.get('signal-school'))")
        super().__init__(layout=W.Layout(width="100%", min_width="0"))
        self._place = Place(self)
        self._cockpit, self._silent = cockpit, stream.silent
        self._target = np.concatenate([heard(s.x, STEPS, STEP).numpy()[:, 0] for s in SIGNALS.values()], 1)
        self._sung = np.zeros_like(self._target)
        self._held = [name for name in SIGNALS if name not in stream.names]
        self.grades: dict[str, float] = {}
        self._words, self._canvases = W.HTML(), {kind: Canvas(height=430) for kind in KINDS}
        self.children = self._laid_out()
        cockpit.watch(self._follow)
        self.examine()

    def examine(self) -> Recital:
        """Hold all eight exams with the student as it is now; nothing is learned."""
        learner = self._cockpit.session.learner
        u = torch.cat([describe(s.tokens, silent=self._silent) for s in SIGNALS.values()])
        sung = run_free(learner.network, u, STEPS, STEP, learner.order)
        self._sung, self._at = sung.squeeze(2).numpy(), learner.steps
        mse = np.square(self._sung - self._target).mean(0)
        self.grades = dict(zip(SIGNALS, mse.tolist(), strict=True))
        self._draw()
        return self

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
        forget(self)
        if hasattr(self, "_canvases"):
            self._cockpit.watch(None)
            for canvas in self._canvases.values():
                canvas.close()
        super().close()

    def __repr__(self) -> str:
        return "Recital()"

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Called after each frame of the Cockpit: an exam after each lecture, and whenever the student rests."""
        steps, playing = self._cockpit.session.learner.steps, self._cockpit.playing
        if steps != self._at and (steps // EVERY != self._at // EVERY or not playing or steps < self._at):
            self.examine()
            if playing and self._along.value:
                self._listen("student")

    def _listen(self, whose: str) -> None:
        self._audio.value = self.sound(self._which.value, whose)

    def _draw(self) -> None:
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
            self._canvases[kind].show(columns, rows=rows, start=0.0, marks=[], about=about)
        good = [name for name in SIGNALS if self.passed(name)]
        stream = self._cockpit.session.stream
        assert isinstance(stream, Lectures)
        if self._at and self._at < (stream.length or 0):
            turn, name, _ = stream.place(self._at)
            now = f"round {turn + 1}, hearing {name}"
        else:
            now = "before the first lecture" if not self._at else "school is over"
        held = "".join(f"; {name}, never taught, {'passed' if name in good else 'not passed'}" for name in self._held)
        text = f"after {self._at:,} steps ({now}): passed {len(good)} of {len(SIGNALS)}{held}"
        self._words.value = f'<span role="status"><b>Exams</b> {html.escape(text)}</span>'

    def _laid_out(self) -> list[Any]:
        self._which = W.Dropdown(options=list(SIGNALS), value=(self._held or ["smoHfHa"])[0], tooltip="which signal",
                                 layout=W.Layout(width="120px"))  # fmt: skip
        self._audio = W.Audio(value=b"", format="wav", autoplay=True, loop=False, layout=W.Layout(display="none"))
        self._along = W.Checkbox(value=False, indent=False, description="sing after every lecture",
                                 tooltip="while it learns", layout=W.Layout(width="auto"))  # fmt: skip
        buttons = []
        for whose, tip in (("student", "what the student sang last"), ("target", "what it should sing")):
            button = W.Button(description=f"Hear the {whose}", tooltip=tip, layout=W.Layout(width="auto"))
            button.on_click(lambda _, whose=whose: self._cockpit.soon(lambda: self._listen(whose)))
            buttons.append(button)
        again = W.Button(description="Examine now", tooltip="all eight exams", layout=W.Layout(width="auto"))
        again.on_click(lambda _: self._cockpit.soon(self.examine))
        flow = W.Layout(flex_flow="row wrap", align_items="center", min_width="0")
        bar = W.HBox([again, self._which, *buttons, self._along, self._audio], layout=flow)
        for canvas in self._canvases.values():
            canvas.layout = W.Layout(flex="1 1 420px", min_width="0")
        return [bar, self._words, W.HBox(list(self._canvases.values()), layout=flow)]
