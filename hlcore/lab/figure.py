"""The linked figure: output, h, z, θ, ω, loss and H' over one time axis, and the phase portrait."""

from __future__ import annotations

from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..recorder import Recorder

# Okabe and Ito's colours, readable on white and on black; dashes say the same again without colour
INK = [("#0072B2", "solid"), ("#E69F00", "dash"), ("#009E73", "dot"), ("#CC79A7", "dashdot")]
GREY, GRID, MARK = "#808080", "rgba(128,128,128,0.22)", "#D55E00"
LINES = len(INK)  # lines per panel
POINTS = 400  # points per line
MARKS = 12  # marks kept on the time axis

ROWS = {
    "output": "output y, target ŷ",
    "h": "h  state",
    "z": "z  costate of h",
    "theta": "θ  weights",
    "omega": "ω  costate of θ",
    "loss": "L  loss",
    "hamiltonian": "H'  Hamiltonian",
}
UNITS = ("h", "z", "theta", "omega")


class TimeFigure:
    """A FigureWidget that shows the last `window` records, made once and then only mutated."""

    def __init__(self, height: int = 860) -> None:
        weights = [1.25, 1, 1, 1, 1, 1, 1]
        figure = make_subplots(rows=len(ROWS), cols=1, shared_xaxes=True, vertical_spacing=0.022, row_heights=weights)
        self._lines: dict[str, list[int]] = {}
        for row, name in enumerate(ROWS, 1):
            inks = [(GREY, "dot"), INK[0]] if name == "output" else INK if name in UNITS else INK[:1]
            first = len(figure.data)
            for ink, dash in inks:
                line = {"color": ink, "dash": dash, "width": 1.5}
                figure.add_trace(go.Scatter(x=[], y=[], mode="lines", line=line, showlegend=False), row=row, col=1)
            self._lines[name] = list(range(first, len(figure.data)))
            figure.update_yaxes(title={"text": ROWS[name].split("  ")[0], "standoff": 4}, row=row, col=1)
        figure.update_yaxes(type="log", exponentformat="power", nticks=4, row=6, col=1)
        _style(figure, height)
        figure.update_xaxes(title={"text": "time t", "standoff": 4}, row=len(ROWS), col=1)
        for row, text in enumerate(ROWS.values(), 1):
            figure.add_annotation(
                text=f"<b>{text}</b>", xref="paper", x=0.005, yref=f"y{row if row > 1 else ''} domain", y=0.98,
                xanchor="left", yanchor="top", showarrow=False, font={"size": 12},
                bgcolor="rgba(128,128,128,0.12)", borderpad=2,
            )  # fmt: skip
        self._titles = len(figure.layout.annotations)
        self.widget = go.FigureWidget(figure)
        _responsive(self.widget)
        self._marks: list[tuple[float, str]] = []

    def draw(
        self, recorder: Recorder, window: int, units: dict[str, list[int]], marks: list[tuple[float, str]]
    ) -> None:
        """Show the last `window` records: `units` of each quantity, and what changed when."""
        t = recorder.window("t", window)
        with self.widget.batch_update():
            for name, lines in self._lines.items():
                if name == "output":
                    columns = [recorder.window("target", window)[:, :1], recorder.window("output", window)[:, :1]]
                elif name in UNITS:
                    values = recorder.window(name, window)
                    chosen = [i for i in units.get(name, []) if i < values.shape[1]][: len(lines)]
                    columns = [values[:, i : i + 1] for i in chosen]
                else:
                    columns = [recorder.window(name, window)[:, None]]
                for k, line in enumerate(lines):
                    x, y = _thinned(t, columns[k][:, 0]) if k < len(columns) and columns[k].shape[1] else (t[:0], t[:0])
                    trace = self.widget.data[line]
                    if len(y) or (trace.y is not None and len(trace.y)):
                        trace.x, trace.y = x, y
            shown = [(at, text) for at, text in marks if len(t) and at >= t[0]][-MARKS:]
            if shown != self._marks:
                self._marks = shown
                self._draw_marks(shown)

    def name(self, quantity: str, names: list[str]) -> None:
        """Call the lines of a panel by the units they show (seen on hover)."""
        with self.widget.batch_update():
            for line, name in zip(self._lines[quantity], names, strict=False):
                self.widget.data[line].name = name

    def _draw_marks(self, marks: list[tuple[float, str]]) -> None:
        line = {"color": MARK, "width": 1.2, "dash": "dash"}
        self.widget.layout.shapes = [
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": at,
                "x1": at,
                "y0": 0,
                "y1": 1,
                "line": line,
                "name": text,
            }
            for at, text in marks
        ]
        labels = [
            {"text": text, "xref": "x", "yref": "paper", "x": at, "y": 1.0, "yanchor": "bottom", "xanchor": "center",
             "showarrow": False, "font": {"size": 11, "color": MARK}}
            for at, text in marks[-4:]
        ]  # fmt: skip
        self.widget.layout.annotations = [*self.widget.layout.annotations[: self._titles], *labels]


