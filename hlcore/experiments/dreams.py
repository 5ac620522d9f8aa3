"""Memories made by day and unmade by night: Hopfield networks whose energy is the loss, its sign day and night."""

import torch

from ..errors import number
from ..law.settings import Settings
from ..networks.hopfield import Hopfield, energy, hebb
from ..streams.nights import Nights, digit_memories, memories
from .experiment import Setup
from .registry import Presets, register

PRESETS: Presets = {
    "good": {},
    "insomnia": {"beta": 0.0},  # no dream changes anything: Hebb's crowded memories
    "nightmares kept": {"s": -1},  # what is dreamt is learned: the sign
}


def _nights(patterns: torch.Tensor, eps: float, days: int, batch: int, sweeps: int, flip: float, seed: int) -> Setup:
    """Nights with s = +1, or days and nights with the sign in the target and s = -1; ε = τ²βφ/2."""
    stream = Nights(patterns, days, 1, batch, flip, seed, flipped=days > 0)
    settings = Settings(eta=1.0, beta=2 * number("eps", eps), s=-1 if days else 1)
    return Setup(Hopfield(hebb(patterns), sweeps), stream, energy, settings)


@register("dreams", "Dreams · unlearning", PRESETS)
def dreams(
    seed: int, units: int = 100, load: float = 0.3, eps: float = 0.005, batch: int = 10, sweeps: int = 5
) -> Setup:
    """Thirty memories in a hundred spins are too many: dreams that are unlearned save them, too many kill them.

    load  memories per spin     eps  ε: ε/N is what a dream takes away     batch  dreams in a step
    """
    patterns = memories(max(1, round(number("load", load) * units)), units, seed)
    return _nights(patterns, eps, 0, batch, sweeps, 0.0, seed)


@register("daydreams", "Dreams · day and night", {"good": {}, "sluggish": {"beta": 0.0005}})
def daydreams(
    seed: int, units: int = 100, load: float = 0.3, eps: float = 0.01, batch: int = 10, sweeps: int = 5,
    flip: float = 0.0,
) -> Setup:  # fmt: skip
    """Each day some memories, each night as many dreams: what is unlearned is learned again, and nothing ever dies.

    flip  share of its spins that a memory shows wrong
    """
    patterns = memories(max(1, round(number("load", load) * units)), units, seed)
    return _nights(patterns, eps, 1, batch, sweeps, flip, seed)


@register("dream-digits", "Dreams · digits", {"good": {}, "insomnia": {"beta": 0.0}})
def dream_digits(seed: int, count: int = 10, eps: float = 0.01, batch: int = 10, sweeps: int = 8) -> Setup:
    """Ten real digits, 8×8, all alike to Hebb's rule, are told apart after some days and nights."""
    return _nights(digit_memories(count), eps, 1, batch, sweeps, 0.0, seed)
