"""Spins that remember by falling: awake they are held by what is seen, asleep they fall from chance into a dream."""

from typing import Any

import torch
from torch import Tensor

from ..errors import bad, floats, number, share, whole
from ..law.loss import DeclaredLoss
from ..law.network import Known, Network, State, instantaneous
from ..law.point import Tensors


class Hopfield(Network):
    """N spins ±1, symmetric J without diagonal, E = -½ sᵀJs; y = (E(h)/N, ½λ|J|²) of every sample, (batch, 2).

    A row of u is ±1 where a memory is shown: h = u. A row of zeros is sleep: h falls from random spins,
    s_i ← sign(J s)_i, until it rests or `sweeps` are over; in one sweep each spin that is wrong flips with probability
    `part` (all at once would end in cycles of two), ties keep their spin. The fall is no path of a gradient.

    In sequential order with τη = 1, H' = φE/N is one rule with two signs,

        J⁺ = J - s (ε/N) Σ hhᵀ off the diagonal,   ε = τ²βφ/2      s = -1 awake: Hebb;  s = +1 asleep: unlearning

    (Hopfield, Feinstein and Palmer 1983), and (1 - 2ελ) J forgets where λ > 0.

    J  (N, N), where it begins: symmetric; its diagonal is left out     decay  λ >= 0
    """

    draws = True  # the spins before sleep
    off: Tensor

    def __init__(self, J: Tensor, sweeps: int = 30, part: float = 0.5, decay: float = 0.0) -> None:
        super().__init__()
        if not torch.equal(floats("Hopfield J", J, "N, N", "torch.zeros(N, N)"), J.T):
            raise bad("Hopfield J", f"shape {tuple(J.shape)}", "a symmetric matrix", "torch.zeros(N, N)")
        self.J = torch.nn.Parameter(J.detach().clone().fill_diagonal_(0.0))
        self.register_buffer("off", 1 - torch.eye(len(J), dtype=J.dtype), persistent=False)
        self.sweeps, self.part = whole("sweeps", sweeps, 0), share("part", part)
        self.decay = number("Hopfield decay", decay)
        if not self.part:
            raise bad("part", part, "a chance > 0", "0.5 settles well")

    def initial_state(self, batch_size: int) -> State:
        """Random spins, (batch, N)."""
        return {"spins": random_spins(batch_size, len(self.J), self.J.dtype).to(self.J.device)}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """To what is seen, or to where the spins fall, in one step."""
        spins = h["spins"]
        assert spins is not None
        asleep = (u == 0).all(1, keepdim=True)
        fallen = fall(self.J.detach(), spins.detach(), self.sweeps, self.part) if bool(asleep.any()) else u
        return {"spins": instantaneous(torch.where(asleep, fallen, u), spins, tau)}

    def output(self, u: Any, h: Known) -> Tensor:
        """(E/N, ½λ|J|²)."""
        s: Any = h["spins"]
        E = -0.5 / len(self.J) * ((s @ (self.J * self.off)) * s).sum(1)
        return torch.stack([E, (0.5 * self.decay * (self.J * self.J).sum()).expand_as(E)], 1)


def hebb(patterns: Tensor) -> Tensor:
    """J = ξᵀξ/N without diagonal: where one day with every memory leads from J = 0 at ε = 1."""
    return (patterns.T @ patterns / patterns.shape[1]).fill_diagonal_(0.0)


def random_spins(n: int, units: int, dtype: torch.dtype) -> Tensor:
    """±1, (n, units), from torch's generator."""
    return torch.randint(0, 2, (n, units)).to(dtype) * 2 - 1


def fall(J: Tensor, spins: Tensor, sweeps: int = 30, part: float = 0.5) -> Tensor:
    """Where each row of spins comes to rest under J, whose diagonal is zero, after at most so many sweeps."""
    s = spins
    for _ in range(sweeps):
        wrong = (s @ J) * s < 0
        if not bool(wrong.any()):
            break
        s = torch.where(wrong & (torch.rand(s.shape, dtype=s.dtype).to(s.device) < part), -s, s)
    return s


def _energy(y: Tensor, sign: Tensor) -> Tensor:
    """Σ sign E/N over the batch, +1 as it is, -1 as if s were the other one; and ½λ|J|² once."""
    return (sign[:, 0] * y[:, 0]).sum() + y[:, 1].mean()


energy = DeclaredLoss(_energy, own_shapes=True)
