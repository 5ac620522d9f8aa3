"""Race of ways not to store activations: python -m tests.benchmarks.reversible [width batch [depths …]].

Every way is measured against plain autograd of its own network in the same run: a midpoint chain for Reversible and
torch.utils.checkpoint, additive couplings for revtorch and memcnn, an ODE of one block for torchdiffeq's adjoint.
Each computes `depth` blocks f = tanh((W - Wᵀ)h + b) of one width. Reversible stores its last block; checkpoints are
raced as they are, every part computed twice, and with the last part stored, as torch's checkpoint_sequential does. A
package that is not installed is left out aloud: pip install --no-deps revtorch memcnn torchdiffeq, in an environment
of its own, brings all three.
"""

import gc
import math
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hlcore import Reversible

TAU = 0.02


class Skew(nn.Module):
    """f = tanh((W - Wᵀ)h + b)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(n, n) / n**0.5), nn.Parameter(torch.randn(n) / 10)

    def forward(self, h: Tensor) -> Tensor:
        return torch.tanh(torch.addmm(self.b, h, self.w - self.w.T))


class Scaled(Skew):
    """τ f, for couplings that have no step of their own."""

    def forward(self, h: Tensor) -> Tensor:
        return TAU * super().forward(h)


class Way(NamedTuple):
    """One entrant: its function h -> h_K, plain autograd's of the same network, the weights, how many h it holds."""

    function: Callable[[Tensor], Tensor]
    plain: Callable[[Tensor], Tensor]
    weights: list[Tensor]
    states: int = 1


def reversible(depth: int, n: int, **options: Any) -> Way:
    chain = Reversible([Skew(n) for _ in range(depth)], TAU, **options)
    return Way(chain, chain.stored, list(chain.parameters()))


def parted(depth: int, n: int, parts: int, store_last: bool = False) -> Way:
    """The same midpoint chain, cut into parts that torch.utils.checkpoint computes, or all of them but the last."""
    chain = Reversible([Skew(n) for _ in range(depth)], TAU)
    cuts = [round(i * depth / parts) for i in range(parts + 1)]

    def part(m: Tensor, h: Tensor, begin: int, end: int) -> tuple[Tensor, Tensor]:
        for k in range(begin, end):
            gain = TAU if k == 0 else 2 * TAU
            m, h = h, torch.add(m, chain.blocks[k](h), alpha=gain)
        return m, h

    def whole(h: Tensor) -> Tensor:
        m = h
        for begin, end in pairwise(cuts):
            if store_last and end == depth:
                m, h = part(m, h, begin, end)
            else:
                m, h = checkpoint(part, m, h, begin, end, use_reentrant=False)
        return h

    return Way(whole, chain.stored, list(chain.parameters()))


