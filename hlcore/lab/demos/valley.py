"""Two learners in one valley: HL and torch.optim.SGD on a loss of two weights."""

from __future__ import annotations

import asyncio
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
import torch
from torch.nn.functional import mse_loss

from ...errors import HLError, whole
from ...law.sample import Sample
from ...law.settings import Settings
from ...learners.hamiltonian import Learner
from ...networks import OutputNetwork
from ..figures.chart import placed

START = (-1.6, 1.3)
TARGET = (1.0, 0.6)
SHAPE = ((1.0, 0.0), (0.75, 0.35))  # rows: inputs; their squares make a narrow, tilted valley
FIRST = Settings(tau=0.5, eta=0.4, beta=0.3, phi=2.0)  # as SGD: lr 0.15, momentum 0.8, no dampening
HL, SGD, GREY = "#0072B2", "#E69F00", "#808080"
ON_GROUND = "#222222"  # words on the map, which is light in the dark theme too


class Valley(W.VBox):
    """The paths of HL (settings on the sliders) and of torch.optim.SGD (lr 0.15, momentum 0.8) over the loss.

    Move nothing, and the paths are one; touch a slider, and they part. `gap` is the largest |Δθ| on the way.
    """

    def __init__(self, settings: Settings | None = None, steps: int = 80) -> None:
        super().__init__()
        self.settings, self.steps = settings or FIRST, whole("steps", steps)
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self.figure: Any = _surface()
        self._words = W.HTML()
        self._sliders = {
            name: W.FloatSlider(
                value=getattr(self.settings, name),
                min=low,
                max=high,
                step=0.02,
                description=label,
                style={"description_width": "initial"},
                layout=W.Layout(width="300px"),
                tooltip=label,
            )
            for name, label, low, high in (
                ("eta", "η  friction (1/time)", 0.0, 4.4),
                ("beta", "β  weight speed", 0.02, 1.2),
                ("phi", "φ  loss scale", 0.1, 4.0),
            )
        }
        for slider in self._sliders.values():
            slider.observe(self._moved, "value")
        back = W.Button(description="Back to SGD", tooltip="The settings with which torch.optim.SGD walks")
        back.on_click(lambda _: self._soon(lambda: self.set(**{n: getattr(FIRST, n) for n in self._sliders})))
        bar = W.HBox([*self._sliders.values(), back], layout=W.Layout(flex_flow="row wrap", min_width="0"))
        self.draw()
        self.figure = go.FigureWidget(self.figure)  # drawn already: what is sent before it is displayed may be lost
        self.children = [bar, self._words, placed(self.figure)]

    def set(self, **changes: Any) -> Valley:
        """Change HL's settings and walk again; SGD's stay."""
        self.settings = self.settings.replace(**changes)
        for name, slider in self._sliders.items():
            slider.value = getattr(self.settings, name)
        self.draw()
        return self

    @property
    def gap(self) -> float:
        """The largest |Δθ| between the two paths."""
        return float(np.abs(self.by_hl() - self.by_sgd()).max())

    def by_hl(self) -> np.ndarray:
        """(steps + 1, 2): the weights on HL's way."""
        module = _module()
        learner = Learner.like_sgd(OutputNetwork(module), mse_loss, lr=1.0)
        learner.settings = self.settings
        path = [_weights(module)]
        for _ in range(self.steps):
            try:
                learner.step(SAMPLE)
            except HLError:
                break
            path.append(_weights(module))
        return np.array(path + [path[-1]] * (self.steps + 1 - len(path)))

    def by_sgd(self) -> np.ndarray:
        """(steps + 1, 2): the weights on the way of torch.optim.SGD."""
        module, sgd = _module(), FIRST.to_sgd()
        optimiser = torch.optim.SGD(module.parameters(), sgd["lr"], sgd["momentum"], sgd["dampening"])
        path = [_weights(module)]
        for _ in range(self.steps):
            optimiser.zero_grad()
            mse_loss(module(SAMPLE.u), SAMPLE.target).backward()
            optimiser.step()
            path.append(_weights(module))
        return np.array(path)

    def draw(self) -> None:
        """Show both paths and what they have in common."""
        hl, sgd = self.by_hl(), self.by_sgd()
        with self.figure.batch_update():
            for trace, path in zip(self.figure.data[1:3], (sgd, hl), strict=True):
                trace.x, trace.y = (np.clip(path[:, i], -1e3, 1e3).astype(np.float32) for i in (0, 1))
        gap, now = float(np.abs(hl - sgd).max()), self.settings.to_sgd()
        kind = "one path" if gap < 1e-12 else "two paths"
        self._words.value = (
            f"<b>{kind}</b>: the largest |Δθ| is {gap:.1e}. HL read as SGD: lr τβ = {now['lr']:.3g} · "
            f"momentum 1-τη = {now['momentum']:.3g} · dampening 1-τφ = {now['dampening']:.3g}"
        )

    def _moved(self, change: Any) -> None:
        name = next(n for n, slider in self._sliders.items() if slider is change.owner)
        value = round(change.new, 9)  # the browser counts its steps from the slider's end: 0.02 + 14·0.02 is not 0.3
        if getattr(self.settings, name) != value:
            self.settings = self.settings.replace(**{name: value})
            self._soon(self.draw)

    def _soon(self, act: Any) -> None:
        """Handlers may run on another thread; figures are written in the kernel's own loop."""
        if self._loop is None or self._loop.is_closed():
            act()
        else:
            self._loop.call_soon_threadsafe(act)

    def __repr__(self) -> str:
        return "Valley()"


