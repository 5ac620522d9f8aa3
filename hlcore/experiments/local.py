"""Real digits for a chain of layers that learn locally: the experiment to spread over devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import bad, number, unknown, whole
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.predictive import PredictiveSettings
from ..networks import Chain, Network, ReadChain, Recurrent
from ..streams import Held, Stream, digits
from ..streams.datasets import Labelled
from .experiment import Setup
from .registry import register

PRESETS = {"good": {}, "sluggish": {"beta": 0.002}, "diverges": {"eta": 4.4}}  # 1 - τη = -1.2


TAUGHT = 1400  # of 1797 digits; the others are for judging


def summed(y: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, the sum over the batch: what each image asks for does not depend on how many there are."""
    return cross_entropy(y, target, reduction="sum")


class Flat(Stream):
    """The images of `stream` as rows."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.length = stream, stream.length

    def sample(self, k: int) -> Sample:
        """(batch, 1, 8, 8) -> (batch, 64)."""
        found = self.stream[k]
        return replace(found, u=found.u.flatten(1))


@register("digits-chain", "Digits · a chain of local layers", PRESETS)
def digits_chain(
    seed: int,
    depth: int = 4,
    width: int = 32,
    groups: str | Sequence[int] = "layer",
    schedule: str = "parallel",
    hold: int = 1,
    batch: int = 3,
) -> Setup:
    """A chain of tanh layers learns real digits, each group from its neighbours alone; `hlcore.devices` spreads it.

    groups  "layer", "one" or sizes, also as text: "2+3"
    hold    steps for which a sample stays; 1: a new one at every step, the wave of learning meets later ones
    batch   images per step; it must divide 1797, as 1, 3 and 599 do: the state keeps one batch size
    """
    sizes = [64, *[whole("width", width)] * (whole("depth", depth) - 1), 10]
    layers: list[nn.Module] = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes[:-1])]
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    chain = Chain(layers, _sizes(groups), schedule)
    stream = Held(Flat(digits(seed, _divisor(batch))), hold)
    settings = Settings(tau=0.5, eta=0.2, beta=0.02, phi=1.0, eta_z=0.0)
    return Setup(chain, stream, cross_entropy, settings, order="euler")


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
    settings = PredictiveSettings(tau=1.0, eta=1.0, beta=0.8, phi=1.0, inference=8, rate=0.1)
    stream = Held(Flat(digits(seed, _divisor(batch))), hold, ends=True)
    return Setup(_hidden(depth, width), stream, cross_entropy, settings)


@register(
    "least-control-digits",
    "Digits · least control",
    {
        "good": {},
        "strong": {"phi": 1.0, "beta": 0.24},
        "free": {"control": 0.0},
        "sluggish": {"beta": 0.2},
        "diverges": {"control": 400.0, "beta": 30.0},
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
    data = digits(seed)
    stream = Held(Flat(Labelled(data.inputs[:TAUGHT], data.targets[:TAUGHT], seed, whole("batch", batch))), hold, True)
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


def _divisor(batch: int) -> int:
    if 1797 % whole("batch", batch):
        raise bad("batch", batch, "a divisor of 1797", "take 1, 3 or 599")
    return batch


def _sizes(groups: str | Sequence[int]) -> str | Sequence[int]:
    if isinstance(groups, int):
        return (groups,)
    if isinstance(groups, str) and groups.replace("+", "").isdigit():
        return tuple(int(n) for n in groups.split("+") if n)
    return groups