def revtorch(depth: int, n: int) -> Way:
    from revtorch import ReversibleBlock, ReversibleSequence

    pairs = nn.ModuleList(ReversibleBlock(Scaled(n), Scaled(n)) for _ in range(depth // 2))

    def plain(x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        for pair in pairs:
            a = a + pair.f_block(b)
            b = b + pair.g_block(a)
        return torch.cat([a, b], 1)

    return Way(ReversibleSequence(pairs), plain, list(pairs.parameters()), states=2)


def memcnn(depth: int, n: int) -> Way:
    from memcnn import AdditiveCoupling, InvertibleModuleWrapper

    wrapped = nn.Sequential(
        *(InvertibleModuleWrapper(AdditiveCoupling(Scaled(n), Scaled(n))) for _ in range(depth // 2))
    )

    def plain(x: Tensor) -> Tensor:
        for module in wrapped:
            x = module._fn(x)
        return x

    return Way(lambda x: wrapped(x.clone()), plain, list(wrapped.parameters()), states=2)


def adjoint(depth: int, n: int) -> Way:
    from torchdiffeq import odeint, odeint_adjoint

    class Field(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Skew(n)

        def forward(self, t: Tensor, h: Tensor) -> Tensor:
            return self.block(h)

    field, t = Field(), torch.linspace(0, TAU * depth, depth // 2 + 1)[[0, -1]]
    options = {"method": "midpoint", "options": {"step_size": 2 * TAU}}
    return Way(
        lambda h: odeint_adjoint(field, h, t.to(h.dtype), **options)[-1],
        lambda h: odeint(field, h, t.to(h.dtype), **options)[-1],
        list(field.parameters()),
    )


WAYS: dict[str, Callable[[int, int], Way]] = {
    "Reversible": reversible,
    "Reversible, leapfrog": lambda depth, n: reversible(depth, n, variant="leapfrog"),
    "Reversible, keep=0": lambda depth, n: reversible(depth, n, keep=0),
    "checkpoint, each block": lambda depth, n: parted(depth, n, depth),
    "checkpoint, √depth parts": lambda depth, n: parted(depth, n, math.isqrt(depth)),
    "√depth parts, last one stored": lambda depth, n: parted(depth, n, math.isqrt(depth), store_last=True),
    "revtorch": revtorch,
    "memcnn": memcnn,
    "torchdiffeq adjoint": adjoint,
}
GOALS = "Reversible", "Reversible, leapfrog"  # these have to be faster than
RIVALS = "checkpoint, each block", "checkpoint, √depth parts"


def gradients(function: Callable[[Tensor], Tensor], h: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """∂/∂h and ∂/∂weights of ½|h_K|²/batch, by .backward(), which some packages insist on."""
    h = h.clone().requires_grad_()
    for p in weights:
        p.grad = None
    (function(h).square().sum() / (2 * len(h))).backward()
    return [p.grad.detach() for p in (h, *weights) if p.grad is not None]


def kept(function: Callable[[Tensor], Tensor], h: Tensor, weights: list[Tensor]) -> int:
    """Bytes alive between forward and backward beside weights, input and output: what autograd saved, and any tensor

    that a package keeps in its own objects (these do not pass saved_tensors_hooks).
    """
    h, saved = h.clone().requires_grad_(), []

    def pack(x: Tensor) -> Tensor:
        saved.append(x.untyped_storage())
        return x

    gc.freeze()  # what is there now is not looked at
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            y = function(h)
        gc.collect()
        saved += [x.untyped_storage() for x in gc.get_objects() if issubclass(type(x), Tensor)]
    finally:
        gc.unfreeze()
    there = {x.untyped_storage().data_ptr() for x in (h, y, *weights)}
    return sum(s.nbytes() for address, s in {s.data_ptr(): s for s in saved}.items() if address not in there)


def error(make: Callable[[int, int], Way], depth: int, n: int, batch: int, dtype: torch.dtype) -> float:
    """Largest difference from plain autograd's gradient, in units of its largest entry."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    way = make(depth, n)
    h = torch.randn(batch, n * way.states)
    found, truth = gradients(way.function, h, way.weights), gradients(way.plain, h, way.weights)
    worst = max(float((a - b).abs().max()) for a, b in zip(found, truth, strict=True))
    return worst / max(float(b.abs().max()) for b in truth)


def ratios_to_plain(ways: dict[str, tuple[Way, Tensor]], repeats: int) -> dict[str, float]:
    """Median over interleaved repeats of processor time / that of plain autograd just after."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, (way, h) in ways.items():
            times = []
            for function in (way.function, way.plain):
                start = time.process_time()
                gradients(function, h, way.weights)
                times.append(time.process_time() - start)
            found[name].append(times[0] / times[1])
    return {name: statistics.median(r[1:]) for name, r in found.items()}


def race(n: int, batch: int, depths: list[int], least: int = 15) -> list[str]:
    """Print the table, from at least so many repeats; returns what was missed of the goals."""
    torch.set_num_threads(1)
    entrants, missed, first_kept = dict(WAYS), [], {}
    size = batch * n * 4 / 1024
    print(f"width {n}, batch {batch}, 1 thread, torch {torch.__version__}; one state is {size:.0f} KiB in float32\n")
    print("| depth | way | kept KiB | plain keeps KiB | error float64 | error float32 | time / plain |")
    print("|--:|:--|--:|--:|--:|--:|--:|")
    for depth in depths:
        errors, ways, sizes = {}, {}, {}
        for name, make in list(entrants.items()):
            try:
                errors[name] = [error(make, depth, n, batch, dtype) for dtype in (torch.float64, torch.float32)]
            except ImportError as missing:
                print(f"\n{name} left out: {missing}\n")
                del entrants[name]
                continue
            way = make(depth, n)
            h = torch.randn(batch, n * way.states)
            sizes[name] = kept(way.function, h, way.weights), kept(way.plain, h, way.weights)
            ways[name] = way, h
        ratios = ratios_to_plain(ways, repeats=max(least, 512 // depth) if least > 1 else 1)
        for name, ratio in ratios.items():
            own, plain = sizes[name]
            cells = f"{own / 1024:.0f} | {plain / 1024:.0f} | {errors[name][0]:.1e} | {errors[name][1]:.1e}"
            print(f"| {depth} | {name} | {cells} | {ratio:.2f} |", flush=True)
        for name in GOALS:
            if sizes[name][0] > first_kept.setdefault(name, sizes[name][0]):
                missed.append(f"{name}: kept bytes grow at depth {depth}")
            if errors[name][0] > 1e-9 or errors[name][1] > 1e-4:
                missed.append(f"{name}: error {errors[name]} at depth {depth}")
            if ratios[name] > 1.5:
                missed.append(f"{name}: {ratios[name]:.2f} x plain at depth {depth}")
            if ratios[name] >= min(ratios[other] for other in RIVALS):
                missed.append(f"{name}: a checkpoint is faster at depth {depth}")
    print("\nGoals (no growth; error ≤ 1e-9 and 1e-4; time ≤ 1.5 plain and below checkpoint's):", end=" ")
    print("all met" if not missed else "missed: " + "; ".join(missed))
    return missed


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]]
    width, size = given[:2] or (256, 256)
    race(width, size, given[2:] or [8, 32, 64, 128, 256])
