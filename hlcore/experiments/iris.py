"""Fisher's iris: the paper's smallest data set (P, App. E)."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from ..law.settings import Settings
from ..streams import iris
from .experiment import Setup
from .forms import formed
from .registry import register

PRESETS = {
    "good": {},
    "sluggish": {"beta": 0.0002},
    "diverges": {"eta": 4.05},  # 1 - τη = -1.025: ω changes sign and grows at every step
}
MOM_B = Settings.from_sgd(lr=0.01, momentum=0.1, dampening=0.5, tau=0.5)  # P, App. E


@register("iris-linear", "Iris · linear network", PRESETS)
def iris_linear(seed: int, batch: int = 1, form: str = "output") -> Setup:
    """A linear network learns to tell three kinds of iris; its weights move as under SGD."""
    return Setup(formed(torch.nn.Linear(4, 3), None, form), iris(seed, batch), cross_entropy, MOM_B)


@register("iris-mlp", "Iris · MLP as output network", PRESETS)
def iris_mlp(seed: int, units: int = 30, batch: int = 1, form: str = "output") -> Setup:
    """A hidden layer of tanh units learns to tell three kinds of iris; its weights move as under SGD."""
    body = torch.nn.Sequential(torch.nn.Linear(4, units), torch.nn.Tanh())
    return Setup(formed(body, torch.nn.Linear(units, 3), form), iris(seed, batch), cross_entropy, MOM_B)


@register("iris-mlp-state", "Iris · MLP as state network", PRESETS)
def iris_mlp_state(seed: int, units: int = 30, batch: int = 1) -> Setup:
    """The same layers as a state network: the costate z carries the error, and the weights move all the same."""
    return iris_mlp(seed, units, batch, form="state")
