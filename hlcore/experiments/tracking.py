"""Recurrent trackers: a network that follows a signal, one step ahead of it, for ever."""

import torch
from torch.nn.functional import mse_loss

from ..law.settings import Settings
from ..networks import Recurrent
from ..streams import Signal, Stream, from_csv, sines, water_flow
from .experiment import Setup
from .registry import register, usual

PRESETS = usual(0.002, 20.2)


def tracker(stream: Stream, units: int, channels: int = 1) -> Setup:
    """The trackers' network and settings for a stream of so many channels."""
    network = Recurrent(torch.nn.RNNCell(channels, units), torch.nn.Linear(units, channels), speed=5.0)
    return Setup(network, stream, mse_loss, Settings(tau=0.1, eta=2.0, beta=0.2, phi=2.0, eta_z=5.0))


@register("tracker-water-flow", "Tracker · water flow", PRESETS)
def tracker_water_flow(seed: int, units: int = 12, horizon: int = 1) -> Setup:
    """A recurrent network learns to foresee the flow through a real pipeline, hour by hour."""
    return tracker(water_flow(horizon), units)


@register("tracker-sinusoid", "Tracker · sinusoid", PRESETS)
def tracker_sinusoid(seed: int, units: int = 12, frequency: float = 0.2, step: float = 0.1) -> Setup:
    """A recurrent network learns to foresee a sine wave, step by step."""
    return tracker(Signal(sines([frequency], [1.0]), step), units)


@register("tracker-csv", "Tracker · own data", PRESETS, downloads=True)
def tracker_csv(seed: int, path: str = "", units: int = 12) -> Setup:
    """A recurrent network learns to foresee the next row of a CSV file, all its columns of numbers, round after round.

    path  of the file; rows with an empty cell are left out
    """
    stream = from_csv(path, gaps="skip")
    return tracker(stream, units, len(stream.columns))
