"""The wave of states that goes up a chain, and the wave of costates that comes back: the panel."""

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...errors import unknown, whole
from ...studies.chain_waves import CUTS, DEPTH, Wave, wave
from ..figures.chart import curve, maps_over_curves
from ..widgets import menu, slider
from .player import Player

LEAST = 1e-14  # degrees; below is rounding


class Waves(Player):
    """Heat maps (group × tick) of both waves and the gradient's angle to backprop's, played tick by tick.

    groups  a key of CUTS: where the chain is cut     hold  ticks for which a sample is held     eta_z  of the costate
    `wave` is what is shown, up to tick `at`.
    """

    wave: Wave
    pace, what = 0.16, "tick"

    def __init__(self, ticks: int = 40) -> None:
        self.length = whole("ticks", ticks)
        controls = {
            "groups": menu(CUTS, "groups", "260px"),
            "hold": slider(W.IntSlider, ticks, 1, ticks, "hold a sample (ticks)"),
            "eta_z": slider(W.FloatSlider, 0.0, 0.0, 1.2, "η_z dissipation", step=0.05),
        }
        super().__init__(controls)
        self.show(_figure(ticks))

    def compute(self, **chosen: Any) -> None:
        if chosen["groups"] not in CUTS:
            raise unknown("groups", chosen["groups"], CUTS)
        self.wave = wave(CUTS[chosen["groups"]], chosen["hold"], self.length, chosen["eta_z"])

    def draw(self) -> None:
        x = np.arange(1, self.length + 1)
        maps = np.stack([1 - np.clip(self.wave.wrong, 0, 1), np.log10(self.wave.costate + 1e-6)])
        maps[..., self.at :] = np.nan
        with self.figure.batch_update():
            for trace in self.figure.data[:2]:
                trace.y = [f"group {i + 1}" for i in range(len(self.wave.wrong))]
            self.paint(x, list(maps), {2: (x[: self.at], np.maximum(self.wave.angle[: self.at], LEAST))})

    def status(self) -> str:
        """How far the gradient is from backprop's, and since when it is exact."""
        w, groups = self.wave, len(self.wave.wrong)
        exact = [k for k in range(self.at) if w.angle[k] < 1e-9]
        told = f"the gradient is {_degrees(w.angle[self.at - 1])} from backprop's"
        if exact:
            told += f"; exact for the first time after {exact[0]} ticks"
        return f"<b>tick {self.at} of {self.length}</b>, {groups} group{'s' * (groups > 1)}: {told}."


def _degrees(angle: float) -> str:
    return "0°, but for rounding," if angle < 1e-9 else f"{angle:.2g}°"


def _figure(ticks: int) -> go.Figure:
    titles = (
        "the wave that goes up: how right is each state h",
        "the wave that comes back: how large is each costate z (log₁₀ |z|)",
        "angle between the local gradient and backprop's (degrees)",
    )
    groups = {"range": [-0.5, DEPTH - 0.5], "autorange": True}
    figure = maps_over_curves(
        titles, [("Blues", 0, 1), ("Oranges", -4, 0.5)], [curve("angle", 0, showlegend=False)], 600,
        yaxis=groups, yaxis2=groups, xaxis3_title="tick",
        yaxis3={"type": "log", "range": [-15, 3], "dtick": 5, "exponentformat": "power"},
    )  # fmt: skip
    return figure.update_traces(xgap=1, ygap=1, selector={"type": "heatmap"}).update_xaxes(range=[0.4, ticks + 0.6])
