"""The paper's Figures 3 and 4, redrawn: training curves, and how far HL's weights are from SGD's."""

import io
from pathlib import Path
from typing import Any

from ...files import write_whole
from ...palette import BLUE, GREEN, GREY, ORANGE
from .cells import CASES, LEARNERS, MODELS, Cell, cells
from .training import Result

INK = {"sgd": GREY, "output": BLUE, "state": ORANGE, "state-output": GREEN}
DASH = {"sgd": "solid", "output": "dash", "state": "dot", "state-output": "dashdot"}
WIDTH = {"sgd": 6, "output": 2.5, "state": 2, "state-output": 1.5}


def curves(results: dict[Cell, Result], quantity: str) -> Any:
    """Mean training `quantity` ("loss" or "accuracy") per epoch: a panel per model and case, a line per learner."""
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    models = [name for name in MODELS if any(cell.model == name for cell in results)]
    titles = [f"{MODELS[name].title} · {case}" for name in models for case in CASES]
    figure = make_subplots(
        rows=len(models), cols=len(CASES), subplot_titles=titles, vertical_spacing=0.045, horizontal_spacing=0.045
    )
    named = set()
    for cell in filter(results.__contains__, cells()):
        y = getattr(results[cell], quantity)
        line = {"color": INK[cell.learner], "dash": DASH[cell.learner], "width": WIDTH[cell.learner]}
        trace = go.Scatter(
            x=list(range(1, len(y) + 1)), y=y, mode="lines", line=line, name=LEARNERS[cell.learner],
            legendgroup=cell.learner, showlegend=cell.learner not in named,
        )  # fmt: skip
        named.add(cell.learner)
        figure.add_trace(trace, row=models.index(cell.model) + 1, col=list(CASES).index(cell.case) + 1)
    figure.update_layout(
        template="plotly_white", width=1200, height=1350, margin={"l": 50, "r": 20, "t": 70, "b": 40},
        legend={"orientation": "h", "y": 1.05, "x": 0.5, "xanchor": "center"}, font={"size": 12},
    )  # fmt: skip
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_text="epoch", row=len(models))
    figure.update_yaxes(title_text=quantity, col=1)
    return figure


def write_png(figure: Any, path: Path) -> str | None:
    """Write the figure as PNG through an installed Chrome or Chromium; a sentence says why not."""
    import os
    import shutil

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        return "no Chrome or Chromium was found; the figures are in the HTML files"
    os.environ.setdefault("BROWSER_PATH", browser)
    try:
        drawn = io.BytesIO(figure.to_image("png", scale=1))
    except (ImportError, ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}; pip install kaleido"
    from PIL import Image

    small = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(48).save(small, "png", optimize=True)  # a fifth of the size, for git
    write_whole(path, small.getvalue())
    return None
