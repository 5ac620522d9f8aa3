"""Two learners in one valley: HL and torch.optim.SGD on a loss of two weights."""

from typing import Any, Self

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
import torch
from torch.nn.functional import mse_loss

from ...errors import HLError, whole
from ...law.sample import Sample
from ...law.settings import Settings
from ...learners.learner import Learner
from ...learners.sgd import SGD
from ...networks import OutputNetwork
from ...palette import BLUE, LAND, ON_MAP, ORANGE, VERMILION
from ..figures.chart import styled
from ..widgets import slider
from .player import Player

START, TARGET = (-1.6, 1.3), (1.0, 0.6)
SHAPE = ((1.0, 0.0), (0.75, 0.35))  # rows: inputs; their squares make a narrow, tilted valley
FIRST = Settings(tau=0.5, eta=0.4, beta=0.3, phi=2.0)  # as SGD: lr 0.15, momentum 0.8, no dampening
SLIDERS = (("eta", "η  friction", 0.0, 4.4), ("beta", "β  weight speed", 0.02, 1.2), ("phi", "φ  loss scale", 0.1, 4.0))
INPUTS = torch.tensor(SHAPE, dtype=torch.float64)
SAMPLE = Sample(INPUTS, INPUTS @ torch.tensor([TARGET], dtype=torch.float64).T)


class Valley(Player):
    """The paths of HL (settings on the sliders) and of torch.optim.SGD (lr 0.15, momentum 0.8) over the loss.

    Move nothing, and the paths are one; touch a slider, and they part. `gap` is the largest |Δθ| on the way.
    """

    pace, what = 0.08, "step"

    def __init__(self, settings: Settings | None = None, steps: int = 80) -> None:
        self._start, self.length = settings or FIRST, whole("steps", steps)
        self._sgd = self._path(SGD, FIRST)
        controls = {
            name: slider(W.FloatSlider, getattr(self._start, name), low, high, label, width="255px", step=0.02)
            for name, label, low, high in SLIDERS
        }
        super().__init__(controls)
        self.commands["as sgd"] = lambda _: self.set(**{name: getattr(FIRST, name) for name in controls})
        self._bar.append(self.button("Back to SGD", "The settings with which torch.optim.SGD walks", "as sgd"))
        self.show(_surface())

    @property
    def settings(self) -> Settings:
        """HL's."""
        return self._start.replace(**self.chosen)

    def set(self, **changes: Any) -> Self:
        """Change HL's settings and walk again; SGD's stay."""
        # the browser counts its steps from the slider's end: 0.02 + 14·0.02 is not 0.3
        return super().set(**{k: round(v, 9) if isinstance(v, float) else v for k, v in changes.items()})

    def compute(self, **chosen: Any) -> None:
        self._hl = self._path(Learner, self._start.replace(**chosen), torch_start=True)

    @property
    def gap(self) -> float:
        """The largest |Δθ| between the two paths."""
        return float(np.abs(self._hl - self._sgd).max())

    def by_hl(self) -> np.ndarray:
        """(steps + 1, 2): the weights on HL's way."""
        return self._hl

    def by_sgd(self) -> np.ndarray:
        """(steps + 1, 2): the weights on the way of torch.optim.SGD."""
        return self._sgd

    def draw(self) -> None:
        paths = (np.clip(path[: self.at + 1], -1e3, 1e3).T for path in (self._sgd, self._hl))
        self.paint(np.empty(0), (), {k: (x, y) for k, (x, y) in enumerate(paths, start=1)})

    def status(self) -> str:
        """What both paths have in common, and HL's settings read as SGD's."""
        where = "" if self.at == self.length else f"step {self.at} of {self.length}: "
        now, kind = self.settings.to_sgd(), "one path" if self.gap < 1e-12 else "two paths"
        return (
            f"{where}<b>{kind}</b>: the largest |Δθ| is {self.gap:.1e}. HL read as SGD: lr τβ = {now['lr']:.3g} · "
            f"momentum 1-τη = {now['momentum']:.3g} · dampening 1-τφ = {now['dampening']:.3g}"
        )

    def _path(self, kind: Any, settings: Settings, **more: Any) -> np.ndarray:
        """(steps + 1, 2): the weights on a learner's way; where it breaks off it stays."""
        module = torch.nn.Linear(2, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            module.weight.copy_(torch.tensor([START], dtype=torch.float64))
        learner = kind(OutputNetwork(module), mse_loss, kind.settings_from(settings), "sequential", **more)
        path = [np.array(START)]
        for _ in range(self.length):
            try:
                learner.step(SAMPLE)
            except HLError:
                break
            path.append(module.weight.detach().numpy()[0].copy())
        return np.array(path + [path[-1]] * (self.length + 1 - len(path)))


def _surface() -> go.Figure:
    x, y = np.linspace(-2.4, 2.6, 90), np.linspace(-1.6, 2.6, 80)
    grid = np.stack(np.meshgrid(x, y), -1)
    loss = (((grid - np.array(TARGET)) @ np.array(SHAPE).T) ** 2).mean(-1)
    low, high, contour = LAND
    land = go.Contour(
        x=x.astype(np.float32), y=y.astype(np.float32), z=np.log10(loss + 1e-3).round(3).tolist(), showscale=False,
        colorscale=[[0, low], [1, high]], contours={"size": 0.35}, hoverinfo="skip",
        line={"width": 0.6, "color": contour},
    )  # fmt: skip
    both = (("torch.optim.SGD", ORANGE, "solid", 5, "circle"), ("HL", BLUE, "dot", 2, "x"))
    ways = [
        go.Scatter(
            x=[], y=[], mode="lines+markers", name=name, line={"color": ink, "width": width, "dash": dash},
            marker={"size": 6, "symbol": symbol, "color": ink},
        )
        for name, ink, dash, width, symbol in both
    ]  # fmt: skip
    ends = go.Scatter(
        x=[START[0], TARGET[0]], y=[START[1], TARGET[1]], mode="markers+text", showlegend=False,
        marker={"size": 13, "symbol": ["circle-open", "star"], "color": VERMILION},
        text=["start", "least loss"], textposition=["top center", "bottom right"], textfont={"color": ON_MAP},
    )  # fmt: skip
    return styled(
        go.Figure([land, *ways, ends]), 430,
        legend={"x": 0.01, "y": 0.02, "yanchor": "bottom", "font": {"color": ON_MAP}},
        xaxis={"title": "θ₁", "range": [-2.4, 2.6], "showgrid": False},
        yaxis={"title": "θ₂", "range": [-1.6, 2.6], "showgrid": False},
    )  # fmt: skip