class PhasePortrait:
    """(h_i, z_i) of one unit: where it went, and where it is."""

    def __init__(self, height: int = 300) -> None:
        figure = go.Figure()
        figure.add_trace(go.Scatter(x=[], y=[], mode="lines", line={"color": INK[0][0], "width": 1}, showlegend=False))
        here = {"color": MARK, "size": 10, "symbol": "diamond"}
        figure.add_trace(go.Scatter(x=[], y=[], mode="markers", marker=here, name="now", showlegend=False))
        _style(figure, height)
        figure.update_layout(margin={"l": 58, "r": 10, "t": 10, "b": 40})
        figure.update_xaxes(title={"text": "h", "standoff": 4})
        figure.update_yaxes(title={"text": "z", "standoff": 4})
        self.widget = go.FigureWidget(figure)
        _responsive(self.widget)

    def draw(self, recorder: Recorder, window: int, unit: int) -> None:
        """Show the last `window` records of unit `unit`, or of its weight (θ, ω) where a network has no state."""
        h, z = (recorder.window(name, min(window, POINTS)) for name in self.axes(recorder))
        with self.widget.batch_update():
            if h.shape[1] > unit and len(h):
                x, y = h[:, unit].astype(np.float32), z[:, unit].astype(np.float32)
                self.widget.data[0].x, self.widget.data[0].y = x, y
                self.widget.data[1].x, self.widget.data[1].y = x[-1:], y[-1:]
            else:
                for trace in self.widget.data:
                    trace.x, trace.y = np.empty(0, np.float32), np.empty(0, np.float32)

    @staticmethod
    def axes(recorder: Recorder) -> tuple[str, str]:
        """The pair that is conjugate here: (h, z), or (θ, ω) for a network without state."""
        return ("h", "z") if recorder.names("h") or not len(recorder) else ("theta", "omega")

    def label(self, x: str, y: str) -> None:
        """Name the axes."""
        with self.widget.batch_update():
            self.widget.layout.xaxis.title.text, self.widget.layout.yaxis.title.text = x, y


def boxed(widget: Any, grow: str = "1 1 0%") -> W.Box:
    """A place in which a FigureWidget follows the width it is given (plotly.py #5208)."""
    return W.Box([widget], layout=W.Layout(display="block", flex=grow, min_width="0", width="100%"))


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points that keep the smallest and the largest value of every stretch, as float32 copies."""
    n = len(y)
    if n > POINTS:
        size = -(-n // (POINTS // 2))
        full = n // size * size
        blocks = y[:full].reshape(-1, size)
        base = np.arange(len(blocks)) * size
        picks = np.sort(np.stack([base + blocks.argmin(1), base + blocks.argmax(1)], 1), 1).ravel()
        picks = np.concatenate([picks, np.arange(full, n)])
        x, y = x[picks], y[picks]
    return x.astype(np.float32), y.astype(np.float32)


def _style(figure: Any, height: int) -> None:
    figure.update_layout(
        height=height, autosize=True, uirevision="keep", margin={"l": 62, "r": 12, "t": 20, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", hovermode="closest", dragmode="zoom",
        font={"color": GREY, "size": 12, "family": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, nticks=8)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor="rgba(128,128,128,0.5)", nticks=4, exponentformat="power")


def _responsive(widget: Any) -> None:
    widget._config = dict(
        widget._config or {}, responsive=True, displaylogo=False, modeBarButtonsToRemove=["select2d", "lasso2d"]
    )
