"""Forecasters of real series: each learns, step by step, by how much the next value will differ from this one."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from ..errors import known
from ..law.network import Known
from ..law.settings import Settings
from ..networks import Network, OutputNetwork, Recurrent, Rotations, Sparse
from ..streams import Changes, real
from .experiment import Setup
from .registry import register, usual

UNITS = 16


class Form(NamedTuple):
    """A network made for so many inputs, its settings, and how many past changes it is told."""

    network: Callable[[int], Network]
    settings: Settings
    lags: int


class Features(nn.Module):
    """(u, tanh(W u + b))."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, units)

    def forward(self, u: Tensor) -> Tensor:
        return torch.cat([u, self.hidden(u).tanh()], 1)


class Beside(nn.Module):
    """y = readout of (u, h)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.readout = Sparse(inputs + width)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        return self.readout(torch.cat([u, h], 1))


class Remembering(Recurrent):
    """A recurrent network whose readout sees the input, too: y = readout(u, h)."""

    def output(self, u: Any, h: Known) -> Tensor:
        return self.readout(u, h["h"])


def _zero(layer: nn.Linear) -> nn.Linear:
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


def _rotations(inputs: int, units: int = 12) -> Network:
    readout = Beside(inputs, 2 * units)
    return Rotations(units, inputs, 1, start="clock", top=math.pi, spread="even", readout=readout)


# All begin as the persistence forecast, y = 0.
# β chosen on the first 300 samples of four series, once for all: python -m tests.benchmarks.streams
STILL = Settings(eta=1.0, beta=0.03)
MOVING = STILL.replace(eta_z=0.5)
FORMS = {
    "plain": Form(lambda n: OutputNetwork(_zero(nn.Linear(n, 1))), Settings(eta=1.0, beta=0.01), 3),
    "linear": Form(lambda n: OutputNetwork(Sparse(n)), STILL, 3),
    "tanh": Form(lambda n: OutputNetwork(nn.Sequential(Features(n, UNITS), Sparse(n + UNITS))), STILL, 3),
    "recurrent": Form(lambda n: Remembering(nn.GRUCell(n, UNITS), Beside(n, UNITS)), MOVING, 1),
    "rotations": Form(_rotations, MOVING, 3),
}


def _forecast(name: str, title: str, about: str) -> None:

    def build(seed: int, network: str = "recurrent") -> Setup:
        form, series = FORMS[known("network", network, FORMS)], real(name)
        stream = Changes(series.values, form.lags, series.rhythm)
        return Setup(form.network(stream.inputs), stream, smooth_l1_loss, form.settings)

    build.__doc__ = about
    register(f"forecast-{name}", f"Forecast · {title}", usual(0.001, 2.02))(build)


for _series in (
    ("water-flow", "water flow",
     "The next hour of a real pipeline: by how much the flow will change, learned while it flows; four anomalies."),
    ("approval", "approval",
     "Tomorrow's approval rating of a president: nearly a random walk, so hardly to be foreseen."),
    ("sp500", "ten stocks",
     "Tomorrow's level of a portfolio of ten stocks: a random walk. Who foresees it has looked into the future."),
    ("sp500-swing", "restless stocks",
     "How much ten stocks will move tomorrow, up or down: restless days come in groups, which can be foreseen."),
    ("passengers", "passengers",
     "Next month's airline passengers: twelve years only, growing, with the seasons of the year."),
):  # fmt: skip
    _forecast(*_series)
