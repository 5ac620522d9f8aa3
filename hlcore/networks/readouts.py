"""Readouts that a descriptor steers: y = readout(d, h)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..errors import complain
from ..settings import number
from ..streams.base import count


class KeyedReadout(torch.nn.Module):
    """y = M[k] h with k = argmax K·x, x = u/‖u‖ (K, its "keyed" units): only the winner's weights are used and learn.

    memories  rows of K (keys, unit length) and M (weights)
    step      δ: in training the winning key moves by δx and is renormalised; 0: keys stand
    """

    keys: Tensor

    def __init__(self, inputs: int, width: int, outputs: int, memories: int = 20, step: float = 0.1) -> None:
        super().__init__()
        self.step = number("KeyedReadout step", step)
        keys = torch.rand(count("memories", memories), count("inputs", inputs)) * 2 - 1
        self.register_buffer("keys", keys / keys.norm(dim=1, keepdim=True))
        bound = count("width", width) ** -0.5
        self.M = torch.nn.Parameter(torch.empty(memories, count("outputs", outputs), width).uniform_(-bound, bound))

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, outputs) from u (batch, inputs) and h (batch, width)."""
        with torch.no_grad():
            x = torch.nn.functional.normalize(u, dim=1)
            winner = (x @ self.keys.T).argmax(1)
            if self.training and self.step:
                self.keys.index_add_(0, winner, x, alpha=self.step)
                moved = self.keys[winner]
                self.keys[winner] = moved / moved.norm(dim=1, keepdim=True)
        if len(winner) == 1:
            return h @ self.M[int(winner)].T
        return torch.einsum("bow,bw->bo", self.M[winner], h)


class FactoredReadout(torch.nn.Module):
    """A choir: of the tokens that describe a signal, each is once taken for a mere factor of the amplitude.

    For the descriptor d with `active` tokens, voice k sings the shape that the others name, times the factor of k:

        v_k = e^{a_k} M[d without k]·h,   ρ = softmax of the trust of the active tokens,   y = Σ_k ρ_k v_k

    The output is (y, v_1 … , ρ_1 …), (batch, 1 + 2·active); `choir` is the loss that teaches it. What a token does
    to the amplitude is learned in every signal that has it, so it holds for a combination never heard; a token that
    changes the shape makes its voice wrong whenever it changes, and loses its trust as a factor.

    tokens  number of tokens (inputs are 0 or 1)     width  entries of h     active  tokens in each descriptor, >= 2
    """

    def __init__(self, tokens: int, width: int, active: int = 3) -> None:
        super().__init__()
        if count("active", active, 2) > count("tokens", tokens):
            raise complain("FactoredReadout active", active, f"at most the number of tokens, {tokens}")
        self.tokens, self.active = tokens, active
        self.rows = {names: i for i, names in enumerate(combinations(range(tokens), active - 1))}
        self.M = torch.nn.Parameter(torch.zeros(len(self.rows), count("width", width)))
        self.amplitude = torch.nn.Parameter(torch.zeros(tokens))
        self.trust = torch.nn.Parameter(torch.zeros(tokens))
        self._last: tuple[Any, int, Tensor, Tensor] | None = None

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, 1 + 2·active) from the descriptor u (batch, tokens) and h (batch, width)."""
        return _Choir.apply(h, self.M, self.amplitude, self.trust, *self._parts(u))

    def _parts(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Row of M and factor token of each voice, (batch, active); the last answer is kept, a lecture repeats it."""
        if self._last is not None and self._last[0] is u and self._last[1] == u._version:
            return self._last[2:]
        if u.dim() != 2 or u.shape[1] != self.tokens or not bool((u.count_nonzero(1) == self.active).all()):
            got = f"shape {tuple(u.shape)} with {u.count_nonzero(-1).tolist()} tokens"
            raise complain(
                "descriptor", got, f"(batch, {self.tokens}) with {self.active} tokens", "build it with active=…"
            )
        named = [row.nonzero().flatten().tolist() for row in u]
        rows = [[self.rows[tuple(i for i in d if i != k)] for k in d] for d in named]
        parts = torch.tensor(rows, device=u.device), torch.tensor(named, device=u.device)
        self._last = (u, u._version, *parts)
        return parts


class _Choir(torch.autograd.Function):
    """(y, v, ρ) of a `FactoredReadout` and its derivative, by hand: a third of the time of autograd's."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, M: Tensor, amplitude: Tensor, trust: Tensor, rows: Tensor, factors: Tensor
    ) -> Tensor:
        m, at = factors.shape[1], factors.reshape(-1)
        shapes = M.index_select(0, rows.reshape(-1)).view(len(h), m, -1)
        loud = amplitude.index_select(0, at).exp_().view(-1, m)
        rho = torch.softmax(trust.index_select(0, at).view(-1, m), 1)
        v = torch.bmm(shapes, h.unsqueeze(2)).squeeze(2).mul_(loud)
        ctx.save_for_backward(h, shapes, loud, v, rho, rows, at)
        ctx.sizes = len(M), len(amplitude)
        return torch.cat([(rho * v).sum(1, keepdim=True), v, rho], 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        h, shapes, loud, v, rho, rows, at = ctx.saved_tensors
        pairs, tokens = ctx.sizes
        gy, gv, grho = g.split([1, v.shape[1], v.shape[1]], 1)
        gv, grho = torch.addcmul(gv, gy, rho), torch.addcmul(grho, gy, v).mul_(rho)
        gs = gv * loud
        dM = h.new_zeros(len(h), pairs).scatter_add_(1, rows, gs).t() @ h
        da = h.new_zeros(tokens).index_add_(0, at, (gv * v).view(-1))
        gt = torch.addcmul(grho, rho, grho.sum(1, keepdim=True), value=-1)  # through the softmax
        dt = h.new_zeros(tokens).index_add_(0, at, gt.view(-1))
        return torch.bmm(gs.unsqueeze(1), shapes).squeeze(1), dM, da, dt, None, None


def choir(output: Tensor, target: Tensor) -> Tensor:
    """Σ_k (1 + ρ_k)(v_k - ŷ)², mean over the batch: each voice is asked for the signal, and once more by its trust.

    output  (batch, 1 + 2m) of a `FactoredReadout`     target  (batch, 1)
    """
    m = (output.shape[1] - 1) // 2
    _, v, rho = output.split([1, m, m], 1)
    e = v - target
    return torch.dot(((1 + rho) * e).flatten(), e.flatten()) / len(output)


choir.own_shapes = True  # type: ignore[attr-defined]  # output and target differ in shape on purpose
