"""The one derivative: torch.autograd.grad without its checks, which cost a sixth of a small network's step."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor


def differentiate(
    terms: Sequence[Tensor], factors: Sequence[Tensor], wrt: Sequence[Tensor], keep: bool
) -> Sequence[Tensor | None]:
    """∂(Σ factor·term)/∂x for each x in wrt, None where nothing depends on it; keep: the graph stays for another."""
    engine = _engine()
    if engine is None:
        return torch.autograd.grad(terms, wrt, factors, retain_graph=keep, allow_unused=True)
    return engine(tuple(terms), tuple(factors), keep, False, tuple(wrt), True, accumulate_grad=False)


@cache
def _engine() -> Any:
    """What torch.autograd.grad calls in the end, if this torch has it and it takes what we give; else None.

    Tried when it is first needed: autograd counts the devices when it first runs.
    """
    engine: Any = getattr(getattr(torch.autograd.Variable, "_execution_engine", None), "run_backward", None)
    x = torch.ones((), requires_grad=True)
    try:
        (slope,) = engine((3 * x,), (torch.ones(()),), False, False, (x,), True, accumulate_grad=False)
        return engine if float(slope) == 3.0 else None
    except (TypeError, RuntimeError, ValueError):
        return None


def transforming() -> bool:
    """Whether vmap, jvp or another of torch.func's transforms is at work: then no Function of one's own."""
    active = getattr(torch._C, "_are_functorch_transforms_active", None)
    return active is None or bool(active())
