"""How many sequences are typical, and how many of them one trace has shown: the count behind few shots."""

import math
from typing import NamedTuple

import numpy as np

from ..errors import bad, number, whole
from ..streams import Blurred


def entropy(p: float) -> float:
    """H of a coin, in bits."""
    if not 0 < number("p", p) < 1:
        raise bad("p", p, "a chance between 0 and 1")
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


class Typical(NamedTuple):
    """P(A_ε) and log2 |A_ε|."""

    probability: float
    bits: float


def typical(p: float, n: int, eps: float) -> Typical:
    """The set of n tosses with |-(1/n) log2 P - H| ≤ ε, by exact sums over the number of ones (AEP)."""
    H, q, chance, size = entropy(p), 1 - p, 0.0, 0
    for k in range(whole("n", n) + 1):
        if abs(-(k * math.log2(p) + (n - k) * math.log2(q)) / n - H) <= eps:
            size += math.comb(n, k)
            chance += math.exp(math.log(math.comb(n, k)) + k * math.log(p) + (n - k) * math.log(q))
    return Typical(chance, math.log2(size) if size else -math.inf)


def coverage(rate: float, tokens: int, seed: int = 0, new: int = 4000) -> float:
    """The share of windows of a new trace whose pattern of spikes one trace of so many tokens has shown before."""
    seen, fresh = Blurred(2 * seed, rate=rate), Blurred(2 * seed + 1, rate=rate)
    known = {x.tobytes() for x in seen.patterns(seen.window, whole("tokens", tokens))}
    return float(np.mean([x.tobytes() in known for x in fresh.patterns(fresh.window, new)]))
