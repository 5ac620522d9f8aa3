"""A chart of lines for a lab: plotly, made once, with a constant repr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...errors import bad

INK = [
    ("#0072B2", "solid"), ("#E69F00", "dash"), ("#009E73", "dot"), ("#CC79A7", "dashdot"), ("#808080", "longdash"),
    ("#D55E00", "longdashdot"),
]  # fmt: skip
GREY, GRID = "#808080", "rgba(128,128,128,0.25)"


class Chart(W.VBox):
    """Lines y(x) by name, told apart by colour and dash.

    lines  {name: values}, each as long as x
    log    "", "x", "y" or "xy": which axes are logarithmic
    """

    def __init__(
        self, x: Sequence[float], lines: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, log: str = ""
    ) -> None:
        if len(lines) > len(INK):
            raise bad("Chart lines", len(lines), f"at most {len(INK)}", "more cannot be told apart")
        figure = go.Figure()
        for (name, y), (ink, dash) in zip(lines.items(), INK, strict=False):
            line = {"color": ink, "dash": dash, "width": 2.5}
            data = {"x": np.asarray(x, np.float32), "y": np.asarray(y, np.float32)}
            figure.add_trace(go.Scatter(**data, mode="lines+markers", line=line, name=name))
        styled(figure, 340)
        figure.update_xaxes(title=xlabel, type="log" if "x" in log else "linear")
        figure.update_yaxes(title=ylabel, type="log" if "y" in log else "linear", exponentformat="power")
        super().__init__([placed(go.FigureWidget(figure))])

    def __repr__(self) -> str:
        return "Chart()"


def styled(figure: Any, height: int) -> None:
    """The look of the lab's plotly figures, on white and on black."""
    figure.update_layout(
        height=height, autosize=True, uirevision="keep", margin={"l": 60, "r": 12, "t": 24, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": GREY, "size": 13},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)


class Fit(anywidget.AnyWidget):
    """Tells a plotly figure beside it that its place has another width: plotly hears of the window's alone."""

    _esm = """
    export default {
      render({ el }) {
        let width = -1;
        const tell = () => window.dispatchEvent(new Event("resize"));
        const look = new ResizeObserver(([entry]) => {
          if (Math.abs(entry.contentRect.width - width) < 1) return;
          width = entry.contentRect.width;
          if (width) { tell(); setTimeout(tell, 300); setTimeout(tell, 1500); }
        });
        look.observe(el);
        return () => look.disconnect();
      },
    };
    """

    def __repr__(self) -> str:
        return "Fit()"


def placed(figure: Any) -> W.Box:
    """A place in which a FigureWidget follows the width it is given (plotly.py #5208)."""
    figure._config = dict(figure._config or {}, responsive=True, displaylogo=False)
    return W.Box([figure, Fit()], layout=W.Layout(display="block", width="100%", min_width="0"))
