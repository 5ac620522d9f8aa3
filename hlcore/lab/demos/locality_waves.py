"""The wave of states that goes up a chain, and the wave of costates that comes back: the panel."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...errors import unknown, whole
from ...studies.chain_waves import CUTS, DEPTH, Wave, wave
from ..figures.chart import curve, maps_over_curves
from ..widgets import menu, slider
from .player import Player

PACE = 0.16  # seconds per tick while it plays
LEAST = 1e-14  # degrees; below is rounding


class Waves(Player):
    """Heat maps (group × tick) of both waves and the gradient's angle to backprop's, played tick by tick.

    groups  a key of CUTS: where the chain is cut     hold  ticks for which a sample is held     eta_z  of the costate
    `wave` is what is shown, up to tick `at`.
    """

    wave: Wave

    def __init__(self, ticks: int = 40) -> None:
        self.ticks = whole("ticks", ticks)
        controls = {
            "groups": menu(CUTS, "groups", "260px"),
            "hold": slider(W.IntSlider, ticks, 1, ticks, "hold a sample (ticks)"),
            "eta_z": slider(W.FloatSlider, 0.0, 0.0, 1.2, "η_z dissipation", step=0.05),
        }
        super().__init__(controls, PACE, "tick")
        self.show(_figure(ticks))

    @property
    def length(self) -> int:
        """Ticks."""
        return self.ticks

    def compute(self, **chosen: Any) -> None:
        """Let the waves go through the chain."""
        if chosen["groups"] not in CUTS:
            raise unknown("groups", chosen["groups"], CUTS)
        self.wave = wave(CUTS[chosen["groups"]], chosen["hold"], self.ticks, chosen["eta_z"])

    def draw(self) -> None:
        """Show the waves up to `at`."""
        x, groups = np.arange(1, self.ticks + 1), [f"group {i + 1}" for i in range(len(self.wave.wrong))]
        right, size = 1 - np.clip(self.wave.wrong, 0, 1), np.log10(self.wave.costate + 1e-6)
        with self.figure.batch_update():
            for trace, values in zip(self.figure.data[:2], (right, size), strict=True):
                trace.x, trace.y = x.tolist(), groups
                trace.z = [[*row[: self.at].round(3).tolist(), *[None] * (self.ticks - self.at)] for row in values]
            angle = np.maximum(self.wave.angle, LEAST)
            self.figure.data[2].x = x[: self.at].astype(np.float32)
            self.figure.data[2].y = angle[: self.at].astype(np.float32)

    def status(self) -> str:
        """How far the gradient is from backprop's, and since when it is exact."""
        w, groups = self.wave, len(self.wave.wrong)
        exact = [k for k in range(self.at) if w.angle[k] < 1e-9]
        told = f"the gradient is {_degrees(w.angle[self.at - 1])} from backprop's"
        if exact:
            told += f"; exact for the first time after {exact[0]} ticks"
        return f"<b>tick {self.at} of {self.ticks}</b>, {groups} group{'s' * (groups > 1)}: {told}."


def _degrees(angle: float) -> str:
    return "0°, but for rounding," if angle < 1e-9 else f"{angle:.2g}°"


def _figure(ticks: int) -> go.Figure:
    titles = (
        "the wave that goes up: how right is each state h",
        "the wave that comes back: how large is each costate z (log₁₀ |z|)",
        "angle between the local gradient and backprop's (degrees)",
    )
    maps = [("Blues", 0, 1), ("Oranges", -4, 0.5)]
    angle = curve("angle", 0, showlegend=False)
    figure = maps_over_curves(titles, maps, [angle], 600, xgap=1, ygap=1)
    figure.update_yaxes(type="log", range=[-15, 3], dtick=5, exponentformat="power", row=3, col=1)
    figure.update_xaxes(title="tick", row=3, col=1)
    figure.update_xaxes(range=[0.4, ticks + 0.6])
    for row in (1, 2):
        figure.update_yaxes(range=[-0.5, DEPTH - 0.5], row=row, col=1, autorange=True)
    return figure
