"""Readouts that a descriptor steers: y = readout(d, h)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..errors import complain
from ..phase import Tensors
from ..settings import number
from ..streams.base import count

Back: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensors]]


class _Kept:
    """A function of one tensor that keeps its last answer: throughout a lecture the descriptor is the same."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self._function, self._last = function, (None, 0, None)

    def __call__(self, u: Tensor) -> Any:
        of, version, found = self._last
        if of is not u or version != u._version:
            found = self._function(u)
            self._last = u, u._version, found
        return found


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
        self._unit = _Kept(torch.nn.functional.normalize)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, outputs) from u (batch, inputs) and h (batch, width)."""
        winner = self._winner(u)
        if len(winner) == 1:
            return h @ self.M[int(winner)].T
        return torch.einsum("bow,bw->bo", self.M[winner], h)

    def pullback(self, u: Tensor, h: Tensor) -> tuple[Tensor, Back]:
        """y and its derivative by hand."""
        winner = self._winner(u)
        M = self.M.index_select(0, winner)

        def back(g: Tensor) -> tuple[Tensor, Tensors]:
            dM = torch.zeros_like(self.M).index_add_(0, winner, g.unsqueeze(2) * h.unsqueeze(1))
            return torch.bmm(g.unsqueeze(1), M).squeeze(1), {"M": dM}

        return torch.bmm(M, h.unsqueeze(2)).squeeze(2), back

    @torch.no_grad()
    def _winner(self, u: Tensor) -> Tensor:
        """k of each sample, (batch,); in training its key moves."""
        x = self._unit(u)
        winner = (x @ self.keys.T).argmax(1)
        if self.training and self.step:
            moved = self.keys.index_add_(0, winner, x, alpha=self.step).index_select(0, winner)
            self.keys.index_copy_(0, winner, moved.div_(torch.linalg.vector_norm(moved, dim=1, keepdim=True)))
        return winner


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
        self._voices = _Kept(self._named)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, 1 + 2·active) from the descriptor u (batch, tokens) and h (batch, width)."""
        return _Choir.apply(h, self.M, self.amplitude, self.trust, *self._voices(u))

    def pullback(self, u: Tensor, h: Tensor) -> tuple[Tensor, Back]:
        """The output and its derivative by hand."""
        out, kept = _sing(h, self.M, self.amplitude, self.trust, *self._voices(u))

        def back(g: Tensor) -> tuple[Tensor, Tensors]:
            dh, dM, da, dt = _sing_back(g, *kept)
            return dh, {"M": dM, "amplitude": da, "trust": dt}

        return out, back

    def _named(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Row of M and factor token of each voice, (batch, active)."""
        if u.dim() != 2 or u.shape[1] != self.tokens or not bool((u.count_nonzero(1) == self.active).all()):
            got = f"shape {tuple(u.shape)} with {u.count_nonzero(-1).tolist()} tokens"
            raise complain(
                "descriptor", got, f"(batch, {self.tokens}) with {self.active} tokens", "build it with active=…"
            )
        named = [row.nonzero().flatten().tolist() for row in u]
        rows = [[self.rows[tuple(i for i in d if i != k)] for k in d] for d in named]
        return torch.tensor(rows, device=u.device), torch.tensor(named, device=u.device)


def _sing(
    h: Tensor, M: Tensor, amplitude: Tensor, trust: Tensor, rows: Tensor, factors: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(y, v, ρ) of a `FactoredReadout`, and what its derivative needs."""
    loud = torch.take(amplitude, factors).exp_()
    rho = torch.softmax(torch.take(trust, factors), 1)
    v = (h @ M.t()).gather(1, rows).mul_(loud)
    return torch.cat([(rho * v).sum(1, keepdim=True), v, rho], 1), (h, M, amplitude, loud, v, rho, rows, factors)


def _sing_back(
    g: Tensor, h: Tensor, M: Tensor, amplitude: Tensor, loud: Tensor, v: Tensor, rho: Tensor, rows: Tensor, at: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The derivative of g·(y, v, ρ) with respect to h, M, a and the trust."""
    gy, gv, grho = g.split([1, v.shape[1], v.shape[1]], 1)
    gv, grho = torch.addcmul(gv, gy, rho), torch.addcmul(grho, gy, v).mul_(rho)
    gm = h.new_zeros(len(h), len(M)).scatter_add_(1, rows, gv * loud)  # for M h of all rows
    gt = torch.addcmul(grho, rho, grho.sum(1, keepdim=True), value=-1)  # through the softmax
    da, dt = (torch.zeros_like(amplitude).put_(at, x, accumulate=True) for x in (gv * v, gt))
    return gm @ M, gm.t() @ h, da, dt


class _Choir(torch.autograd.Function):
    """`_sing` for autograd: a third of the time of its own derivative."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, M: Tensor, amplitude: Tensor, trust: Tensor, rows: Tensor, factors: Tensor
    ) -> Tensor:
        out, kept = _sing(h, M, amplitude, trust, rows, factors)
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        return *_sing_back(g, *ctx.saved_tensors), None, None


def choir(output: Tensor, target: Tensor) -> Tensor:
    """Σ_k (1 + ρ_k)(v_k - ŷ)², mean over the batch: each voice is asked for the signal, and once more by its trust.

    output  (batch, 1 + 2m) of a `FactoredReadout`     target  (batch, 1)
    """
    m = (output.shape[1] - 1) // 2
    _, v, rho = output.split([1, m, m], 1)
    e = v - target
    return torch.dot(((1 + rho) * e).flatten(), e.flatten()) / len(output)


def _choir_slope(output: Tensor, target: Tensor) -> tuple[float, Tensor]:
    """L and ∂L/∂output of `choir`, by hand."""
    m = (output.shape[1] - 1) // 2
    e, rho = output[:, 1 : 1 + m] - target, output[:, 1 + m :]
    weighed = torch.addcmul(e, rho, e)
    L = torch.dot(weighed.flatten(), e.flatten()).item() / len(e)
    slope = torch.cat([output.new_zeros(len(e), 1), weighed.add_(weighed), e * e], 1)
    return L, slope if len(e) == 1 else slope.div_(len(e))


choir.own_shapes = True  # type: ignore[attr-defined]  # output and target differ in shape on purpose
choir.slope = _choir_slope  # type: ignore[attr-defined]
