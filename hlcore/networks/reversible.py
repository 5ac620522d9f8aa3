"""A chain of blocks whose backward pass recomputes the states instead of storing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..errors import HLError, complain, unknown
from ..settings import number
from ..undisturbed import undisturbed
from .base import require_module

VARIANTS = ("midpoint", "leapfrog")
RANDOM = (
    torch.nn.Dropout,
    torch.nn.Dropout1d,
    torch.nn.Dropout2d,
    torch.nn.Dropout3d,
    torch.nn.AlphaDropout,
    torch.nn.FeatureAlphaDropout,
    torch.nn.RReLU,
)
Pair: TypeAlias = tuple[Tensor, Tensor]  # (m_k, h_k)


class Reversible(torch.nn.Module):
    """A residual chain that stores no activations: its backward walks the states back (P, section 5; theorem T7).

    midpoint   h_{k+1} = h_{k-1} + 2τ f_k(h_k), h_1 = h_0 + τ f_0(h_0), for h' = f: trustworthy where the Jacobian of
               f is (nearly) skew-symmetric; dissipative or expanding blocks let a parasitic mode grow as e^{|λ|τk}
    leapfrog   h_{k+1} = 2h_k - h_{k-1} + τ² f_k(h_k), h_1 = h_0 + τ²/2 f_0(h_0), for h'' = f, at rest at first:
               trustworthy where the Jacobian of f is symmetric and negative, τ²|λ| < 4, as in f = -Wᵀ tanh(W h)

    blocks      modules f_k that keep the shape of h; the same module may come several times
    tolerance   largest drift |h_0 walked back - h_0| / |h_0| that is trusted; None: the square root of the dtype's
                precision, half of the digits. A backward that finds more raises HLError and gives no gradient.

    After a backward `drift` is what was found; it is about the relative error of the gradient. Three states are kept,
    whatever the depth. BatchNorm counts a batch once; dropout repeats its draw from one seed per pass; a block that
    changes its input in place, or draws random numbers by itself, is refused.
    """

    drift: float | None = None

    def __init__(
        self,
        blocks: Iterable[torch.nn.Module],
        tau: float,
        variant: str = "midpoint",
        tolerance: float | None = None,
    ) -> None:
        super().__init__()
        if isinstance(blocks, torch.nn.Module) and not isinstance(blocks, (torch.nn.Sequential, torch.nn.ModuleList)):
            raise complain("Reversible blocks", type(blocks).__name__, "a list of modules", "write [block] * depth")
        self.blocks = torch.nn.ModuleList(require_module(f"Reversible block {k}", b) for k, b in enumerate(blocks))
        if not len(self.blocks):
            raise complain("Reversible blocks", "none", "at least one")
        if variant not in VARIANTS:
            raise unknown("Reversible variant", variant, VARIANTS)
        self.tau, self.variant = number("Reversible tau", tau, positive=True), variant
        self.tolerance = None if tolerance is None else number("Reversible tolerance", tolerance, positive=True)
        self._midpoint = variant == "midpoint"
        self._gain = 2 * self.tau if self._midpoint else self.tau**2
        self._random = [m for m in self.modules() if isinstance(m, RANDOM)]

    def forward(self, h: Tensor) -> Tensor:
        """h_K from h_0 = h, with a backward that stores three states."""
        weights = [[p for p in block.parameters() if p.requires_grad] for block in self.blocks]
        unique = {id(p): p for own in weights for p in own}
        return _WalkBack.apply(_checked(h), self, weights, *unique.values())

    def stored(self, h: Tensor) -> Tensor:
        """The same h_K by ordinary autograd, which stores the activations of every block: for comparison."""
        return self._walk(_checked(h), self._seed())[1]

    def walk_back(self, h: Tensor) -> float:
        """The drift |h_0 walked back - h_0| / |h_0| after a pass from h and back; nothing else moves."""
        with torch.no_grad(), undisturbed(self):
            seed = self._seed()
            m, last = self._walk(_checked(h), seed)
            for k in range(len(self.blocks) - 1, -1, -1):
                m, last = self._undo(m, last)
                if k:
                    m = m.sub(_run(self.blocks[k], last, k, seed), alpha=self._gain)
        return _drift(h, last, m)

    def trusted(self, dtype: torch.dtype) -> float:
        """The largest drift that is trusted."""
        return torch.finfo(dtype).eps ** 0.5 if self.tolerance is None else self.tolerance

    def extra_repr(self) -> str:
        """Shown by print."""
        return f"tau={self.tau}, variant={self.variant!r}"

    # Both variants are one coupling of h with a memory m: m⁺ = m + c f(h), then midpoint swaps (m, h)⁺ = (h, m⁺),
    # leapfrog adds (m, h)⁺ = (m⁺, h + m⁺). So m_k is h_{k-1}, or h_k - h_{k-1}; the first step takes c/2.

    def _start(self, h: Tensor) -> Tensor:
        return h if self._midpoint else torch.zeros_like(h)

    def _couple(self, m: Tensor, h: Tensor) -> Pair:
        return (h, m) if self._midpoint else (m, h + m)

    def _undo(self, m: Tensor, h: Tensor) -> Pair:
        return (h, m) if self._midpoint else (m, h - m)

    def _undo_costate(self, dm: Tensor, dh: Tensor) -> Pair:
        return (dh, dm) if self._midpoint else (dm + dh, dh)

    def _walk(self, h: Tensor, seed: int | None) -> Pair:
        """(m_K, h_K)."""
        if seed is not None:
            with torch.random.fork_rng(devices=[h.device] if h.is_cuda else []):
                return self._steps(h, seed)
        before = _generator(h)
        found = self._steps(h, None)
        if not torch.equal(_generator(h), before):
            raise HLError(
                "Reversible: got blocks that draw random numbers by themselves, expected deterministic ones or torch's "
                "dropout layers: a backward cannot repeat the draw; use torch.nn.Dropout."
            )
        return found

    def _steps(self, h: Tensor, seed: int | None) -> Pair:
        m, gain = self._start(h), self._gain / 2
        for k, block in enumerate(self.blocks):
            version = None if h.is_inference() else h._version
            f = _run(block, h, k, seed)
            if version is not None and h._version != version:
                raise HLError(
                    f"Reversible: got block {k} ({type(block).__name__}) that changes its input in place, expected one "
                    "that leaves it as it is: the chain still needs it; begin the block without inplace=True."
                )
            if f.shape != h.shape:
                raise complain(f"Reversible block {k}", f"an output {tuple(f.shape)}", f"h's shape {tuple(h.shape)}")
            m, h = self._couple(torch.add(m, f, alpha=gain), h)
            gain = self._gain
        return m, h

    def _seed(self) -> int | None:
        """One draw for the whole pass if a dropout layer is on, so that the way back can repeat it."""
        return int(torch.randint(2**62, ())) if any(m.training for m in self._random) else None

    def _trust(self, drift: float, dtype: torch.dtype) -> None:
        self.drift, trusted = drift, self.trusted(dtype)
        if not drift <= trusted:
            other = "f = -Wᵀσ(Wh)" if self.variant == "leapfrog" else "skew-symmetric blocks, or variant='leapfrog'"
            raise HLError(
                f"Reversible: got a drift of {drift:.1e} between the input and what {len(self.blocks)} blocks were "
                f"walked back to, expected at most {trusted:.1e}; no gradient was made. Dissipative or expanding "
                f"blocks do this under {self.variant!r}: use {other}, a smaller tau, fewer blocks, float64, or "
                "`stored`, which keeps the activations."
            )


class _WalkBack(torch.autograd.Function):
    """Keeps h_0, m_K and h_K; on the way back each (m, h) comes from the one after it.

    With the costates (dm, dh) of (m, h), undone as the coupling is: dh += c (∂f_k/∂h)ᵀ dm, dθ += c (∂f_k/∂θ)ᵀ dm.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, chain: Reversible, weights: list[list[Tensor]], *unique: Tensor) -> Tensor:
        ctx.chain, ctx.weights, ctx.seed = chain, weights, chain._seed()
        ctx.unique, ctx.versions = unique, [p._version for p in unique]
        m, last = chain._walk(h.detach(), ctx.seed)
        ctx.save_for_backward(h, m, last)
        return last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dh: Tensor) -> Any:
        chain: Reversible = ctx.chain
        if ctx.versions != [p._version for p in ctx.unique]:
            raise HLError(
                "Reversible: got weights that moved between forward and backward, expected the same ones: the way "
                "back would be another; take the gradient before the step."
            )
        first, m, h = ctx.saved_tensors
        blocks, c = list(chain.blocks), chain._gain
        dm, dh = torch.zeros_like(dh), dh * c  # both costates times c, so that no block needs its own product
        dtheta: dict[int, Tensor] = {}
        with undisturbed(chain):
            for k in range(len(blocks) - 1, 0, -1):
                m, h = chain._undo(m, h)
                dm, dh = chain._undo_costate(dm, dh)
                f, pulled = _pull(blocks[k], h, k, ctx.seed, ctx.weights[k], dm, dtheta)
                m, dh = m.sub(f, alpha=c), torch.add(dh, pulled, alpha=c)
            m, h = chain._undo(m, h)
            dm, dh = chain._undo_costate(dm, dh)
            chain._trust(_drift(first, h, m), h.dtype)
            _, pulled = _pull(blocks[0], first, 0, ctx.seed, ctx.weights[0], dm / 2, dtheta)
        dh = (dh + dm if chain._midpoint else dh) / c + pulled
        return dh, None, None, *(dtheta.get(id(p)) for p in ctx.unique)


