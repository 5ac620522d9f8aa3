"""Real-time recurrent learning: the exact online gradient, by carrying ∂h/∂θ forward. For small networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import bad
from ..law.hamiltonian import Hamiltonian, Loss
from ..law.network import Network, State
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.settings import Settings
from .base import Look, OnlineLearner
from .reversed_stream import first_state

LARGEST = 50_000_000  # entries of P: 400 MB in float64


class Sensitivity:
    """P = dh/dθ carried forward with the state: P⁺ = (∂h⁺/∂h) P + ∂h⁺/∂θ (Williams and Zipser 1989).

    The online gradient dL/dθ = (∂L/∂h) P + ∂L/∂θ is exact for weights that stand; as with every online learner, P
    remembers weights as they were when they move. Memory (batch · units) · weights, time units times that.

    order  "sequential": the loss at the moved state; "euler": at the state before the move (P, Algorithm 1)
    """

    def __init__(self, network: Network, loss: Loss, order: str = "sequential") -> None:
        self.order = order
        self._law = Hamiltonian(network, loss)
        self.theta: Tensors = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._sizes = [p.numel() for p in self.theta.values()]
        self.h: State | None = None  # None: at the start of a sequence
        self.P: Tensor = torch.empty(0)

    def look(self, sample: Sample, tau: float) -> tuple[Tensors, Tensor, Tensor, float, list[Tensor]]:
        """(h⁺, P⁺, y, L, dL/dθ per weight) of one step; nothing is kept."""
        weights = list(self.theta.values())
        with torch.enable_grad():
            found = first_state(self._law, sample) if self.h is None else self.h
            v = self._law.velocity(sample.u, dict(found), tau)
            start = {name: torch.zeros_like(v[name]) if x is None else x for name, x in found.items()}
            P = _rows(start, weights) if self.h is None else self.P
            h = {name: x.detach().requires_grad_() for name, x in start.items()}
            v = self._law.velocity(sample.u, dict(h), tau)
            moved = {name: x + tau * v[name] for name, x in h.items()}
        units = sum(x.numel() for x in h.values())
        if units * sum(self._sizes) > LARGEST:
            raise bad("RTRL", f"{units} units by {sum(self._sizes)} weights", "a small network", "use a window")
        J = _rows(moved, [*h.values(), *weights])
        P_next = J[:, :units] @ P + J[:, units:]
        at = {name: x.detach().requires_grad_() for name, x in (h if self.order == "euler" else moved).items()}
        with torch.enable_grad():
            y = self._law.output(sample.u, at)
            L = self._law.instantaneous_loss(y, sample.target)
        g = P.new_zeros(sum(self._sizes))
        if L is not None and L.requires_grad:
            d = _rows({"L": L}, [*at.values(), *weights])[0]
            g = d[:units] @ (P if self.order == "euler" else P_next) + d[units:]
        parts = [x.view_as(p) for x, p in zip(g.split(self._sizes), weights, strict=True)]
        h_next = {name: x.detach() for name, x in moved.items()}
        return h_next, P_next, y.detach(), 0.0 if L is None else float(L.detach()), parts

    def keep(self, h: Tensors, P: Tensor, end: bool) -> None:
        """Go on from there; after the end of a sequence from its start."""
        self.h, self.P = None if end else dict(h), P

    def step(self, sample: Sample, tau: float) -> Tensors:
        """dL/dθ of this token through the whole past of its sequence, {name: tensor}; the state moves on."""
        h, P, _, _, g = self.look(sample, tau)
        self.keep(h, P, sample.end)
        return dict(zip(self.theta, g, strict=True))


class RTRL(OnlineLearner):
    """Learns from the exact online gradient; the oracle of a race, for small networks."""

    def __init__(self, network: Network, loss: Loss, settings: Settings | None = None) -> None:
        super().__init__(network, loss, settings)
        self._sensitivity = Sensitivity(network, loss)
        self._next = torch.empty(0)

    def _look(self, sample: Sample, tau: float, phi: float) -> Look:
        h, self._next, y, loss, g = self._sensitivity.look(sample, tau)
        return Look(h, y, loss, g, tau * phi, 1 - tau * self.settings.eta)

    def _remember(self, sample: Sample, look: Look) -> None:
        self._sensitivity.keep(look.h, self._next, sample.end)


def _rows(of: Tensors, by: list[Tensor]) -> Tensor:
    """The Jacobian of all entries of `of` by all entries of `by`, a row per entry of `of`."""
    parts = [x.flatten() for x in of.values()]
    rows = torch.cat(parts) if parts else torch.empty(0)
    n, width = len(rows), sum(x.numel() for x in by)
    if not rows.requires_grad:
        return rows.new_zeros(n, width)
    eye = torch.eye(n, dtype=rows.dtype, device=rows.device)
    found: Sequence[Tensor | None]
    try:
        found = torch.autograd.grad(rows, by, eye, retain_graph=True, allow_unused=True, is_grads_batched=True)
    except RuntimeError:  # a derivative without a batched form: row by row
        each = [torch.autograd.grad(rows, by, e, retain_graph=True, allow_unused=True) for e in eye]
        found = [None if g[0] is None else torch.stack(g) for g in zip(*each, strict=True)]
    return torch.cat(
        [rows.new_zeros(n, x.numel()) if g is None else g.reshape(n, -1) for x, g in zip(by, found, strict=True)], 1
    )
