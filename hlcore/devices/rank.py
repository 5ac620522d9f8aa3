"""Where a rank stands: which stage of which replica of the chain."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from ..errors import bad
from ..law.sample import Sample


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
