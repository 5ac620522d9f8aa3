"""How much autograd keeps for the way back."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def saved_bytes(function: Callable[..., Any], *inputs: Any, besides: Any = ()) -> int:
    """Bytes of activations that autograd saves while function(*inputs) runs; each storage counts once.

    besides   tensors that are there anyway, as module.parameters(): their storages do not count
    Counted by torch.autograd.graph.saved_tensors_hooks, so the figure is exact and the same every time.
    """
    there = {x.untyped_storage().data_ptr() for x in besides}
    kept: dict[int, torch.UntypedStorage] = {}  # the storages are held, so that no address comes twice

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in there:
            kept[storage.data_ptr()] = storage
        return x

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        result = function(*inputs)
    del result
    return sum(storage.nbytes() for storage in kept.values())