def _pull(
    block: torch.nn.Module,
    h: Tensor,
    k: int,
    seed: int | None,
    weights: Sequence[Tensor],
    costate: Tensor,
    dtheta: dict[int, Tensor],
) -> tuple[Tensor, Tensor]:
    """f_k(h) and (∂f_k/∂h)ᵀ costate; (∂f_k/∂θ)ᵀ costate is added to `dtheta`."""
    with torch.enable_grad():
        h = h.detach().requires_grad_()
        f = _run(block, h, k, seed)
        if not f.requires_grad:
            return f, torch.zeros_like(h)
        dh, *found = torch.autograd.grad(f, (h, *weights), costate, allow_unused=True)
    for p, d in zip(weights, found, strict=True):
        if d is not None:
            dtheta[id(p)] = dtheta[id(p)] + d if id(p) in dtheta else d
    return f.detach(), torch.zeros_like(h) if dh is None else dh


def _run(block: torch.nn.Module, h: Tensor, k: int, seed: int | None) -> Tensor:
    if seed is not None:
        torch.manual_seed((seed + k) % 2**63)
    return block(h)


def _drift(first: Tensor, found: Tensor, second: Tensor) -> float:
    """|found - h_0| / |h_0|, or / |m_1| where that is larger (an input of zeros), by the largest entry."""
    error, scale = float((found - first).abs().max()), float(torch.maximum(first.abs().max(), second.abs().max()))
    return error / scale if scale > 0 else error


