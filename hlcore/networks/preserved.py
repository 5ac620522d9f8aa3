"""Looking at a network without leaving a trace in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def preserved(module: torch.nn.Module) -> Iterator[None]:
    """Inside, `module` may run as it likes; on leaving, its buffers and torch's generators are as they were before.

    So a look (a dry pass for shapes, a gradient that moves nothing) leaves BatchNorm's statistics alone and dropout's
    next draw the same.
    """
    kept = [buffer.clone() for buffer in module.buffers()]
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(module.buffers(), kept, strict=True):
                buffer.copy_(before)
