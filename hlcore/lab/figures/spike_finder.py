"""Spikes behind a blur: what is seen, what was there, what is guessed, and the code as a map over time."""

from typing import Any

import numpy as np

from .figure import Figure, View
from .heatmap import heat

SHOWN = 120  # tokens


class SpikeFinder(Figure):
    """The last tokens: the blurred signal at the target's place, the spikes (dotted), the guess; below, the code h."""

    title = "what is seen, what was there, what is guessed; below, the code h, a unit for each place of a spike"
    height = 420

    def frame(self, run: Any, view: View) -> None:
        """Over the last SHOWN tokens, and the error of each token over the window of the panel."""
        recorder, stream = run.recorder, run.stream
        t = recorder.window("t", SHOWN)
        if len(t) < 2:
            self.widget.show("rows", [], rows=[], start=0.0, marks=[], about="spikes")
            return
        first = int(recorder.window("step", SHOWN)[0]) - 1
        u, spikes = (x.numpy() for x in stream.tokens(first, len(t)))
        seen = u[:, stream.window - 1 - stream.delay]
        guess = recorder.window("output", SHOWN)[:, 0] if recorder.names("output") else np.zeros(len(t))
        codes = heat(recorder, "h", SHOWN)
        lines = [
            {"name": "seen", "ink": 1, "width": 1.4},
            {"name": "guess", "ink": 0, "width": 2.2},
            {"name": "spikes", "ink": -1, "width": 1.6},
        ]
        wrong = {"symbol": "e", "what": "error of a token", "weight": 0.7, "map": None, "log": False}
        rows = [
            {"symbol": "y", "what": "spikes and blur", "weight": 1.2, "map": None, "log": False, "lines": lines},
            wrong | {"lines": [{"name": "guess - spike", "ink": 2}]},
        ]
        if codes is not None:
            rows.append(
                {"symbol": "h", "what": codes.told, "weight": 1.4, "map": codes.plan, "log": False, "lines": []}
            )
        columns = [t - t[0], seen, guess, spikes[:, 0], guess - spikes[:, 0]]
        marks = [list(m) for m in view.marks if m[0] >= t[0]]
        cells = [codes.cells] if codes is not None else []
        about = "spikes, blur, guess and code over the last tokens"
        self.widget.show("rows", columns, cells, rows=rows, start=float(t[0]), marks=marks, about=about)