def _generator(h: Tensor) -> Tensor:
    return torch.cuda.get_rng_state(h.device) if h.is_cuda else torch.get_rng_state()


def _checked(h: Any) -> Tensor:
    if not isinstance(h, Tensor) or h.dtype not in (torch.float32, torch.float64):
        got = str(h.dtype) if isinstance(h, Tensor) else type(h).__name__
        raise complain("Reversible input", got, "a tensor of float32 or float64", "fewer digits cannot walk back")
    return h


def is_reversible(
    module: torch.nn.Module, shape: Sequence[int], tau: float = 0.1, depth: int = 256, variant: str = "midpoint"
) -> bool:
    """Can a chain of `depth` blocks like `module` be walked back from a random h of `shape` (batch first)?

    A `Reversible` is asked with its own blocks, tau, variant and tolerance. The answer holds for the weights as they
    are and states of the size of a normal draw; `Reversible.walk_back(h)` tells the drift itself.
    """
    chain = module if isinstance(module, Reversible) else Reversible([module] * depth, tau, variant)
    like = next(chain.parameters(), torch.empty(0))
    h = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0), dtype=like.dtype).to(like.device)
    try:
        return chain.walk_back(h) <= chain.trusted(h.dtype)
    except HLError:
        return False
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        text = str(error).splitlines()[0]
        raise HLError(
            f"is_reversible: got shape {tuple(shape)}, expected one the block takes; it says: {text}."
        ) from error
