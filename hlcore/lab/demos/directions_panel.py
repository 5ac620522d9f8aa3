"""Directions of credit: where a costate carried forward is right, and what each law sums."""

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...palette import FLAG, YELLOW
from ...studies.directions import FLOATS, KEPT, LENGTHS, edge, errors, sums
from ..figures.chart import curve, styled
from ..widgets import STYLE, menu
from .player import Player

MOMENTS = 100  # of the walk through time
LIMIT = 40.0  # of the curves' axis
LAST = LENGTHS[-1]


class Directions(Player):
    """The error of FPTT over (|λ|, T) with the edge from the formula, and the costates of one unit over time.

    forgets  1 - |λ|     steps  T     kind  the float type     The dot is where the curves are taken from.
    """

    length, pace = MOMENTS, 0.05

    def __init__(self) -> None:
        controls = {
            "forgets": W.SelectionSlider(
                options=[(f"{k:g}", round(1 - k, 6)) for k in KEPT], value=0.01, description="|λ| that is kept",
                style=STYLE, layout=W.Layout(width="300px"),
            ),
            "steps": menu([(f"{n:,}", int(n)) for n in LENGTHS], "steps T", "160px"),
            "kind": menu(tuple(FLOATS), "numbers", "170px"),
        }  # fmt: skip
        controls["steps"].value = 1000
        self._maps: dict[str, np.ndarray] = {}
        super().__init__(controls)
        self.show(_figure())

    def compute(self, **chosen: Any) -> None:
        """The map of this float type, once, and the costates at the dot."""
        kind = chosen["kind"]
        if kind not in self._maps:
            self._maps[kind] = errors(kind=kind)
        self.keep = 1 - chosen["forgets"]
        self.sums = sums(self.keep, chosen["steps"], kind)
        self.error = float(self._maps[kind][np.abs(KEPT - self.keep).argmin(), list(LENGTHS).index(chosen["steps"])])

    def draw(self) -> None:
        """The map, its edge and dot, and the curves up to moment `at`."""
        kind, steps = self.chosen["kind"], self.chosen["steps"]
        shown = np.log10(np.clip(self._maps[kind], 1e-16, 1e4))
        t = np.unique(np.linspace(0, steps - 1, min(steps, 400)).astype(int))
        t = t[: max(2, len(t) * self.at // MOMENTS)]
        with self.figure.batch_update():
            data = self.figure.data
            data[0].z = [[round(float(v), 2) for v in row] for row in shown.T]
            data[1].y = [float(min(x, 2 * LAST)) for x in edge(KEPT, kind)]
            data[2].x, data[2].y = [int(np.abs(KEPT - self.keep).argmin())], [int(steps)]
            for trace, y in zip(
                data[3:], (self.sums.exact, self.sums.forward, self.sums.hl, self.sums.present), strict=True
            ):
                values = np.where(np.isfinite(y[t]), y[t], LIMIT * 2)
                trace.x, trace.y = (t + 1).astype(np.float32), np.clip(values, -2 * LIMIT, 2 * LIMIT).astype(np.float32)

    def status(self) -> str:
        """The error at the dot, beside what the formula says."""
        told = f"|λ| = {self.keep:g}, T = {self.chosen['steps']:,}, {self.chosen['kind']}: "
        limit = edge(np.array([self.keep]), self.chosen["kind"])[0]
        where = "at any T" if np.isinf(limit) else f"up to T = {limit:,.0f}"
        text = f"{told}FPTT's gradient is wrong by <b>{self.error:.1e}</b> of itself; the formula trusts it {where}."
        if self.error > 1e-3:
            return text + f' <span style="{FLAG};font-weight:600">⚠ the start was not held</span>'
        return text


def _figure() -> go.Figure:
    titles = ("one unit's costate in the turning frame", "log₁₀ error of FPTT; line: foretold edge")
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.16, subplot_titles=titles, column_widths=[0.58, 0.42])
    x = list(range(len(KEPT)))
    bar = {"thickness": 10}  # at the edge: when the figure gets wider plotly leaves one within it where it was
    cells = go.Heatmap(x=x, y=LENGTHS, z=[[0.0]], colorscale="RdBu_r", zmin=-16, zmax=4, zmid=-6, colorbar=bar)
    figure.add_trace(cells, row=1, col=2)
    line = {"mode": "lines", "line": {"color": "black", "width": 3}, "name": "edge", "showlegend": False}
    figure.add_trace(go.Scatter(x=x, **line), row=1, col=2)
    dot = {"mode": "markers", "marker": {"size": 13, "color": YELLOW, "line": {"width": 2, "color": "black"}}}
    figure.add_trace(go.Scatter(**dot, showlegend=False, name="here"), row=1, col=2)
    names = ("BPTT: total - past", "FPTT, forward", "HL: the past", "one step: the present")
    for k, name in enumerate(names):
        figure.add_trace(curve(name, k, mode="lines"), row=1, col=1)
    styled(figure, 420)
    figure.update_xaxes(title="|λ|", tickvals=x, ticktext=[f"{k:g}" for k in KEPT], tickangle=-60, row=1, col=2)
    figure.update_yaxes(title="steps T", type="log", range=[np.log10(25), np.log10(3600)], row=1, col=2)
    figure.update_yaxes(tickvals=LENGTHS.tolist(), row=1, col=2)
    figure.update_xaxes(title="step", row=1, col=1)
    figure.update_yaxes(title="z", range=[-LIMIT, LIMIT], row=1, col=1)
    figure.update_layout(legend={"orientation": "h", "y": -0.22, "x": 0.0})
    return figure