SAMPLE = Sample(
    torch.tensor(SHAPE, dtype=torch.float64),
    torch.tensor(SHAPE, dtype=torch.float64) @ torch.tensor([TARGET], dtype=torch.float64).T,
)


def _module() -> torch.nn.Linear:
    module = torch.nn.Linear(2, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([START], dtype=torch.float64))
    return module


def _weights(module: torch.nn.Linear) -> np.ndarray:
    return module.weight.detach().numpy()[0].copy()


def _surface() -> go.Figure:
    x, y = np.linspace(-2.4, 2.6, 90), np.linspace(-1.6, 2.6, 80)
    inputs, aim = np.array(SHAPE), np.array(TARGET)
    grid = np.stack(np.meshgrid(x, y), -1)
    loss = (((grid - aim) @ inputs.T) ** 2).mean(-1)
    figure = go.Figure()
    figure.add_trace(
        go.Contour(
            x=x.astype(np.float32), y=y.astype(np.float32), z=np.log10(loss + 1e-3).round(3).tolist(), showscale=False,
            colorscale=[[0, "#ffffff"], [1, "#a9c4dc"]], contours={"size": 0.35}, hoverinfo="skip",
            line={"width": 0.6, "color": "#7f9bb3"},
        )
    )  # fmt: skip
    for name, ink, dash, width, symbol in (("torch.optim.SGD", SGD, "solid", 5, "circle"), ("HL", HL, "dot", 2, "x")):
        line = {"color": ink, "width": width, "dash": dash}
        marker = {"size": 6, "symbol": symbol, "color": ink}
        figure.add_trace(go.Scatter(x=[], y=[], mode="lines+markers", line=line, marker=marker, name=name))
    ends = {"size": 13, "symbol": ["circle-open", "star"], "color": "#D55E00"}
    text = ["start", "least loss"]
    figure.add_trace(
        go.Scatter(
            x=[START[0], TARGET[0]], y=[START[1], TARGET[1]], mode="markers+text", marker=ends, text=text,
            textposition=["top center", "bottom right"], textfont={"color": ON_GROUND}, showlegend=False,
        )
    )  # fmt: skip
    figure.update_layout(
        height=430, autosize=True, uirevision="keep", margin={"l": 50, "r": 10, "t": 10, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": GREY, "size": 13},
        legend={"x": 0.01, "y": 0.02, "yanchor": "bottom", "font": {"color": ON_GROUND}},
    )  # fmt: skip
    figure.update_xaxes(title="θ₁", range=[-2.4, 2.6], zeroline=False)
    figure.update_yaxes(title="θ₂", range=[-1.6, 2.6], zeroline=False)
    return figure
