"""A chain of blocks whose backward pass recomputes the states instead of storing them."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import HLError, bad, kind, known, number, whole
from ..chain import listed
from ..preserved import preserved
from .backward import WalkBack
from .coupling import LEAPFROG, MIDPOINT, RANDOM, Coupling, Walk, drift

VARIANTS = (MIDPOINT, LEAPFROG)


class Reversible(torch.nn.Module):
    """A residual chain whose backward walks the states back instead of storing them (P, section 5; theorem T7).

    midpoint   h_{k+1} = h_{k-1} + 2τ f_k(h_k), h_1 = h_0 + τ f_0(h_0), for h' = f: trustworthy where the Jacobian of
               f is (nearly) skew-symmetric; dissipative or expanding blocks let a parasitic mode grow as e^{|λ|τk}
    leapfrog   h_{k+1} = 2h_k - h_{k-1} + τ² f_k(h_k), h_1 = h_0 + τ²/2 f_0(h_0), for h'' = f, at rest at first:
               trustworthy where the Jacobian of f is symmetric and negative, τ²|λ| < 4, as in f = -Wᵀ tanh(W h)

    blocks      modules f_k that keep the shape of h; the same module may come several times
    tolerance   largest drift |h_0 walked back - h_0| / |h_0| that is trusted; None: the square root of the dtype's
                precision, half of the digits. A backward that finds more raises HLError and gives no gradient.
    keep        the activations of so many last blocks are stored, so that backward need not run these again. 1 costs
                no peak: backward begins by making just those activations, where they were not kept. 0 stores none.

    After a backward `drift` is what was found; it is about the relative error of the gradient. What is stored does not
    grow with depth: three states, and the activations of `keep` blocks. BatchNorm counts a batch once; dropout repeats
    its draw from one seed per pass; a block that changes its input in place, or draws random numbers by itself, is
    refused.
    """

    drift: float | None = None

    def __init__(
        self, blocks: Iterable[torch.nn.Module], tau: float, variant: str = "midpoint",
        tolerance: float | None = None, keep: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.blocks = listed("Reversible block", blocks, "write [block] * depth", first=0)
        self.tau = number("Reversible tau", tau, positive=True)
        self.variant = known("Reversible variant", variant, VARIANTS)
        self.tolerance = None if tolerance is None else number("Reversible tolerance", tolerance, positive=True)
        self.keep = whole("Reversible keep", keep, least=0)
        self._coupling = Coupling(variant, 2 * self.tau if variant == MIDPOINT else self.tau**2)
        self._random = [m for m in self.modules() if isinstance(m, RANDOM)]

    def forward(self, h: Tensor) -> Tensor:
        """h_K from h_0 = h, with a backward that stores three states and the activations of `keep` blocks."""
        if not torch.is_grad_enabled():
            return self.stored(h)
        if torch.is_autocast_enabled(h.device.type if isinstance(h, Tensor) else "cpu"):
            raise bad("Reversible", "autocast", "full precision", "so few digits cannot be walked back: leave "
                      "the autocast region, or use `stored`, which keeps the activations")  # fmt: skip
        weights = [[p for p in block.parameters() if p.requires_grad] for block in self.blocks]
        unique = {id(p): p for own in weights for p in own}
        return WalkBack.apply(_checked(h), self._walk(), self.keep, self._trust, weights, *unique.values())

    def stored(self, h: Tensor) -> Tensor:
        """The same h_K by ordinary autograd, which stores the activations of every block: for comparison."""
        return self._walk().up(_checked(h))[1]

    def walk_back(self, h: Tensor) -> float:
        """The drift |h_0 walked back - h_0| / |h_0| after a pass from h and back; nothing else moves."""
        with torch.no_grad(), preserved(self):
            walk = self._walk()
            second, found = walk.down(*walk.up(_checked(h)))
        return drift(h, found, second)

    def trusted(self, dtype: torch.dtype) -> float:
        """The largest drift that is trusted."""
        return torch.finfo(dtype).eps ** 0.5 if self.tolerance is None else self.tolerance

    def extra_repr(self) -> str:
        """Shown by print."""
        return f"tau={self.tau}, variant={self.variant!r}, keep={self.keep}"

    def _walk(self) -> Walk:
        return Walk(self.blocks, self._coupling, self._random)

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


def _checked(h: Any) -> Tensor:
    if not isinstance(h, Tensor) or h.dtype not in (torch.float32, torch.float64):
        got = str(h.dtype) if isinstance(h, Tensor) else type(h).__name__
        raise bad("Reversible input", got, "a tensor of float32 or float64", "fewer digits cannot walk back")
    return h


def is_reversible(
    module: torch.nn.Module, shape: Sequence[int], tau: float = 0.1, depth: int = 256, variant: str = "midpoint"
) -> bool:
    """Can a chain of `depth` blocks like `module` be walked back from a random h of `shape` (batch first)?

    A `Reversible` is asked with its own blocks, tau, variant and tolerance. The answer holds for the weights as they
    are and states of the size of a normal draw; `Reversible.walk_back(h)` tells the drift itself.
    """
    chain = module if isinstance(module, Reversible) else Reversible([module] * whole("depth", depth), tau, variant)
    sizes = tuple(whole("shape", n) for n in kind("shape", shape, Sequence, "sizes, batch first"))
    like = next(chain.parameters(), torch.empty(0))
    try:
        h = torch.randn(sizes, generator=torch.Generator().manual_seed(0), dtype=like.dtype).to(like.device)
        return chain.walk_back(h) <= chain.trusted(h.dtype)
    except HLError:
        return False
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        text = str(error).splitlines()[0]
        raise HLError(f"is_reversible: got shape {sizes}, expected one the block takes; it says: {text}.") from error
