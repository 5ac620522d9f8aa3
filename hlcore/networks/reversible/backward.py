"""The autograd function whose backward recomputes the states instead of reading them."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ...errors import HLError
from ...law.differentiate import differentiate
from ...networks.preserved import preserved
from .coupling import Walk, drift

Trust = Callable[[float, torch.dtype], None]  # raises where a drift is too large


class WalkBack(torch.autograd.Function):
    """h_K of h_0. Kept for the way back: h_0, m_K, h_K and the graphs of the last `keep` blocks.

    Each (m, h) comes from the one after it: undo the coupling, then m = m⁺ - c f_k(h). The same f_k(h) is the graph for
    the costates (dm, dh) of (m, h): dh += c (∂f_k/∂h)ᵀ dm, dθ += c (∂f_k/∂θ)ᵀ dm. So a block runs once on the way back,
    and not at all where its graph was kept. Kept graphs serve one backward; a second one runs those blocks again.
    """

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, walk: Walk, keep: int, trust: Trust, weights: list[list[Tensor]], *unique: Tensor
    ) -> Tensor:
        ctx.walk, ctx.trust, ctx.weights, ctx.unique = walk, trust, weights, unique
        ctx.versions = [p._version for p in unique]
        m, last = walk.up(h.detach(), keep if any(ctx.needs_input_grad) else 0)
        ctx.save_for_backward(h, m, last)
        return last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dh: Tensor) -> Any:
        if ctx.versions != [p._version for p in ctx.unique]:
            raise HLError(
                "Reversible: got weights that moved between forward and backward, expected the same ones: the way "
                "back would be another; take the gradient before the step."
            )
        walk: Walk = ctx.walk
        coupling, c = walk.coupling, walk.coupling.c
        first, m, h = ctx.saved_tensors
        dm, dh = torch.zeros_like(dh), dh * c  # both costates times c, so that no block needs its own product
        dtheta: dict[int, Tensor] = {}
        bare = walk.seed is None and next(walk.blocks.buffers(), None) is None
        with nullcontext() if bare else preserved(walk.blocks):  # blocks may run again
            for k in range(len(walk.blocks) - 1, 0, -1):
                m, h = coupling.back(m, h)
                dm, dh = coupling.costate_back(dm, dh)
                f, pulled = _pull(walk, k, h, ctx.weights[k], dm, dtheta)
                m, dh = m.sub(f, alpha=c), torch.add(dh, pulled, alpha=c)
            m, h = coupling.back(m, h)
            dm, dh = coupling.costate_back(dm, dh)
            ctx.trust(drift(first, h, m), h.dtype)
            _, pulled = _pull(walk, 0, first, ctx.weights[0], dm / 2, dtheta)
        dh = torch.add(pulled, coupling.costate_start(dm, dh), alpha=1 / c)
        return dh, None, None, None, None, *(dtheta.get(id(p)) for p in ctx.unique)


def _pull(
    walk: Walk, k: int, h: Tensor, weights: Sequence[Tensor], costate: Tensor, dtheta: dict[int, Tensor]
) -> tuple[Tensor, Tensor]:
    """f_k(h) and (∂f_k/∂h)ᵀ costate; (∂f_k/∂θ)ᵀ costate is added to `dtheta`."""
    h, f = walk.linked(k, h)
    if not f.requires_grad:
        return f, torch.zeros_like(h)
    dh, *found = differentiate((f,), (costate,), (h, *weights), keep=False)
    for p, d in zip(weights, found, strict=True):
        if d is not None:
            dtheta[id(p)] = dtheta[id(p)] + d if id(p) in dtheta else d
    return f.detach(), torch.zeros_like(h) if dh is None else dh
