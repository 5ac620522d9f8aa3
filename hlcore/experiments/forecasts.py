"""Forecasters of real series: each learns, step by step, by how much the next value will differ from this one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from ..errors import unknown
from ..law.network import Known
from ..law.settings import Settings
from ..networks import Network, OutputNetwork, Recurrent, Rotations, Sparse
from ..streams import Changes, real
from .experiment import Setup
from .registry import register

PRESETS = {
    "good": {},
    "sluggish": {"beta": 0.001},
    "diverges": {"eta": 2.02},  # 1 - τη = -1.02: ω changes sign and grows at every step
}


class Form(NamedTuple):
    """A network made for `inputs` numbers, its settings, and how many past changes it is told."""

    network: Callable[[int], Network]
    settings: Settings
    lags: int


class Features(nn.Module):
    """(u, tanh(W u + b))."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, units)

    def forward(self, u: Tensor) -> Tensor:
        """(batch, inputs + units)."""
        return torch.cat([u, self.hidden(u).tanh()], 1)


class Beside(nn.Module):
    """y = readout of (u, h)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.readout = Sparse(inputs + width)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, 1)."""
        return self.readout(torch.cat([u, h], 1))


class Remembering(Recurrent):
    """A recurrent network whose readout sees the input, too: y = readout(u, h)."""

    def output(self, u: Any, h: Known) -> Tensor:
        """y = readout(u, h)."""
        return self.readout(u, h["h"])


def _plain(inputs: int) -> Network:
    layer = nn.Linear(inputs, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return OutputNetwork(layer)


def _linear(inputs: int) -> Network:
    return OutputNetwork(Sparse(inputs))


def _tanh(inputs: int, units: int = 16) -> Network:
    return OutputNetwork(nn.Sequential(Features(inputs, units), Sparse(inputs + units)))


def _recurrent(inputs: int, units: int = 16) -> Network:
    return Remembering(nn.GRUCell(inputs, units), Beside(inputs, units))


def _rotations(inputs: int, units: int = 12) -> Network:
    readout = Beside(inputs, 2 * units)
    return Rotations(units, inputs, 1, start="clock", top=math.pi, spread="even", readout=readout)


# All begin as the persistence forecast, y = 0.
# β chosen on the first 300 samples of four series, once for all: python -m tests.benchmarks.streams
FORMS = {
    "plain": Form(_plain, Settings(eta=1.0, beta=0.01), 3),
    "linear": Form(_linear, Settings(eta=1.0, beta=0.03), 3),
    "tanh": Form(_tanh, Settings(eta=1.0, beta=0.03), 3),
    "recurrent": Form(_recurrent, Settings(eta=1.0, eta_z=0.5, beta=0.03), 1),
    "rotations": Form(_rotations, Settings(eta=1.0, eta_z=0.5, beta=0.03), 3),
}


def _forecaster(name: str, network: str) -> Setup:
    if network not in FORMS:
        raise unknown("network", network, FORMS)
    form, series = FORMS[network], real(name)
    stream = Changes(series.values, form.lags, series.rhythm)
    return Setup(form.network(stream.inputs), stream, smooth_l1_loss, form.settings)


@register("forecast-water-flow", "Forecast · water flow", PRESETS)
def forecast_water_flow(seed: int, network: str = "recurrent") -> Setup:
    """The next hour of a real pipeline: by how much the flow will change, learned while it flows; four anomalies."""
    return _forecaster("water-flow", network)


@register("forecast-approval", "Forecast · approval", PRESETS)
def forecast_approval(seed: int, network: str = "recurrent") -> Setup:
    """Tomorrow's approval rating of a president: nearly a random walk, so hardly to be foreseen."""
    return _forecaster("approval", network)


@register("forecast-sp500", "Forecast · ten stocks", PRESETS)
def forecast_sp500(seed: int, network: str = "recurrent") -> Setup:
    """Tomorrow's level of a portfolio of ten stocks: a random walk. Who foresees it has looked into the future."""
    return _forecaster("sp500", network)


@register("forecast-sp500-swing", "Forecast · restless stocks", PRESETS)
def forecast_sp500_swing(seed: int, network: str = "recurrent") -> Setup:
    """How much ten stocks will move tomorrow, up or down: restless days come in groups, which can be foreseen."""
    return _forecaster("sp500-swing", network)


@register("forecast-passengers", "Forecast · passengers", PRESETS)
def forecast_passengers(seed: int, network: str = "recurrent") -> Setup:
    """Next month's airline passengers: twelve years only, growing, with the seasons of the year."""
    return _forecaster("passengers", network)
