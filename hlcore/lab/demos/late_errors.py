"""Errors that travel at a finite speed: what each layer's costate carries, beside backprop's delta."""

from typing import Any

import ipywidgets as W
import plotly.graph_objects as go

from ...palette import INK
from ...studies.finite_speed import SIZES, Late, late
from ..figures.chart import curve, styled
from ..widgets import slider
from .player import Player

UNTIL = 3.0


class LateErrors(Player):
    """|λ| = |σ'(a) z| of three layers (lines) and backprop's |δ| (dots) while the input moves, played in time.

    speed  c at which neurons and errors settle     still  True: the input waits
    `late` is what is shown, up to moment `at`.
    """

    late: Late
    pace = 0.08

    def __init__(self) -> None:
        controls = {
            "speed": slider(W.IntSlider, 10, 6, 80, "c  speed of an error", width="330px"),
            "still": W.ToggleButton(False, description="hold the input still"),
        }
        super().__init__(controls)
        self.show(_figure())

    def compute(self, **chosen: Any) -> None:
        self.late = late(float(chosen["speed"]), UNTIL, bool(chosen["still"]))
        self.length = len(self.late.t)

    def draw(self) -> None:
        t, sizes = self.late.t[: self.at], (self.late.carried, self.late.true)
        self.paint(
            t, (), {2 * i + k: (t, size[i, : self.at]) for k, size in enumerate(sizes) for i in range(len(size))}
        )

    def status(self) -> str:
        """How far λ is from δ now, layer by layer."""
        now = self.late.error[:, self.at - 1]
        told = ", ".join(f"layer {k + 1}: {x:.2g}" for k, x in enumerate(now))
        return f"<b>t = {self.late.t[self.at - 1]:.2f}</b>: largest |λ - δ| in {told}."


def _figure() -> go.Figure:
    figure = go.Figure()
    for layer in range(len(SIZES) - 1):
        figure.add_trace(curve(f"layer {layer + 1}: |λ|, carried", layer, mode="lines"))
        figure.add_trace(curve(f"layer {layer + 1}: |δ|, backprop", layer, mode="lines"))
        figure.data[-1].line.update(color=INK[layer][0], dash="dot", width=1.5)
        figure.data[-2].line.update(dash="solid")
    styled(figure, 380)
    figure.update_xaxes(title="time", range=[0, UNTIL])
    figure.update_yaxes(title="size of the error", rangemode="tozero")
    return figure
