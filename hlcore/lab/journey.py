"""A sequence and its own reverse, played: the states go there, the costate z comes back, the gradient gathers."""

from __future__ import annotations

import math
import time
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..errors import HLError, unknown
from ..streams.base import count
from .chart import INK, placed, styled
from .gate import FrameGate
from .live import LiveLoop
from .places import Place, forget
from .way import NETWORKS, TARGETS, UNITS, utterance, way

PACE = 0.12  # seconds per token while it plays


class Journey(W.VBox):
    """Play the stream token by token: heat maps of h and z (unit × step of the stream), ω's angle to BPTT's gradient.

    window  how many tokens the way back takes     eta  dissipation of z and ω
    `play`, `pause`, `step(n)`, `reset()`, `set(window=…, eta=…, network=…, target=…)` are the controls' twins; `way`
    is what is shown, `at` the step of the stream.
    """

    def __init__(self) -> None:
        super().__init__(layout=W.Layout(width="100%", min_width="0"))
        self._place = Place(self)
        self._gate = FrameGate()
        self._loop = LiveLoop(self, self._gate)
        self._chosen: dict[str, Any] = {"network": NETWORKS[0], "target": TARGETS[0], "window": None, "eta": 0.0}
        self._moved, self._quiet = 0.0, False
        self._words, self._alarm = W.HTML(), W.HTML()
        bar = self._bar()
        self._compute()
        self.at = self.length
        self.figure: Any = _figure(len(self.way.h))
        self.draw()
        self.figure = go.FigureWidget(self.figure)  # drawn already: what is sent before it is displayed may be lost
        self.children = [bar, self._words, self._alarm, placed(self.figure)]
        self.told()

    @property
    def length(self) -> int:
        """Samples of the stream: n tokens there, window - 1 back."""
        return len(self.way.h) + len(self.way.z) - 1

    def set(self, **changes: Any) -> Journey:
        """Change what is played; an unknown name or a bad value is an HLError and changes nothing."""
        for name in changes:
            if name not in self._chosen:
                raise unknown("control", name, self._chosen)
        before = dict(self._chosen)
        try:
            self._chosen |= changes
            at_end = self.at == self.length
            self._compute()
        except HLError:
            self._chosen = before
            raise
        self.at = self.length if at_end else min(self.at, self.length)
        self.draw()
        self.told()
        return self

    def step(self, n: int = 1) -> Journey:
        """Go n samples further; from the end on, begin anew."""
        self.at = (0 if self.at >= self.length else self.at) + count("n", n)
        self.at = min(self.at, self.length)
        self.draw()
        self.told()
        return self

    def reset(self) -> Journey:
        """Back to the first token."""
        self._loop.pause()
        self.at = 1
        self.draw()
        self.told()
        return self

    def play(self) -> Journey:
        """Go on by itself, token after token."""
        if self.at >= self.length:
            self.at = 1
        self._loop.play()
        return self

    def pause(self) -> Journey:
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
        return "Journey()"

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def obey(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        if name == "toggle":
            self.pause() if self._loop.playing else self.play()
        elif name == "step":
            self._loop.pause()
            self.step(value)
        elif name == "reset":
            self.reset()
        else:
            self.set(**{name: value})

    def advance(self, seconds: float) -> None:
        """One sample further when it is time."""
        now = time.perf_counter()
        if now - self._moved >= PACE:
            self._moved = now
            self.at = min(self.at + 1, self.length)
            self.told()
            if self.at == self.length:
                self._loop.pause()

    def draw(self) -> None:
        """Show the stream up to `at`."""
        n, shown, back = len(self.way.h), self.way, len(self.way.z)
        h = np.full((UNITS, 2 * n - 1), np.nan)
        z = np.full((UNITS, 2 * n - 1), np.nan)
        there = min(self.at, n)
        h[:, :there] = shown.h[:there].T
        if self.at > n:
            h[:, n : self.at] = shown.h[2 * n - 1 - self.at : n - 1][::-1].T
        seen = max(0, min(self.at - n + 1, back))
        z[:, n - 1 : n - 1 + seen] = np.log10(np.abs(shown.z[:seen]) + 1e-12).T
        x = np.arange(1, 2 * n)
        with self.figure.batch_update():
            for trace, values in zip(self.figure.data[:2], (h, z), strict=True):
                trace.x, trace.z = x.tolist(), [[None if math.isnan(v) else round(v, 3) for v in row] for row in values]
            for trace, curve in zip(self.figure.data[2:], (shown.cosine, shown.share), strict=True):
                trace.x, trace.y = x[n - 1 : n - 1 + seen].astype(np.float32), curve[:seen].astype(np.float32)

    def told(self) -> None:
        """Bring button and words up to date."""
        playing, n, w = self._loop.playing, len(self.way.h), self.way
        self._play.description = "Pause" if playing else "Play"
        self._play.button_style = "warning" if playing else "success"
        seen = max(0, min(self.at - n + 1, len(w.z)))
        if not seen:
            text = f"on the way there, token {self.at} of {n}; the weights stand (β = 0), the states are stored"
        else:
            angle = math.degrees(math.acos(min(1.0, max(-1.0, w.cosine[seen - 1]))))
            text = (
                f"on the way back, z has reached token {n - seen + 1} of {n}; ω is {angle:.1f}° from BPTT's gradient, "
                f"{100 * w.share[seen - 1]:.0f} % of its length"
            )
            if seen == len(w.z):
                name = "BPTT" if len(w.z) == n else f"truncated BPTT({len(w.z)})"
                same = (
                    f"with η = 0 it is autograd's {name} to {w.gap:.0e}"
                    if w.gap
                    else f"with η = 0 it is autograd's {name}"
                )
                text += f"; the end: {same}"
        self._words.value = f'<span role="status"><b>sample {self.at} of {self.length}</b>: {text}.</span>'
        error = self._loop.error
        self._alarm.value = f'<span role="alert">⚠ {error}</span>' if error else ""

    def notice(self, text: str) -> None:
        """Show a complaint that stops nothing."""
        self._alarm.value = f'<span role="alert">⚠ {text}</span>'

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _compute(self) -> None:
        chosen = self._chosen
        network, tokens = utterance(chosen["network"], chosen["target"])
        self.way = way(network, tokens, chosen["window"], chosen["eta"])
        self._quiet = True
        try:
            self._window.max = len(tokens)
            self._window.value = len(self.way.z)
            self._eta.value = chosen["eta"]
            self._network.value, self._target.value = chosen["network"], chosen["target"]
        finally:
            self._quiet = False

    def _bar(self) -> W.HBox:
        post, style = self._loop.post, {"description_width": "initial"}
        wide = W.Layout(width="290px", min_width="200px")
        self._play = W.Button(tooltip="walk the stream", layout=W.Layout(width="auto"))
        self._play.on_click(lambda _: post("toggle"))
        buttons = [self._play]
        for label, tip, name, value in (
            ("Step", "one sample", "step", 1),
            ("Restart", "the first token", "reset", None),
        ):
            button = W.Button(description=label, tooltip=tip, layout=W.Layout(width="auto"))
            button.on_click(lambda _, name=name, value=value: post(name, value))
            buttons.append(button)
        self._window = W.IntSlider(value=1, min=1, max=1, description="window r (tokens)", style=style, layout=wide)
        self._eta = W.FloatSlider(
            value=0.0, min=0.0, max=0.5, step=0.02, description="η dissipation", style=style, layout=wide
        )
        self._network = W.Dropdown(options=NETWORKS, description="network", style=style, layout=W.Layout(width="180px"))
        self._target = W.Dropdown(options=TARGETS, description="loss", style=style, layout=W.Layout(width="220px"))
        for name, control in (
            ("window", self._window), ("eta", self._eta), ("network", self._network), ("target", self._target)
        ):  # fmt: skip
            control.observe(lambda change, name=name: self._quiet or post(name, change.new), "value")
        flow = W.Layout(flex_flow="row wrap", align_items="center", min_width="0")
        return W.HBox([*buttons, self._window, self._eta, self._network, self._target, self._gate], layout=flow)


def _figure(n: int) -> go.Figure:
    titles = ("h, the state: there, and the stored ones back", "log₁₀ |z|, its costate", "ω beside BPTT's gradient")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    for row, (scale, low, high) in enumerate((("RdBu", -1, 1), ("Oranges", -6, 0)), start=1):
        bar = {"len": 0.27, "y": (0.87, 0.5)[row - 1], "thickness": 12}
        heat = go.Heatmap(z=[[0.0]], colorscale=scale, zmin=low, zmax=high, colorbar=bar, hoverongaps=False)
        figure.add_trace(heat, row=row, col=1)
        figure.update_yaxes(title="unit", row=row, col=1)
    for name, (ink, dash) in zip(("cosine", "share of its length"), INK, strict=False):
        line = {"color": ink, "dash": dash, "width": 2.5}
        figure.add_trace(go.Scatter(x=[], y=[], mode="lines+markers", line=line, name=name), row=3, col=1)
    styled(figure, 560)
    figure.update_layout(legend={"y": 0.13, "x": 0.01, "bgcolor": "rgba(0,0,0,0)"})
    figure.update_yaxes(range=[-0.1, 1.3], row=3, col=1)
    figure.update_xaxes(title="sample of the stream: the sequence, then its reverse", row=3, col=1)
    figure.update_xaxes(range=[0.5, 2 * n - 0.5])
    figure.add_vline(x=n, line={"color": "#D55E00", "dash": "dash", "width": 1.5})
    return figure
