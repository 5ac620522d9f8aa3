"""Few shots: spikes are found again in a blurred trace, from a start that was bought with one short trace."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import mse_loss

from ..errors import unknown
from ..law.settings import Settings
from ..learners.one_shot import one_shot
from ..networks import Recurrent, Shrink
from ..streams import Blurred
from .experiment import Setup
from .registry import register

STARTS = ("random", "ista", "one shot")
PRESETS: dict[str, dict[str, Any]] = {
    "good": {},
    "sluggish": {"beta": 0.0004},
    "too eager": {"beta": 0.5},  # worse than to stand still
    "diverges": {"beta": 20.0},
}
OTHER = 1_000_003  # the seed of the trace that a start is bought with, beside the stream's


def started(stream: Blurred, start: str, lam: float, shots: int, seed: int) -> Recurrent:
    """The network of a stream at one of the STARTS: as drawn, as a step of ISTA, or after one trace of `shots`."""
    if start not in STARTS:
        raise unknown("start", start, STARTS)
    readout = nn.Linear(stream.units, 1)
    if start == "ista":
        cell = Shrink.from_dictionary(stream.dictionary(), lam, shift=1)
        with torch.no_grad():
            readout.weight.zero_()[0, stream.place] = 1.0
            readout.bias.zero_()
        return Recurrent(cell, readout)
    network = Recurrent(Shrink(stream.window, stream.units), readout)
    if start == "one shot":
        shot = Blurred(OTHER + seed, stream.window, stream.delay, stream.rate, stream.width, stream.taps, stream.noise)
        one_shot(network, *shot.tokens(stream.window, shots), seed=seed)
    return network


@register("few-shot-spikes", "Few shots · spikes behind a blur", PRESETS)
def few_shot_spikes(
    seed: int,
    start: str = "ista",
    shots: int = 300,
    rate: float = 0.06,
    width: float = 1.4,
    lam: float = 0.05,
    jump: int | None = 1500,
    after: float = 1.9,
) -> Setup:
    """A recurrent cell that is a step of sparse coding undoes a blur online; at tick 1500 the blur gets wider.

    start  "ista" (the model's own cell), "random", or "one shot": trained offline on one trace of `shots` tokens
    rate   chance of a spike; width, after: of the wavelet, before and after the jump
    """
    stream = Blurred(seed, rate=rate, width=width, jump=None if jump is None else (jump, after))
    settings = Settings.from_sgd(lr=0.003, momentum=0.5, dampening=0.5, tau=0.5).replace(eta_z=0.2)
    return Setup(started(stream, start, lam, shots, seed), stream, mse_loss, settings)
