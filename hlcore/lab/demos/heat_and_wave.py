"""One error, two ways down a chain: heat and wave, tick by tick."""

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...errors import whole
from ...studies.heat_or_wave import Spread, spread
from ..figures.chart import curve, maps_over_curves
from ..widgets import slider
from .player import Player


class HeatAndWave(Player):
    """The error of predictive coding (heat) and the costate of HL (wave) in every layer, in units of backprop's.

    depth  layers     rate  γ of predictive coding     phi  how hard the target pulls     g  control of HL
    `spread` is what is shown, up to tick `at`.
    """

    spread: Spread
    pace, what = 0.06, "tick"

    def __init__(self, ticks: int = 200) -> None:
        self.length = whole("ticks", ticks)
        controls = {
            "depth": slider(W.IntSlider, 6, 2, 12, "layers", width="190px"),
            "rate": slider(W.FloatSlider, 0.25, 0.05, 1.0, "γ rate", width="210px", step=0.05),
            "phi": slider(W.FloatSlider, 0.001, 0.001, 1.2, "φ pull", width="230px", step=0.001, readout_format=".3f"),
            "g": slider(W.FloatSlider, 0.0, 0.0, 1.0, "g control", width="210px", step=0.1),
        }
        super().__init__(controls)
        self.show(_figure(ticks))

    def compute(self, **chosen: Any) -> None:
        self.spread = spread(chosen["depth"], chosen["rate"], chosen["phi"], chosen["g"], self.length)

    def draw(self) -> None:
        s, x = self.spread, np.arange(1, self.length + 1)
        maps = np.minimum(np.nan_to_num(np.stack([s.heat, s.wave]), nan=2.0, posinf=2.0), 2.0)
        maps[..., self.at :] = np.nan
        with self.figure.batch_update():
            for trace in self.figure.data[:2]:
                trace.y = [f"layer {k + 1}" for k in range(len(s.heat))]
            angles = {k: (x[: self.at], a[: self.at]) for k, a in ((2, s.heat_angle), (3, s.wave_angle))}
            self.paint(x, list(maps), angles)

    def status(self) -> str:
        """When the first layer's error was within a tenth of backprop's for the first time, each way."""
        told = []
        for name, rows in (("heat", self.spread.heat), ("wave", self.spread.wave)):
            near = np.flatnonzero(np.abs(rows[0, : self.at] - 1) < 0.1)
            told.append(f"by {name} {f'at tick {near[0] + 1}' if len(near) else 'not yet'}")
        return (
            f"<b>tick {self.at} of {self.length}</b>: the first layer has its error within a tenth {', '.join(told)}."
        )


def _figure(ticks: int) -> go.Figure:
    titles = (
        "predictive coding: the size of each layer's error, 1 is backprop's",
        "Hamiltonian Learning: the size of each layer's costate, 1 is backprop's",
        "angle between the gradient and backprop's (degrees)",
    )
    curves = [curve("heat", 1, mode="lines"), curve("wave", 0, mode="lines")]
    figure = maps_over_curves(titles, [("Reds", 0, 1.5), ("Blues", 0, 1.5)], curves, 560, legend={"y": 0.24})
    figure.update_xaxes(title="tick", row=3, col=1)
    figure.update_xaxes(range=[0.4, ticks + 0.6])
    return figure
