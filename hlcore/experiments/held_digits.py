"""Real digits, each held while states rest: predictive coding, and least control."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import number, unknown, whole
from ..law.settings import Settings
from ..learners.predictive import PredictiveSettings
from ..networks import Network, ReadChain, Recurrent
from ..streams import Held, Labelled, digits
from .experiment import Setup
from .registry import register

TAUGHT = 1400  # of 1797 digits by least control; the others are for judging


def summed(y: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, the sum over the batch: what each image asks for does not depend on how many there are."""
    return cross_entropy(y, target, reduction="sum")


def _rows(seed: int, batch: int, first: int | None = None) -> Labelled:
    """Images as rows, the first so many of them."""
    data = digits(seed)
    return Labelled(data.inputs[:first].flatten(1), data.targets[:first], seed, whole("batch", batch))


def _hidden(depth: int, width: int) -> ReadChain:
    """Hidden tanh layers, and a linear readout of ten classes."""
    sizes = [64, *[whole("width", width)] * whole("depth", depth)]
    return ReadChain([nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes)], nn.Linear(width, 10))


@register(
    "predictive-digits",
    "Digits · predictive coding",
    {"good": {}, "backprop": {"mode": "wave"}, "sluggish": {"beta": 0.005}, "diverges": {"rate": 4.0}},
    learner="predictive",
)
def predictive_digits(seed: int, depth: int = 3, width: int = 32, hold: int = 1, batch: int = 3) -> Setup:
    """Layers that predict one another relax, then learn real digits from the errors that are left.

    hold  steps for which an image stays; with inference=1 and hold=8 weights move while states relax (iPC)
    """
    settings = PredictiveSettings(tau=1.0, eta=1.0, beta=0.4, phi=1.0, inference=8, rate=0.1)
    stream = Held(_rows(seed, batch), hold, ends=True)
    return Setup(_hidden(depth, width), stream, cross_entropy, settings)


@register(
    "least-control-digits",
    "Digits · least control",
    {
        "good": {},
        "strong": {"phi": 1.0, "beta": 0.24},
        "free": {"control": 0.0},
        "sluggish": {"beta": 0.2},
        "diverges": {"eta": 400.0},
    },
    learner="least-control",
)
def least_control_digits(
    seed: int, net: str = "layers", width: int = 32, hold: int = 30, batch: int = 20, cap: float = 0.9
) -> Setup:
    """A controller holds an equilibrium network where it should be; learning makes itself needless.

    net    "layers" (48 and `width` tanh units) or "recurrent" (48, all of them), at unit speed, with a linear readout
    hold   steps for which a batch settles; its weights move at the last one
    cap    the largest |W|₂ at the start of the recurrent weights, below which there is one rest alone
    """
    stream = Held(_rows(seed, batch, TAUGHT), hold, ends=True)
    settings = Settings(tau=0.25, eta=4.0, beta=2.4, phi=0.1, eta_z=0.0, control=1.0)
    network: Network
    if net == "layers":
        hidden = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in ((64, 48), (48, width))]
        network = ReadChain(hidden, nn.Linear(width, 10), speed=1.0)
    elif net == "recurrent":
        cell = nn.RNNCell(64, 48)
        cell.weight_hh.data.mul_(number("cap", cap) / float(torch.linalg.matrix_norm(cell.weight_hh.data, 2)))
        network = Recurrent(cell, nn.Linear(48, 10), speed=1.0)
    else:
        raise unknown("net", net, ["layers", "recurrent"])
    return Setup(network, stream, summed, settings, order="euler")
