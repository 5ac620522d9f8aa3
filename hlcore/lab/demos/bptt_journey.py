"""A sequence and its own reverse, played: the states go there, the costate z comes back, the gradient gathers."""

import math
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...errors import whole
from ...palette import VERMILION
from ...studies.bptt_walk import NETWORKS, TARGETS, UNITS, Way, utterance, way
from ..figures.chart import curve, maps_over_curves
from ..widgets import menu, slider
from .player import Player


class Journey(Player):
    """Play the stream token by token: heat maps of h and z (unit × step of the stream), ω's angle to BPTT's gradient.

    window  how many tokens the way back takes     eta  dissipation of z and ω     network, target  see `way`
    `way` is what is shown, `at` the step of the stream.
    """

    way: Way
    pace, what = 0.12, "sample"

    def __init__(self) -> None:
        longest = len(utterance(NETWORKS[0])[1])
        controls = {
            "window": slider(W.IntSlider, longest, 1, longest, "window r (tokens)"),
            "eta": slider(W.FloatSlider, 0.0, 0.0, 0.5, "η dissipation", step=0.02),
            "network": menu(NETWORKS, "network", "180px"),
            "target": menu(TARGETS, "loss", "220px"),
        }
        super().__init__(controls)
        self.show(_figure(len(self.way.h)))

    def compute(self, **chosen: Any) -> None:
        network, tokens = utterance(chosen["network"], chosen["target"])
        self.way = way(network, tokens, whole("window", chosen["window"]), chosen["eta"])
        self.length = len(self.way.h) + len(self.way.z) - 1  # samples of the stream: n tokens there, window - 1 back

    def draw(self) -> None:
        n, shown, seen = len(self.way.h), self.way, self._seen()
        h, z = np.full((2, UNITS, 2 * n - 1), np.nan)
        there = min(self.at, n)
        h[:, :there] = shown.h[:there].T
        if self.at > n:
            h[:, n : self.at] = shown.h[2 * n - 1 - self.at : n - 1][::-1].T
        z[:, n - 1 : n - 1 + seen] = np.log10(np.abs(shown.z[:seen]) + 1e-12).T
        x = np.arange(1, 2 * n)
        back = x[n - 1 : n - 1 + seen]
        self.paint(x, (h, z), {2: (back, shown.cosine[:seen]), 3: (back, shown.share[:seen])})

    def _seen(self) -> int:
        """Tokens that z has reached."""
        return max(0, min(self.at - len(self.way.h) + 1, len(self.way.z)))

    def status(self) -> str:
        """Where the stream is, and how far ω from BPTT's gradient."""
        n, w, seen = len(self.way.h), self.way, self._seen()
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
                text += f"; the end: with η = 0 it is autograd's {name}" + (f" to {w.gap:.0e}" if w.gap else "")
        return f"<b>sample {self.at} of {self.length}</b>: {text}."


def _figure(n: int) -> go.Figure:
    titles = ("h, the state: there, and the stored ones back", "log₁₀ |z|, its costate", "ω beside BPTT's gradient")
    curves = [curve(name, k) for k, name in enumerate(("cosine", "share of its length"))]
    figure = maps_over_curves(
        titles, [("RdBu", -1, 1), ("Oranges", -6, 0)], curves, 560, legend={"y": 0.13, "x": 0.01},
        yaxis_title="unit", yaxis2_title="unit", yaxis3_range=[-0.1, 1.3],
        xaxis3_title="sample of the stream: the sequence, then its reverse",
    ).update_xaxes(range=[0.5, 2 * n - 0.5])  # fmt: skip
    figure.add_vline(x=n, line={"color": VERMILION, "dash": "dash", "width": 1.5})
    return figure
