"""Small arrays without torch's overhead: formulas written once, for numpy and for torch.

A call of numpy takes a quarter of one of torch, which is what counts where a network is small. So closed forms
(`law/closed_form.py`) are written in what the two libraries share, with `xp` for either: +, @, x[i], x.sum(axis), x.T,
xp.cos, xp.concatenate.
"""

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Arrays: TypeAlias = dict[str, Any]  # of numpy or torch, by name
SMALL = 1 << 16  # entries; beyond, torch's threads and vector units win


def arrays(*tensors: Tensor) -> tuple[Any, ...]:
    """(xp, *arrays) in the tensors' own memory: numpy's where all are small and on the CPU, else torch's."""
    for x in tensors:
        if not x.is_cpu or x.numel() > SMALL:
            return torch, *[x.detach() for x in tensors]
    return np, *[(x.detach() if x.requires_grad else x).numpy() for x in tensors]


def tensor(x: Any) -> Tensor:
    """The array as a tensor, in the same memory."""
    return x if isinstance(x, Tensor) else torch.from_numpy(x)


def scalar(x: Any) -> float:
    """A number: that of a tensor of one element, without its graph, or what is one already."""
    return x.item() if isinstance(x, Tensor) else float(x)


def tensors(x: Arrays) -> dict[str, Tensor]:
    """Named arrays as tensors."""
    return {name: part if isinstance(part, Tensor) else torch.from_numpy(part) for name, part in x.items()}


def owned(y: Any, state: Arrays) -> Tensor:
    """An output as a tensor of its own: a copy where it may be a part of the state or of what it was made of."""
    if isinstance(y, Tensor):
        fresh = y.grad_fn is not None and y._base is None
        return y.detach() if fresh else y.detach().clone()
    fresh = y.base is None and all(y is not x for x in state.values())
    return torch.from_numpy(y if fresh else y.copy())


def moved(h: Arrays, v: Arrays, tau: Any) -> Arrays:
    """h⁺ = h + τ v, for all components: a step of E*1; a component None is zero."""
    return {name: tau * v[name] if x is None else x + tau * v[name] for name, x in h.items()}


def axpy(a: Any, x: Any, b: Any, y: Any) -> Any:
    """a x + b y; y = None counts as zero."""
    if y is None:
        return a * x
    return torch.add(a * x, y, alpha=b) if isinstance(x, Tensor) and isinstance(b, float) else a * x + b * y


def less(x: Tensor, a: Any, y: Tensor) -> Tensor:
    """x - a y."""
    return torch.addcmul(x, y, a, value=-1) if isinstance(a, Tensor) else torch.sub(x, y, alpha=a)


def plus(x: Any, y: Any) -> Any:
    """x + y; None counts as zero."""
    return y if x is None else x if y is None else x + y


def zeros(like: Any, *shape: int) -> Any:
    """Zeros of the array's kind."""
    return like.new_zeros(shape) if isinstance(like, Tensor) else np.zeros(shape, like.dtype)


def outer(a: Any, b: Any) -> Any:
    """Σ a_i b_j over the batch: (i, j) from (batch, i) and (batch, j)."""
    return a.T * b if len(a) == 1 else a.T @ b


def total(x: Any) -> Any:
    """Σ over the batch: (i,) from (batch, i)."""
    return x[0] if len(x) == 1 else x.sum(0)


def numbered(x: Any) -> Any:
    """0 … n - 1, of the rows of x."""
    return torch.arange(len(x), device=x.device) if isinstance(x, Tensor) else range(len(x))


def row_max(x: Any) -> Any:
    """The largest entry of each row, (batch, 1)."""
    return x.amax(1, keepdim=True) if isinstance(x, Tensor) else x.max(1, keepdims=True)


def softmax(xp: Any, x: Any) -> Any:
    """e^x over the sum of its row, (batch, i)."""
    e = xp.exp(x - row_max(x))
    return e / e.sum(1)[:, None]


def scatter_rows(k: Any, x: Any, n: int) -> Any:
    """Σ over the batch of x_b in row k_b: (n, j) from (batch,) and (batch, j)."""
    if len(k) == 1:
        rows = zeros(x, n, x.shape[1])
        rows[k] = x
        return rows
    chosen = zeros(x, len(k), n)
    chosen[numbered(k), k] = 1
    return chosen.T @ x


@np.errstate(over="ignore", invalid="ignore")
def not_finite(named: dict[str, Tensor]) -> str | None:
    """Name of the first tensor with an entry that is inf or nan, or None."""
    there = [x.detach() for x in named.values() if not x.is_cpu]
    if len(there) > 1 and len(there) == len(named):  # one wait for the device, not one a tensor
        total = float(torch.stack([x.sum().double() for x in there]).sum())
        if total - total == 0.0:
            return None
    for name, x in named.items():
        light = x.is_cpu and not x.requires_grad and x.dtype is not torch.bfloat16  # which numpy does not know
        total = float(x.numpy().sum() if light else x.sum())
        if total - total != 0.0 and not bool(torch.isfinite(x).all()):
            return name
    return None
