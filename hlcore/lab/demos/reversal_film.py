"""A film of states, played forwards and then backwards: what a chain that stores nothing finds again, and when not."""

import html
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...palette import FLAG
from ...studies.reversal import UNITS, Reel, reel
from ..figures.chart import curve, maps_over_curves
from ..widgets import menu, slider
from .player import Player

DEPTHS = (8, 16, 32, 64, 128, 256)
LEAST = 1e-17  # of an error on the logarithmic axis
TRUSTED = float(np.finfo(np.float64).eps ** 0.5)


class Film(Player):
    """Heat maps of the states there and of the ones found again, and their error block by block.

    depth  blocks     gamma  dissipation γ of each block     tau  step
    `reel` is what is shown; moments 1 … depth go there, depth + 1 … 2 depth come back.
    """

    reel: Reel
    pace, what = 0.05, "block"

    def __init__(self) -> None:
        controls = {
            "depth": menu(DEPTHS, "blocks", "130px"),
            "gamma": slider(W.FloatSlider, 0.0, 0.0, 2.0, "γ dissipation", step=0.05, readout_format=".2f"),
            "tau": slider(W.FloatSlider, 0.1, 0.02, 0.3, "τ step", step=0.02, readout_format=".2f"),
        }
        controls["depth"].value = 64
        super().__init__(controls)
        self.show(_figure())

    def compute(self, **chosen: Any) -> None:
        self.reel = reel(chosen["depth"], chosen["gamma"], chosen["tau"])
        self.length = 2 * (len(self.reel.there) - 1)

    def draw(self) -> None:
        depth, shown = len(self.reel.there) - 1, self.reel
        first = max(0, 2 * depth - self.at) if self.at > depth else depth + 1  # the first state that was found again
        back = np.full_like(shown.back, np.nan)
        back[first:] = np.clip(shown.back[first:], -1e3, 1e3)
        there = np.full_like(shown.there, np.nan)
        there[: min(self.at, depth) + 1] = shown.there[: min(self.at, depth) + 1]
        x = np.arange(depth + 1)
        error = np.maximum(np.nan_to_num(shown.error[first:], nan=1e3, posinf=1e3), LEAST)
        self.paint(x, (there.T, back.T), {2: (x[first:], error), 3: ([0, depth], [TRUSTED] * 2)})

    def status(self) -> str:
        """What is kept, and whether the way back can be trusted."""
        shown, depth = self.reel, len(self.reel.there) - 1
        way, block = ("there", self.at) if self.at <= depth else ("back", 2 * depth - self.at)
        kept = f"plain backprop keeps {_size(shown.stored)} of activations, the film {_size(shown.kept)}"
        text = f"<b>{way}, block {block} of {depth}</b>: {kept}; "
        if shown.refused:
            why, drift = html.escape(shown.refused), f"⚠ drift {shown.drift:.1e}, above the trusted {TRUSTED:.1e}: "
            drift += "Reversible refuses to make a gradient of it."
            return text + f'<span style="{FLAG};font-weight:600" title="{why}">{drift}</span>'
        return text + f"drift {shown.drift:.1e}: trusted."


def _size(n: int) -> str:
    return f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"


def _figure() -> go.Figure:
    titles = (
        "the states, there",
        "the states, found again on the way back",
        "error of what was found again, as a share of h₀",
    )
    curves = [curve("error", 0, mode="lines"), curve("still trusted", 5, mode="lines")]
    units = {"title": "unit", "range": [-0.5, UNITS - 0.5]}
    return maps_over_curves(
        titles, [("RdBu", -2, 2)] * 2, curves, 560, yaxis=units, yaxis2=units, xaxis3_title="block",
        yaxis3={"type": "log", "range": [-17.5, 3.5], "dtick": 5, "exponentformat": "power"},
        legend={"y": 0.26, "yanchor": "top", "x": 0.99, "xanchor": "right"},
    )  # fmt: skip
