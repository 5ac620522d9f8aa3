"""Real-time recurrent learning: the exact online gradient, by carrying ∂h/∂θ forward.

For small networks; for one layer of rotations, whose units feel their own weights alone, at twice the cost of a step.
"""

import torch
from torch import Tensor

from ..errors import bad
from ..law.arrays import moved, owned, scalar, tensor, tensors
from ..law.flow import flat
from ..law.hamiltonian import Hamiltonian, derivative
from ..law.loss import Loss
from ..law.network import Network, State
from ..law.point import Tensors
from ..law.sample import Sample
from .base import BaseLearner
from .catalogue import register
from .diagonal_sensitivity import DiagonalSensitivity
from .reversed_stream import first_state
from .terms import Step

LARGEST = 50_000_000  # entries of P: 400 MB in float64


class Sensitivity:
    """P = dh/dθ carried forward with the state: P⁺ = (∂h⁺/∂h) P + ∂h⁺/∂θ (Williams and Zipser 1989).

    With h⁺ = h + τ f^h that is P⁺ = P + τ (∂f^h/∂h P + ∂f^h/∂θ). The online gradient dL/dθ = (∂L/∂h) P + ∂L/∂θ is
    exact for weights that stand; as with every online learner, P remembers weights as they were when they move.
    Memory (batch · units) · weights, time units times that.

    order  "sequential": the loss at the moved state; "euler": at the state before the move (P, Algorithm 1)
    """

    def __init__(self, network: Network, loss: Loss, order: str = "sequential", law: Hamiltonian | None = None) -> None:
        self.order = order
        self._law = Hamiltonian(network, loss) if law is None else law
        self.theta: Tensors = dict(zip(self._law.names, self._law.theta, strict=True))
        self._sizes = [p.numel() for p in self._law.theta]
        self.h: State | None = None  # None: at the start of a sequence
        self.P: Tensor = torch.empty(0)

    def look(
        self, sample: Sample, tau: float, h: State | None, P: Tensor
    ) -> tuple[Tensors, Tensor, Tensor, float, list[Tensor]]:
        """(h⁺, P⁺, y, L, dL/dθ per weight) of one step from (h, P), h = None at a start; nothing is kept."""
        law, weights = self._law, self._law.theta
        with torch.enable_grad():
            begun = h is None
            h = first_state(law, sample) if h is None else h
            f = law.by_autograd(sample.u, h, tau)
            if begun or not len(P):  # begun in the middle of a sequence: its past is not felt
                P = self._first({name: x if begun and x is not None else f.h[name] for name, x in h.items()})
            units = P.shape[0]
            if units * sum(self._sizes) > LARGEST:
                raise bad("RTRL", f"{units} units by {sum(self._sizes)} weights", "a small network", "use a window")
            by_h, by_theta = f.jacobian()
            after, P_next = moved(f.h, f.v, tau), P + tau * (by_h @ P + by_theta)
            at = f.read(f.h if self.order == "euler" else after, sample.target)
            dh, slopes = at.pull(1.0)
        g = flat(slopes, weights)
        if units:
            there = [None if d is None else tensor(d) for d in dh.values()]
            g = g + flat(there, [tensor(x) for x in after.values()]) @ (P if self.order == "euler" else P_next)
        parts = [x.view_as(p) for x, p in zip(g.split(self._sizes), weights, strict=True)]
        known = {name: x.detach() for name, x in tensors(after).items()}
        loss = scalar(at.loss)
        return known, P_next, owned(at.y, after), loss, parts

    def keep(self, h: Tensors, P: Tensor, end: bool) -> None:
        """Go on from there; after the end of a sequence from its start."""
        self.h, self.P = None if end else dict(h), P

    def step(self, sample: Sample, tau: float) -> Tensors:
        """dL/dθ of this token through the whole past of its sequence, {name: tensor}; the state moves on."""
        h, P, _, _, g = self.look(sample, tau, self.h, self.P)
        self.keep(h, P, sample.end)
        return dict(zip(self.theta, g, strict=True))

    def _first(self, h: Tensors) -> Tensor:
        """∂h_0/∂θ: zero, but for a start that is learned."""
        rows = torch.cat([x.flatten() for x in h.values()]) if h else torch.empty(0)
        if not rows.requires_grad:
            return rows.new_zeros(len(rows), sum(self._sizes))
        return torch.stack(
            [flat(derivative([r], [torch.ones_like(r)], self._law.theta), self._law.theta) for r in rows]
        )


@register("rtrl")
class RTRL(BaseLearner):
    """Learns from the exact online gradient; the oracle of a race, for small networks. memory: P = dh/dθ."""

    title = "Real-time recurrent learning"
    equations = (
        "h' = f(u, h, θ)",
        "P = dh/dθ: P' = (∂f/∂h) P + ∂f/∂θ",
        "g = (∂L/∂h) P + ∂L/∂θ",
        "ω' = {phi} g - {eta} ω",
        "θ' = -{beta} ω",
        "each step: x ← x + {tau} x'",
    )

    def propose(self, sample: Sample) -> Step:
        """g of this token through the whole past of its sequence."""
        c = self.numbers(sample)
        carried = self.memory.get("P", torch.empty(0))
        if DiagonalSensitivity.holds(self.network):
            look = DiagonalSensitivity(self.law).look
        else:
            look = Sensitivity(self.network, self.loss, law=self.law).look
        h, P, y, loss, g = look(sample, c.tau, self._h, carried)
        return Step(h, None, y, loss, c.phi * loss, g, c.tau * c.phi, 1 - c.tau * c.eta, {"P": P})
