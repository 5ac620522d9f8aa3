"""A chain of blocks walked there and back: its states, what the way back finds again, and what autograd keeps."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import HLError, number, whole
from ..networks import Reversible
from ..networks.reversible.activation_bytes import saved_bytes

UNITS = 16


class Turn(nn.Module):
    """f(h) = tanh(h (W - W')) - γ h: skew-symmetric, so it turns states; with γ > 0 it also dissipates them."""

    def __init__(self, gamma: float = 0.0, units: int = UNITS) -> None:
        super().__init__()
        self.w, self.gamma = nn.Parameter(torch.randn(units, units, dtype=torch.float64) / units), gamma

    def forward(self, h: Tensor) -> Tensor:
        return torch.tanh(h @ (self.w - self.w.T)) - self.gamma * h


class Reel(NamedTuple):
    """States there and back (blocks + 1, units), the largest error of each as a share of |h_0|'s, bytes that autograd
    keeps with stored activations and without, the drift, and what the chain says of it ("" if it is trusted)."""

    there: np.ndarray
    back: np.ndarray
    error: np.ndarray
    stored: int
    kept: int
    drift: float
    refused: str


def reel(depth: int = 64, gamma: float = 0.0, tau: float = 0.1) -> Reel:
    """The midpoint chain h_{k+1} = h_{k-1} + 2τ f_k(h_k) of `depth` blocks, run and read from right to left."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        h = torch.randn(1, UNITS, dtype=torch.float64)
        blocks = [Turn(number("gamma", gamma)) for _ in range(whole("depth", depth, 2))]
    chain = Reversible(blocks, tau)
    with torch.no_grad():
        there = [h, h + tau * blocks[0](h)]
        for k in range(1, depth):
            there.append(there[k - 1] + 2 * tau * blocks[k](there[k]))
        back = [there[depth], there[depth - 1]]
        for k in range(depth - 1, 0, -1):
            back.append(back[-2] - 2 * tau * blocks[k](back[-1]))
    states, found = (torch.cat(x).numpy() for x in (there, back[::-1]))
    drift, refused = chain.walk_back(h), ""
    try:
        torch.autograd.grad(chain(h).sum(), list(chain.parameters()))
    except HLError as told:
        refused = str(told)
    weights = list(chain.parameters())
    stored, kept = (saved_bytes(way, h, besides=weights) for way in (chain.stored, chain))
    error = abs(found - states).max(1) / max(abs(states[0]).max(), abs(states[1]).max())
    return Reel(states, found, error, stored, kept, drift, refused)
