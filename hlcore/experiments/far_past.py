"""Tasks whose answer lies in the past, for every law of credit through time; see docs/arena.md."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from ..errors import unknown
from ..law.loss import Loss
from ..law.settings import Settings
from ..networks import Antisymmetric, Leapfrog, Network, Recurrent, Rotations
from ..streams import Copied, Lorenz, Recall, Stream, Sung, strips
from .experiment import Setup
from .registry import register

PRESETS = {
    "good": {},
    "no metric": {"metric": "none", "beta": 0.01},  # one β for all weights
    "diverges": {"metric": "none", "eta": 2.02},  # 1 - τη = -1.02
}
SETTINGS = Settings(eta=0.5, beta=0.0015, eta_z=0.0, metric="rms", memory=300.0)
NETWORKS = ("rotations", "leapfrog", "gru", "antisymmetric")


def far_network(
    name: str, inputs: int, outputs: int, units: int, top: float = 1.5, keep: float = 1.0, spread: str = "uniform"
) -> Network:
    """A network of 2·units numbers: what does not forget, and a GRU, which does; top, keep, spread are rotations'."""
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    if name == "leapfrog":
        return Leapfrog(units, inputs, outputs)
    if name == "gru":
        return Recurrent(nn.GRUCell(inputs, 2 * units), nn.Linear(2 * units, outputs))
    if name == "antisymmetric":
        return Antisymmetric(2 * units, inputs, outputs)
    made = Rotations(units, inputs, outputs, top=top, keep=keep, spread=spread)
    with torch.no_grad():
        made.B.weight.mul_(0.3)
    return made


def _far(network: str, stream: Stream, units: int, loss: Loss = mse_loss, outputs: int = 1, **turns: Any) -> Setup:
    inputs = stream[0].u.shape[1]
    settings = SETTINGS.replace(tau=0.5) if network == "leapfrog" else SETTINGS
    return Setup(far_network(network, inputs, outputs, units, **turns), stream, loss, settings)


@register("echo-recall", "Far past · echo", PRESETS)
def echo_recall(
    seed: int, delay: int = 32, network: str = "rotations", units: int = 16, vary: bool = True, top: float = 1.5,
    batch: int = 1,
) -> Setup:  # fmt: skip
    """A sign is told, noise follows, and some time later the sign is asked for; rotations turn by up to `top`."""
    return _far(network, Recall(delay, seed, vary=vary, batch=batch), units, top=top)


@register("memory-chain", "Far past · memory chain", PRESETS)
def memory_chain(
    seed: int, length: int = 32, network: str = "rotations", units: int = 16, top: float = 1.5, batch: int = 1
) -> Setup:
    """A sign at the first token is asked for at the last, with nothing between (after arXiv 2605.24709)."""
    return _far(network, Recall(length, seed, noise=False, vary=False, batch=batch), units, top=top)


@register("delay-50", "Far past · fifty back", PRESETS)
def delay_50(
    seed: int, delay: int = 50, network: str = "rotations", units: int = 32, keep: float = 0.98, batch: int = 1
) -> Setup:
    """An endless stream of signs: say the one of fifty tokens ago (after arXiv 2603.28750).

    What never forgets (keep = 1) is no help here: its state is a sum of all tokens so far, which grows as √t.
    """
    return _far(network, Copied(delay, seed, batch), units, top=math.pi, keep=keep, spread="even")


@register("sine-1024", "Far past · sine", PRESETS)
def sine_1024(
    seed: int, steps: int = 1024, network: str = "rotations", units: int = 16, vary: bool = False, batch: int = 1
) -> Setup:
    """Pushed once, sing a sine of 4 to 16 turns for 1,024 tokens (after arXiv 2603.28750).

    vary: of another frequency each time, told at the start; a linear network, as the rotations are, cannot.
    """
    return _far(network, Sung(steps, seed, batch, vary), units, top=0.15)


@register("lorenz", "Far past · Lorenz", PRESETS)
def lorenz(
    seed: int, ahead: int = 5, network: str = "rotations", units: int = 16, keep: float = 1.0, batch: int = 1
) -> Setup:
    """One coordinate of a chaotic system is seen; where will it be in a quarter of a time unit?"""
    return _far(network, Lorenz(seed, ahead, batch), units, keep=keep)


@register("rows-28", "Far past · digits by rows", PRESETS)
def rows_28(seed: int, network: str = "rotations", units: int = 32, batch: int = 1) -> Setup:
    """A real handwritten digit row by row; which one, asked for at the end."""
    return _far(network, strips(28, seed, batch), units, cross_entropy, 10)


@register("pixels-98", "Far past · digits by pixels", PRESETS)
def pixels_98(seed: int, network: str = "rotations", units: int = 32, batch: int = 1) -> Setup:
    """A real handwritten digit in 98 strips of 8 pixels; which one, asked for at the end."""
    return _far(network, strips(98, seed, batch), units, cross_entropy, 10)
