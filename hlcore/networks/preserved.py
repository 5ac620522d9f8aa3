"""Looking at a network without leaving a trace in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def buffers_of(module: torch.nn.Module) -> list[Any]:
    """(where it is held, its name, itself, a copy) of every buffer, for `put_back`."""
    return [
        (m._buffers, name, buffer, buffer.detach().clone())
        for m in module.modules()
        for name, buffer in m._buffers.items()
        if buffer is not None
    ]


def copied(buffers: Sequence[Tensor]) -> list[Tensor]:
    """Copies; on a GPU one launch for all of a dtype."""
    if all(x.is_cpu for x in buffers):
        return [x.detach().clone() for x in buffers]
    found = [torch.empty_like(x) for x in buffers]
    with torch.no_grad():
        for kind in {x.dtype for x in buffers}:
            ours = [k for k, x in enumerate(buffers) if x.dtype == kind]
            torch._foreach_copy_([found[k] for k in ours], [buffers[k] for k in ours])
    return found


def generators(module: torch.nn.Module) -> dict[str, Tensor]:
    """The states of torch's generators: {"cpu": ...}, and "gpu" where the module's weights are on one."""
    gpu = _gpu(module)
    return {"cpu": torch.get_rng_state()} | ({} if gpu is None else {"gpu": torch.cuda.get_rng_state(gpu)})


def rewind(states: Mapping[str, Tensor], module: torch.nn.Module) -> None:
    """torch's generators as `generators` found them."""
    torch.set_rng_state(states["cpu"])
    gpu = _gpu(module)
    if gpu is not None and "gpu" in states:
        torch.cuda.set_rng_state(states["gpu"], gpu)


def _gpu(module: torch.nn.Module) -> torch.device | None:
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    return device if device.type == "cuda" else None


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
