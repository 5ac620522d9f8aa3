"""Where a rank stands in the chain, and where it computes: on the processor, or on a GPU of its own or shared."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, known
from ..law.sample import Sample

CPU = torch.device("cpu")


class Rank:
    """Number `replica * stages + stage`: its neighbours in the chain, and its twins in the other replicas.

    stages        ranks per replica
    below, above  the ranks of the groups there; None at the ends of the chain
    twins         the ranks with the same groups, this one too, in the order of replicas
    """

    def __init__(self, number: int, world: int, replicas: int = 1) -> None:
        if world % replicas:
            raise bad("replicas", f"{replicas} of {world} ranks", "a number that divides the ranks")
        self.replicas, self.stages = replicas, world // replicas
        self.replica, self.stage = divmod(number, self.stages)
        self.below = number - 1 if self.stage else None
        self.above = number + 1 if self.stage + 1 < self.stages else None
        self.twins = list(range(self.stage, world, self.stages))

    def share(self, x: Any) -> Any:
        """This replica's rows of a batch."""
        if self.replicas == 1 or x is None:
            return x
        if isinstance(x, tuple):
            return tuple(self.share(part) for part in x)
        if isinstance(x, Sample):
            return replace(x, u=self.share(x.u), target=self.share(x.target))
        if not isinstance(x, Tensor) or not x.dim() or len(x) % self.replicas:
            got = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise bad("batch for replicas", got, f"rows that {self.replicas} replicas can share evenly")
        rows = len(x) // self.replicas
        return x[self.replica * rows : (self.replica + 1) * rows]


def chosen(name: str, rank: int) -> torch.device:
    """The device of a rank; HLError where this machine has none of that kind."""
    return KINDS[known("device", name, KINDS)](rank)


def card(device: torch.device) -> str | None:
    """Which GPU this is, among all of all hosts; None on the processor."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None


def backend(cards: Sequence[str | None], nccl: bool) -> str:
    """What carries messages between the ranks on these cards.

    nccl refuses two ranks on one GPU; so it is used where each rank has a GPU of its own, for tensors on it, beside
    gloo for the rest. Otherwise gloo carries all, and what lies on a GPU is staged in CPU memory.
    """
    apart = None not in cards and len(set(cards)) == len(cards)
    return "cpu:gloo,cuda:nccl" if nccl and apart else "gloo"


def settle(device: torch.device) -> None:
    """Wait until a GPU has done all it was given, so that a clock read now tells of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _gpu(rank: int) -> torch.device:
    """GPU number LOCAL_RANK (torchrun's and `Workers`' number of a rank on its host); too few are shared in turn."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        got = f"'cuda' where torch {torch.__version__} finds no GPU"
        mend = "take device='cpu', or install the driver and a torch built for CUDA"
        raise bad(f"device of rank {rank}", got, "at least one that CUDA can use", mend)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", rank)) % count)
    torch.cuda.set_device(device)  # nccl takes the current one
    return device


KINDS: dict[str, Callable[[int], torch.device]] = {"cpu": lambda rank: CPU, "cuda": _gpu}
