"""Fisher's iris: the paper's smallest data set (P, App. E)."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from ..networks import OutputNetwork, StateNetwork
from ..settings import Settings
from ..streams import iris
from .experiment import Setup
from .registry import register

PRESETS = {
    "good": {},
    "sluggish": {"beta": 0.0002},
    "diverges": {"eta": 4.05},  # 1 - τη = -1.025: ω changes sign and grows at every step
}


def _setup(seed: int, module: torch.nn.Module, state: bool, batch: int) -> Setup:
    network = StateNetwork(module) if state else OutputNetwork(module)
    mom_b = Settings.from_sgd(lr=0.01, momentum=0.1, dampening=0.5, tau=0.5)
    return Setup(network, iris(seed, batch), cross_entropy, mom_b)


def _mlp(units: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, units), torch.nn.Tanh(), torch.nn.Linear(units, 3))


@register("iris-linear", "Iris · linear output network", PRESETS)
def iris_linear(seed: int, batch: int = 1) -> Setup:
    """A linear output network learns to tell three kinds of iris; its weights move as under SGD."""
    return _setup(seed, torch.nn.Linear(4, 3), state=False, batch=batch)


@register("iris-mlp", "Iris · MLP as output network", PRESETS)
def iris_mlp(seed: int, units: int = 30, batch: int = 1) -> Setup:
    """A hidden layer of tanh units learns to tell three kinds of iris; its weights move as under SGD."""
    return _setup(seed, _mlp(units), state=False, batch=batch)


@register("iris-mlp-state", "Iris · MLP as state network", PRESETS)
def iris_mlp_state(seed: int, units: int = 30, batch: int = 1) -> Setup:
    """The same layers as a state network: the costate z carries the error, and the weights move all the same."""
    return _setup(seed, _mlp(units), state=True, batch=batch)
