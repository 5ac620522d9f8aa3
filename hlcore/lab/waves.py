"""The wave of states that goes up a chain, and the wave of costates that comes back."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch.nn.functional import mse_loss

from ..learner import Learner
from ..networks import Chain
from ..sample import Sample
from ..settings import Settings
from ..streams.base import count
from .chart import INK, placed, styled

DEPTH, WIDTH = 6, 5
CUTS: dict[str, Any] = {"fully local: 6 groups": "layer", "3 groups": (2, 2, 2), "2 groups": (3, 3), "non-local": "one"}


class Wave(NamedTuple):
    """What a frozen chain shows over time: per group and tick how wrong its state is, how large its costate, and per
    tick the cosine between ∂H'/∂θ and backprop's gradient of the sample that is held."""

    wrong: np.ndarray
    costate: np.ndarray
    cosine: np.ndarray


def wave(groups: Any = "layer", hold: int = 40, ticks: int = 40, eta_z: float = 0.0) -> Wave:
    """Run a frozen chain of six layers (Euler order, eq. 9) over samples that are held `hold` ticks each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh()).double() for _ in range(DEPTH)]
        inputs, targets = (torch.randn(ticks, 1, WIDTH, dtype=torch.float64) for _ in range(2))
    chain = Chain(layers, groups)
    learner = Learner(chain, mse_loss, Settings(beta=0.0, eta_z=eta_z))
    wrong, costate, cosine = [], [], []
    for k in range(count("ticks", ticks)):
        n = k // count("hold", hold)
        sample = Sample(inputs[n], targets[n], end=False)
        found = learner.gradient(sample)
        truth = torch.autograd.grad(mse_loss(chain(sample.u), sample.target), list(chain.parameters()))
        a, b = torch.cat([g.flatten() for g in found.values()]), torch.cat([g.flatten() for g in truth])
        cosine.append(float(a @ b / (a.norm() * b.norm() + 1e-300)))
        learner.step(sample)
        point = learner.point
        right = chain._feed_forward(sample.u)
        wrong.append(
            [
                float((h - r.detach()).norm() / (r.detach().norm() + 1e-12))
                for h, r in zip(point.h.values(), right, strict=True)
            ]
        )
        costate.append([float(z.norm()) for z in point.z.values()])
    return Wave(np.array(wrong).T, np.array(costate).T, np.array(cosine))


class Waves(W.VBox):
    """Heat maps (group × tick) of both waves under a switch of groups, a slider of hold and one of dissipation."""

    def __init__(self, ticks: int = 40) -> None:
        super().__init__()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        style = {"description_width": "initial"}
        self.groups = W.Dropdown(
            options=list(CUTS), description="groups", style=style, tooltip="where the chain is cut"
        )
        self.hold = W.IntSlider(value=ticks, min=1, max=ticks, description="hold each sample (ticks)", style=style)
        self.eta_z = W.FloatSlider(value=0.0, min=0.0, max=1.2, step=0.05, description="η_z dissipation", style=style)
        self.ticks, self._words = ticks, W.HTML()
        for control in (self.groups, self.hold, self.eta_z):
            control.observe(lambda _: self._soon(), "value")
        self.figure: Any = _figure()
        bar = W.HBox([self.groups, self.hold, self.eta_z], layout=W.Layout(flex_flow="row wrap", min_width="0"))
        self.draw()
        self.figure = go.FigureWidget(self.figure)  # drawn already: what is sent before it is displayed may be lost
        self.children = [bar, self._words, placed(self.figure)]

    def set(self, groups: str | None = None, hold: int | None = None, eta_z: float | None = None) -> Waves:
        """The controls, from Python."""
        for control, value in ((self.groups, groups), (self.hold, hold), (self.eta_z, eta_z)):
            if value is not None:
                control.value = value
        self.draw()
        return self

    def draw(self) -> None:
        """Compute and show."""
        seen = wave(CUTS[self.groups.value], self.hold.value, self.ticks, self.eta_z.value)
        groups = [f"group {i + 1}" for i in range(len(seen.wrong))]
        x = list(range(1, self.ticks + 1))
        with self.figure.batch_update():
            right = (1 - np.clip(seen.wrong, 0, 1)).round(3).tolist()
            scale = np.log10(seen.costate + 1e-6).round(3).tolist()
            for trace, z in zip(self.figure.data[:2], (right, scale), strict=True):
                trace.x, trace.y, trace.z = x, groups, z
            self.figure.data[2].x, self.figure.data[2].y = x, np.clip(seen.cosine, -1, 1).astype(np.float32)
        exact = [k for k, c in enumerate(seen.cosine) if c > 1 - 1e-9]
        first = f"exact for the first time before tick {exact[0] + 1}" if exact else "never exact"
        self._words.value = f"<b>{len(groups)} groups</b>: the gradient's angle to backprop's is {first}."

    def _soon(self) -> None:
        if self._loop is None or self._loop.is_closed():
            self.draw()
        else:
            self._loop.call_soon_threadsafe(self.draw)

    def __repr__(self) -> str:
        return "Waves()"


def _figure() -> go.Figure:
    titles = ("how right is each state h", "how large is each costate z (log₁₀ |z|)", "cosine to backprop's gradient")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=titles)
    for row, scale in ((1, "Blues"), (2, "Oranges")):
        bar = {"len": 0.27, "y": (0.87, 0.5)[row - 1], "thickness": 12}
        limits = {"zmin": 0, "zmax": 1} if row == 1 else {"zmin": -4, "zmax": 0.5}
        figure.add_trace(go.Heatmap(z=[[0.0]], colorscale=scale, colorbar=bar, **limits), row=row, col=1)
    line = {"color": INK[2][0], "width": 2.5}
    figure.add_trace(go.Scatter(x=[], y=[], mode="lines+markers", line=line, showlegend=False), row=3, col=1)
    styled(figure, 560)
    figure.update_yaxes(range=[-1.05, 1.05], row=3, col=1)
    figure.update_xaxes(title="tick", row=3, col=1)
    return figure
