"""One step of a field F along one vector: x⁺ = x + τ Σ b_i F(x + τ Σ a_ij F_j)."""

from collections.abc import Callable

import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]
EXPLICIT: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]] = {  # (a_ij of the later stages, b_i)
    "euler": ((), (1.0,)),
    "midpoint": (((0.5,),), (0.0, 1.0)),
    "heun": (((1.0,),), (0.5, 0.5)),
    "rk4": (((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}
ORDERS = ("euler", "semi-implicit", "midpoint", "heun", "rk4", "implicit")
SWEEPS = 60  # of the implicit rule's fixed-point iteration
CLOSE = 1e-14  # where it ends, relative to x


def stride(field: Field, x: Tensor, first: Tensor, tau: float, order: str, half: int) -> Tensor:
    """(x⁺ - x)/τ, with first = F(x) known; tau may be negative.

    euler, midpoint, heun, rk4   orders 1, 2, 2, 4
    semi-implicit                x[:half] first, then the rest where it moved to: states and weights, then costates
    implicit                     x⁺ = x + τ F(x⁺), by fixed-point iteration from Euler's x⁺
    """
    if order == "semi-implicit":
        moved = x.clone()
        moved[:half] += tau * first[:half]
        return torch.cat([first[:half], field(moved)[half:]])
    if order == "implicit":
        F = first
        for _ in range(SWEEPS):
            F, before = field(x + tau * F), F
            if not float((F - before).abs().max()) * abs(tau) > CLOSE * (1 + float(x.abs().max())):
                break
        return F
    stages, shares = EXPLICIT[order]
    found = [first]
    for row in stages:
        found.append(field(x + tau * sum(a * F for a, F in zip(row, found, strict=True) if a)))
    return sum((b * F for b, F in zip(shares, found, strict=True) if b), torch.zeros_like(x))
