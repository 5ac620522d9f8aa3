"""Looking at a network without leaving a trace in it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def buffers_of(module: torch.nn.Module) -> list[Any]:
    """(where it is held, its name, itself, a copy) of every buffer, for `put_back`."""
    return [
        (m._buffers, name, buffer, buffer.detach().clone())
        for m in module.modules()
        for name, buffer in m._buffers.items()
        if buffer is not None
    ]


def put_back(buffers: Iterable[Any]) -> None:
    """Buffers as they were: also where a forward has put a new tensor in the place of an old one."""
    with torch.no_grad():
        for held, name, buffer, copy in buffers:
            held[name] = buffer
            buffer.copy_(copy)


@contextmanager
def preserved(module: torch.nn.Module) -> Iterator[None]:
    """Inside, `module` may run as it likes; on leaving, its buffers and torch's generators are as they were before.

    So a look (a dry pass for shapes, a gradient that moves nothing) leaves BatchNorm's statistics alone and dropout's
    next draw the same.
    """
    kept = buffers_of(module)
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        put_back(kept)
