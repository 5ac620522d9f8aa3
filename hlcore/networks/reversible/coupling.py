"""One pass through a chain of blocks: up by a two-step rule, and back by the same rule."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from ...errors import HLError, bad
from ..preserved import buffers_of, put_back

Pair: TypeAlias = tuple[Tensor, Tensor]  # (m_k, h_k), or their costates

MIDPOINT, LEAPFROG = "midpoint", "leapfrog"
RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU)  # every dropout of torch is of the first kind


class Coupling(NamedTuple):
    """Both rules are one coupling of h with a memory m: first m⁺ = m + c f(h), then

    midpoint   (m, h)⁺ = (h, m⁺), c = 2τ: m_k is h_{k-1}, m_0 = h_0
    leapfrog   (m, h)⁺ = (m⁺, h + m⁺), c = τ²: m_k is h_k - h_{k-1}, m_0 = 0

    The first step takes c/2.
    """

    rule: str
    c: float

    def start(self, h: Tensor) -> Tensor:
        """m_0 of h_0."""
        return h if self.rule == MIDPOINT else torch.zeros_like(h)

    def forth(self, m: Tensor, h: Tensor) -> Pair:
        """(m, h)⁺ of (m⁺, h)."""
        return (h, m) if self.rule == MIDPOINT else (m, h + m)

    def back(self, m: Tensor, h: Tensor) -> Pair:
        """(m⁺, h) of (m, h)⁺."""
        return (h, m) if self.rule == MIDPOINT else (m, h - m)

    def costate_back(self, dm: Tensor, dh: Tensor) -> Pair:
        """The costates of (m⁺, h) from those of (m, h)⁺: the transpose of `forth`."""
        return (dh, dm) if self.rule == MIDPOINT else (dm + dh, dh)

    def costate_start(self, dm: Tensor, dh: Tensor) -> Tensor:
        """The costate of h_0 alone from that of (m_0, h_0): the transpose of `start`."""
        return dh + dm if self.rule == MIDPOINT else dh


class Walk:
    """One pass of h through `blocks`; it knows the draw of the dropout layers, so that a block can be run again.

    kept    {k: (h_k, f_k(h_k))} for blocks whose graph is still there
    before  {k: buffers} as they were before block k ran, for blocks that move some: the output may depend on them
    """

    def __init__(self, blocks: nn.ModuleList, coupling: Coupling, random: Iterable[nn.Module]) -> None:
        self.blocks, self.coupling = blocks, coupling
        self.seed = int(torch.randint(2**62, ())) if any(m.training for m in random) else None
        self.kept: dict[int, Pair] = {}
        self.before: dict[int, list[Any]] = {}

    def up(self, h: Tensor, keep: int = 0) -> Pair:
        """(m_K, h_K) of h_0 = h; the graphs of the last `keep` blocks are kept aside."""
        if self.seed is not None:
            with torch.random.fork_rng(devices=[h.device] if h.is_cuda else []):
                return self._steps(h, keep)
        before = _generator(h)
        found = self._steps(h, keep)
        if not torch.equal(_generator(h), before):
            raise HLError(
                "Reversible: got blocks that draw random numbers by themselves, expected deterministic ones or torch's "
                "dropout layers: a backward cannot repeat the draw; use torch.nn.Dropout."
            )
        return found

    def _steps(self, h: Tensor, keep: int) -> Pair:
        m, c = self.coupling.start(h), self.coupling.c / 2
        for k, block in enumerate(self.blocks):
            version, buffers = None if h.is_inference() else h._version, buffers_of(block)
            if k < len(self.blocks) - keep:
                f = self.run(k, h)
            else:
                self.kept[k] = self.linked(k, h)
                f = self.kept[k][1].detach()
            if any(d[name] is not b or not torch.equal(b, copy) for d, name, b, copy in buffers):
                self.before[k] = buffers
            if version is not None and h._version != version:
                raise _in_place(k, block)
            if f.shape != h.shape:
                raise bad(f"Reversible block {k}", f"an output {tuple(f.shape)}", f"h's shape {tuple(h.shape)}")
            m, h = self.coupling.forth(torch.add(m, f, alpha=c), h)
            c = self.coupling.c
        return m, h

    def down(self, m: Tensor, h: Tensor) -> Pair:
        """(m_1, h_0) of (m_K, h_K), without gradients."""
        for k in range(len(self.blocks) - 1, 0, -1):
            m, h = self.coupling.back(m, h)
            m = m.sub(self.run(k, h), alpha=self.coupling.c)
        return self.coupling.back(m, h)

    def run(self, k: int, h: Tensor) -> Tensor:
        """f_k(h), with the same draw and the same buffers every time."""
        put_back(self.before.get(k, ()))
        if self.seed is not None:
            torch.manual_seed((self.seed + k) % 2**63)
        return self.blocks[k](h)

    def linked(self, k: int, h: Tensor) -> Pair:
        """(h, f_k(h)) with the graph between them, and nothing before: the one that was kept, once, or a new one."""
        if k in self.kept:
            return self.kept.pop(k)
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            try:
                return h, self.run(k, h)
            except RuntimeError as error:
                if "a leaf Variable" in str(error):
                    raise _in_place(k, self.blocks[k]) from error
                raise


def drift(first: Tensor, found: Tensor, second: Tensor) -> float:
    """|found - h_0| / |h_0|, or / |m_1| where that is larger (an input of zeros), by the largest entry."""
    error, scale = largest(found - first), max(largest(first), largest(second))
    return error / scale if scale > 0 else error


def largest(x: Tensor) -> float:
    """max |x|, nan if there is one; without a copy of x."""
    low, high = torch.aminmax(x)
    return float(torch.maximum(-low, high))


def _generator(h: Tensor) -> Tensor:
    return torch.cuda.get_rng_state(h.device) if h.is_cuda else torch.get_rng_state()


def _in_place(k: int, block: nn.Module) -> HLError:
    return HLError(
        f"Reversible: got block {k} ({type(block).__name__}) that changes its input in place, expected one "
        "that leaves it as it is: the chain still needs it; begin the block without inplace=True."
    )
