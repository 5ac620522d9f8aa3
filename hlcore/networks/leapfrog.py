"""A network that is a mechanical system, integrated so that running it backward needs no inverse but itself."""

from typing import Any

import torch
from torch import Tensor

from ..errors import number, whole
from ..law.network import Known, Network, State
from ..law.point import Tensors


class Leapfrog(Network):
    """Positions q and momenta p in the potential V(q, u) = ½k|q|² + Σ log cosh(W q + B u + b); y = C q, no bias.

    q½ = q + τp/2        p⁺ = (1 - τγ) p - τ ∂V/∂q(q½, u)        q⁺ = q½ + τp⁺/2

    With γ = 0 the step is symplectic and reversible in time: flip p, run on with the inputs reversed, flip p again, and
    the network is where it was (recurrent Hamiltonian echo: Pourcel and Ernoult 2025, arXiv 2506.05259; the kick is
    taken at q½, as reversibility needs).

    units   entries of q, and of p      spring  k >= 0      friction  γ >= 0 on the momenta, a control: it breaks both
    """

    def __init__(self, units: int, inputs: int, outputs: int, spring: float = 1.0, friction: float = 0.0) -> None:
        super().__init__()
        self.units, n = whole("Leapfrog units", units), whole("Leapfrog inputs", inputs)
        m = whole("Leapfrog outputs", outputs)
        self.spring, self.friction = number("Leapfrog spring", spring), number("Leapfrog friction", friction)
        self.W = torch.nn.Parameter(torch.randn(self.units, self.units) / self.units**0.5)
        self.B = torch.nn.Linear(n, self.units)
        self.C = torch.nn.Linear(self.units, m, bias=False)

    def initial_state(self, batch_size: int) -> State:
        """At rest: zeros (batch, units) each."""
        return {name: self._zeros(batch_size, self.units) for name in "qp"}

    def potential(self, q: Tensor, u: Any) -> Tensor:
        """V(q, u), (batch,)."""
        a = q @ self.W.T + self.B(u)
        return self.spring / 2 * q.square().sum(1) + torch.logaddexp(a, -a).sum(1)

    def force(self, q: Tensor, u: Any) -> Tensor:
        """-∂V/∂q = -(k q + Wᵀ tanh(W q + B u + b))."""
        return -self.spring * q - torch.tanh(q @ self.W.T + self.B(u)) @ self.W

    def halfway(self, h: Any, tau: float) -> Tensor:
        """q½, where the force is taken."""
        return h["q"] + tau / 2 * h["p"]

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """((q⁺ - q)/τ, (p⁺ - p)/τ)."""
        pull = self.force(self.halfway(h, tau), u) - self.friction * h["p"]  # type: ignore[operator]
        return {"q": h["p"] + tau / 2 * pull, "p": pull}  # type: ignore[operator]

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """The same step with -τ, the momentum's friction divided out."""
        q = self.halfway(h, -tau)
        p = (h["p"] - tau * self.force(q, u)) / (1 - tau * self.friction)
        return {"q": q - tau / 2 * p, "p": p}

    def output(self, u: Any, h: Known) -> Tensor:
        """y = C q."""
        return self.C(h["q"])
