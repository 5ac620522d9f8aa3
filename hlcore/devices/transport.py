"""How a tensor gets from rank to rank: straight by gloo, staged in CPU memory, or in nccl's groups."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Letter:
    """One message that gloo carries, in the tensor itself or in a copy of it in CPU memory."""

    def __init__(self, work: Any, peer: int, held: Tensor, into: Tensor | None = None) -> None:
        self.work, self.peers, self.held, self.into = work, [peer], held, into

    def wait(self, timeout: timedelta) -> None:
        """Return when it has left or is there; RuntimeError when it does not come."""
        self.work.wait(timeout)
        if self.into is not None:
            self.into.copy_(self.held)


class Batch:
    """The messages that nccl carries as one group, begun when the first of them is awaited.

    A send of nccl may wait on the GPU for its receive, and what one rank gives to one neighbour goes in order: a
    receive that stands before a send on both sides would wait for ever. In one group there is no order.
    """

    def __init__(self) -> None:
        self.peers: list[int] = []
        self.works: Sequence[Any] | None = None
        self._parts: list[dist.P2POp] = []

    def add(self, direction: Callable[..., Any], tensor: Tensor, peer: int) -> None:
        self._parts.append(dist.P2POp(direction, tensor, peer))
        self.peers.append(peer)

    def wait(self, timeout: timedelta) -> None:
        """Return when all of them are there; RuntimeError when one does not come."""
        if self.works is None:
            self.works = dist.batch_isend_irecv(self._parts)
        finish(self.works, timeout)


Parcel = Letter | Batch


class Carrier:
    """Takes messages; whoever awaits what it returns has them.

    With nccl, tensors on a GPU go by it; without, they are staged, as gloo reads CPU memory alone.
    staged  so are all others
    """

    def __init__(self, staged: bool = False) -> None:
        self.nccl, self.staged = False, staged
        self._batch = Batch()

    def send(self, tensor: Tensor, to: int) -> Parcel:
        return self._carry(dist.isend, tensor, to, into=None)

    def receive(self, space: Tensor, source: int) -> Parcel:
        """Begin to receive into `space`, which has it after `wait`."""
        return self._carry(dist.irecv, space, source, into=space)

    def open(self, backend: str, store: dist.Store, rank: int, world: int, device: torch.device, most: float) -> None:
        """Connect all ranks in `most` seconds."""
        self.nccl, timeout = "nccl" in backend, timedelta(seconds=most)
        if self.nccl:  # or its watchdog ends the process before anyone is told
            os.environ["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = "0"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timeout)
        if self.nccl:  # its first message must be one of all ranks
            finish([dist.all_reduce(torch.zeros(1, device=device), async_op=True)], timeout)

    def abort(self) -> None:
        """End what nccl still waits for, so that this process can end."""
        if self.nccl and dist.is_initialized():
            with suppress(RuntimeError, AttributeError):  # the fault itself is what must be told
                dist.group.WORLD._get_backend(torch.device("cuda")).abort()  # type: ignore[union-attr]

    def _carry(self, direction: Callable[..., Any], tensor: Tensor, peer: int, into: Tensor | None) -> Parcel:
        if self.nccl and tensor.is_cuda:
            if self._batch.works is not None:
                self._batch = Batch()
            self._batch.add(direction, tensor, peer)
            return self._batch
        if not self.staged and tensor.device.type == "cpu":
            return Letter(direction(tensor, peer), peer, tensor)
        held = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)  # a GPU can reach it by itself
        if into is None:
            held.copy_(tensor.detach())  # waits for the GPU to have made it
        return Letter(direction(held, peer), peer, held, into)


def finish(works: Sequence[Any], timeout: timedelta) -> None:
    """Wait until nccl is done, here and not only in the GPU's stream; RuntimeError after `timeout` or its own."""
    end = time.monotonic() + timeout.total_seconds()
    while not all(work.is_completed() for work in works):
        if time.monotonic() > end:
            raise RuntimeError(f"nccl: got no message in {timeout.total_seconds():g} s")
        time.sleep(0)  # a tick lasts less than the millisecond that `wait` would sleep
    for work in works:
        work.wait(timeout)  # over: puts it before what this stream does next, and raises what went wrong
