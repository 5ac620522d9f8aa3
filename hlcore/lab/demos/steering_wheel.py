"""Steer a cart to rest by hand, beside Pontryagin's costate and beside HL."""

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...studies.steering import END, STEPS, by_hand, demanded, learned
from ..figures.chart import curve, styled
from ..widgets import slider
from .player import Player

MOMENTS, PARTS = 80, 4
NAMES = ("you", "s = +1, the end given", "HL, s = -1")


class Steering(Player):
    """Position and force of the cart over time, and the cost so far, of three rides from the same start.

    turn_1 … turn_4  how fast you change the force in each quarter of the time     eta  HL's friction
    `rides` has all three
    """

    length, pace = MOMENTS, 0.05

    def __init__(self) -> None:
        controls = {
            f"turn_{q}": slider(W.FloatSlider, 0.0, -3.0, 3.0, f"turn, quarter {q}", "255px", step=0.1)
            for q in range(1, PARTS + 1)
        }
        controls["eta"] = slider(W.FloatSlider, 0.0, 0.0, 5.0, "HL's friction η", "255px", step=0.1)
        self._optimal = learned(1, demanded())
        super().__init__(controls)
        self.show(_figure())

    def compute(self, **chosen: Any) -> None:
        """Your ride and HL's; the optimal one stands."""
        yours = by_hand([chosen[f"turn_{q}"] for q in range(1, PARTS + 1)])
        self.rides = (yours, self._optimal, learned(-1, eta=chosen["eta"]))

    def draw(self) -> None:
        """Everything up to moment `at`."""
        k = np.linspace(0, STEPS * self.at / MOMENTS, 2 * self.at + 1).astype(int)
        rows = [y for ride in self.rides for y in (ride.way[k, 0], ride.way[k, 2], ride.cost[k])]
        self.paint(np.empty(0), (), {n: (k * END / STEPS, y) for n, y in enumerate(rows)})

    def status(self) -> str:
        """The three costs at the end."""
        costs = " · ".join(f"{name}: <b>{ride.cost[-1]:.3f}</b>" for name, ride in zip(NAMES, self.rides, strict=True))
        return f"cost of the whole ride: {costs}"


def _figure() -> go.Figure:
    titles = ("position: bring it to 0", "force", "cost so far")
    figure = make_subplots(rows=1, cols=3, horizontal_spacing=0.07, subplot_titles=titles)
    for n, name in enumerate(NAMES):
        for column in (1, 2, 3):
            line = curve(name, n, mode="lines")
            line.update(showlegend=column == 1, legendgroup=name)
            figure.add_trace(line, row=1, col=column)
    styled(figure, 360)
    figure.update_xaxes(title="time", range=[0, END])
    for column, low, high in ((1, -1.6, 1.6), (2, -2.5, 2.5), (3, 0.0, 3.0)):
        figure.update_yaxes(range=[low, high], row=1, col=column)
    return figure.update_layout(legend={"orientation": "h", "y": -0.25, "x": 0.3})
