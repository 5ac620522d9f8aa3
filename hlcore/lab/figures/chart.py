"""Charts by plotly: made once, as wide as their place, readable on white and on black, with a constant repr."""

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ...errors import bad
from ...palette import CLEAR, GREY, GRID, INK
from ..widgets import Named, OwnScript


class Chart(Named, W.VBox):
    """Lines y(x) by name, told apart by colour and dash.

    lines  {name: values}, each as long as x
    log    "", "x", "y" or "xy": which axes are logarithmic
    """

    def __init__(
        self, x: Sequence[float], lines: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, log: str = ""
    ) -> None:
        if len(lines) > len(INK):
            raise bad("Chart lines", len(lines), f"at most {len(INK)}", "more cannot be told apart")
        figure = go.Figure([curve(name, k, x, y) for k, (name, y) in enumerate(lines.items())])
        xaxis = {"title": xlabel, "type": "log" if "x" in log else "linear"}
        yaxis = {"type": "log" if "y" in log else "linear", "exponentformat": "power"}
        above = {
            "text": ylabel,
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 0.97,
            "font": {"size": 14},
        }  # may be long
        margin = {"l": 60, "r": 12, "t": 44, "b": 44}
        super().__init__([placed(Plot(styled(figure, 340, xaxis=xaxis, yaxis=yaxis, title=above, margin=margin)))])


def curve(name: str, ink: int, x: Any = (), y: Any = (), mode: str = "lines+markers", **more: Any) -> go.Scatter:
    """A line in one of the palette's inks."""
    x, y, (colour, dash) = np.asarray(x, np.float32), np.asarray(y, np.float32), INK[ink]
    return go.Scatter(x=x, y=y, mode=mode, line={"color": colour, "dash": dash, "width": 2.5}, name=name, **more)


def maps_over_curves(titles: Sequence[str], maps: Any, curves: Any, height: int, **layout: Any) -> go.Figure:
    """Two heat maps (colour scale, least, largest) and a panel of curves, one under the other over one axis."""
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    for row, (scale, least, largest) in enumerate(maps, start=1):
        bar = {"len": 0.27, "y": (0.87, 0.5)[row - 1], "thickness": 12}
        look = {"colorscale": scale, "zmin": least, "zmax": largest, "colorbar": bar, "hoverongaps": False}
        figure.add_trace(go.Heatmap(z=[[0.0]], **look), row=row, col=1)
    for one in curves:
        figure.add_trace(one, row=3, col=1)
    return styled(figure, height, **layout)


def styled(figure: Any, height: int, **layout: Any) -> Any:
    """The figure in the look of the lab, and with what else its layout is to have."""
    figure.update_layout(
        height=height, autosize=True, uirevision="keep", margin={"l": 60, "r": 12, "t": 24, "b": 44},
        paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, font={"color": GREY, "size": 13}, legend={"bgcolor": CLEAR},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
    return figure.update_layout(**layout)


class Plot(go.FigureWidget):
    """A plotly figure whose first word to the browser is all of it.

    A FigureWidget opens its channel empty and sends data and layout afterwards; a page that draws it in between shows
    an empty pair of axes for ever. What is sent between that word and the first view is lost, too: draw before.
    """

    _whole = False

    def __init__(self, figure: go.Figure) -> None:
        super().__init__(figure)
        self._config: Any = {"responsive": True, "displayModeBar": False}
        self._whole = True
        self.open()

    def open(self) -> None:
        """Open the channel, when there is something to tell."""
        if self._whole:
            super().open()


class Fit(OwnScript):
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


def placed(plot: Plot) -> W.Box:
    """A place in which a plot follows the width it is given (plotly.py #5208)."""
    return W.Box([plot, Fit()], layout=W.Layout(display="block", width="100%", min_width="0"))
