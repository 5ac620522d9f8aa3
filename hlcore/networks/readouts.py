"""Readouts that a descriptor steers: y = readout(d, h)."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number, whole
from ..law.arrays import arrays, outer, row_max, scatter_rows, tensor, total, zeros
from ..law.closed_form import Back, Weights
from ..law.loss import DeclaredLoss
from .module_forms import Maker, ModuleForm, by_hand


class _Remembered:
    """A function of one small tensor that keeps its last answer: throughout a lecture the descriptor is the same."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self._function = function
        self._of: Any = None
        self._found: Any = None

    def __call__(self, u: Tensor) -> Any:
        of = (u.dtype, u.shape, u.detach().numpy().tobytes()) if u.is_cpu else None
        if of is None or of != self._of:
            self._of, self._found = of, self._function(u)
        return self._found


class KeyedReadout(torch.nn.Module):
    """y = M[k] h with k = argmax K·x, x = u/‖u‖ (K, its "keyed" units): only the winner's weights are used and learn.

    memories  rows of K (keys, unit length) and M (weights)
    step      δ: in training the winning key moves by δx and is renormalised; 0: keys stand
    """

    keys: Tensor

    def __init__(self, inputs: int, width: int, outputs: int, memories: int = 20, step: float = 0.1) -> None:
        super().__init__()
        self.step = number("KeyedReadout step", step)
        whole("width", width), whole("outputs", outputs)
        keys = torch.rand(whole("memories", memories), whole("inputs", inputs)) * 2 - 1
        self.register_buffer("keys", keys / keys.norm(dim=1, keepdim=True))
        bound = whole("width", width) ** -0.5
        self.M = torch.nn.Parameter(torch.empty(memories, whole("outputs", outputs), width).uniform_(-bound, bound))
        self._unit = _Remembered(torch.nn.functional.normalize)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, outputs) from u (batch, inputs) and h (batch, width)."""
        winner = self._winner(u)
        if len(winner) == 1:
            return h @ self.M[int(winner[0])].T
        return torch.einsum("bow,bw->bo", self.M[tensor(winner)], h)

    def closed_form(self) -> ModuleForm:
        """y and its derivative by hand."""

        def run(xp: Any, u: Tensor, h: Any, w: Weights) -> tuple[Any, Back]:
            k, M = self._winner(u), w[0]
            rows = M[k]

            def back(g: Any) -> tuple[Any, Weights]:
                of_winner = (g[:, :, None] * h[:, None]).reshape(len(g), -1)
                return (g[:, None] @ rows)[:, 0], [scatter_rows(k, of_winner, len(M)).reshape(M.shape)]

            return (rows @ h[:, :, None])[:, :, 0], back

        return ModuleForm([self.M], run)

    def _winner(self, u: Tensor) -> Any:
        """k of each sample, an array (batch,); in training its key moves."""
        _, x, keys = arrays(self._unit(u), self.keys)
        winner = (x @ keys.T).argmax(1)
        if self.training and self.step:
            keys += self.step * scatter_rows(winner, x, len(keys))
            moved = keys[winner]
            keys[winner] = moved / (moved * moved).sum(1, keepdims=True) ** 0.5
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
        if whole("active", active, 2) > whole("tokens", tokens):
            raise bad("FactoredReadout active", active, f"at most the number of tokens, {tokens}")
        self.tokens, self.active = tokens, active
        self.rows = {names: i for i, names in enumerate(combinations(range(tokens), active - 1))}
        self.M = torch.nn.Parameter(torch.zeros(len(self.rows), whole("width", width)))
        self.amplitude = torch.nn.Parameter(torch.zeros(tokens))
        self.trust = torch.nn.Parameter(torch.zeros(tokens))
        self._voices = _Remembered(self._named)

    def forward(self, u: Tensor, h: Tensor) -> Tensor:
        """(batch, 1 + 2·active) from the descriptor u (batch, tokens) and h (batch, width)."""
        return by_hand(partial(_sing, self._voices(u)[0]), _sing_back, h, self.M, self.amplitude, self.trust)

    def closed_form(self) -> ModuleForm:
        """The output and its derivative by hand."""

        def run(xp: Any, u: Tensor, h: Any, w: Weights) -> tuple[Any, Back]:
            y, kept = _sing(self._voices(u)[1], xp, h, *w)

            def back(g: Any) -> tuple[Any, Weights]:
                dh, *slopes = _sing_back(xp, g, *kept)
                return dh, slopes

            return y, back

        return ModuleForm([self.M, self.amplitude, self.trust], run)

    def _named(self, u: Tensor) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        """Row of M, factor token and sample of each voice, (batch, active) or (batch, 1), as tensors and as arrays."""
        if u.dim() != 2 or u.shape[1] != self.tokens or not bool((u.count_nonzero(1) == self.active).all()):
            got = f"shape {tuple(u.shape)} with {u.count_nonzero(-1).tolist()} tokens"
            raise bad("descriptor", got, f"(batch, {self.tokens}) with {self.active} tokens", "build it with active=…")
        named = [row.nonzero().flatten().tolist() for row in u]
        rows = [[self.rows[tuple(i for i in d if i != k)] for k in d] for d in named]
        each = torch.arange(len(u)).unsqueeze(1)
        parts = tuple(x.to(u.device) for x in (torch.tensor(rows), torch.tensor(named), each))
        return parts, arrays(*parts)[1:]


def _sing(named: Any, xp: Any, h: Any, M: Any, amplitude: Any, trust: Any) -> tuple[Any, tuple[Any, ...]]:
    """(y, v, ρ) of a `FactoredReadout`, and what its derivative needs."""
    rows, factors, each = named
    loud, weight = xp.exp(amplitude[factors]), trust[factors]
    weight = xp.exp(weight - row_max(weight))
    rho = weight / weight.sum(1, keepdims=True)
    v = (h @ M.T)[each, rows] * loud
    out = xp.concatenate([(rho * v).sum(1, keepdims=True), v, rho], 1)
    return out, (h, M, amplitude, loud, v, rho, rows, factors, each)


def _sing_back(
    xp: Any, g: Any, h: Any, M: Any, amplitude: Any, loud: Any, v: Any, rho: Any, rows: Any, factors: Any, each: Any
) -> tuple[Any, Any, Any, Any]:
    """The derivative of g·(y, v, ρ) with respect to h, M, a and the trust."""
    m = v.shape[1]
    gy = g[:, :1]
    gv, grho = g[:, 1 : 1 + m] + gy * rho, (g[:, 1 + m :] + gy * v) * rho
    gm, ga, gt = zeros(h, len(h), len(M)), zeros(h, len(h), len(amplitude)), zeros(h, len(h), len(amplitude))
    gm[each, rows] = gv * loud
    ga[each, factors] = gv * v
    gt[each, factors] = grho - rho * grho.sum(1, keepdims=True)  # through the softmax
    return gm @ M, outer(gm, h), total(ga), total(gt)


def _choir(output: Tensor, target: Tensor) -> Tensor:
    """Σ_k (1 + ρ_k)(v_k - ŷ)², mean over the batch: each voice is asked for the signal, and once more by its trust.

    output  (batch, 1 + 2m) of a `FactoredReadout`     target  (batch, 1)
    """
    m = (output.shape[1] - 1) // 2
    _, v, rho = output.split([1, m, m], 1)
    e = v - target
    return torch.dot(((1 + rho) * e).flatten(), e.flatten()) / len(output)


def _choir_slope(xp: Any, output: Any, target: Any) -> tuple[float, Any]:
    """L and ∂L/∂output of `choir`, by hand."""
    m = (output.shape[1] - 1) // 2
    e = output[:, 1 : 1 + m] - target
    weighed, share = e + output[:, 1 + m :] * e, 1 / len(e)
    slope = xp.concatenate([zeros(e, len(e), 1), (2 * share) * weighed, share * (e * e)], 1)
    return share * (weighed.ravel() @ e.ravel()), slope


choir = DeclaredLoss(_choir, _choir_slope, own_shapes=True)
DESCRIBED: dict[type[torch.nn.Module], Maker] = {  # readouts of (u, h)
    KeyedReadout: KeyedReadout.closed_form,
    FactoredReadout: FactoredReadout.closed_form,
}
