"""Where a rank stands: which stage of which replica of the chain."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..errors import bad
from ..law.sample import Sample


@dataclass(frozen=True)
class Rank:
    """Number `replica * stages + stage`: its neighbours in the chain, and its twins in the other replicas."""

    number: int
    world: int
    replicas: int = 1

    def __post_init__(self) -> None:
        if self.world % self.replicas:
            raise bad("replicas", f"{self.replicas} of {self.world} ranks", "a number that divides the ranks")

    @property
    def stages(self) -> int:
        """Ranks per replica."""
        return self.world // self.replicas

    @property
    def stage(self) -> int:
        """Which part of the chain."""
        return self.number % self.stages

    @property
    def replica(self) -> int:
        """Which copy of the chain."""
        return self.number // self.stages

    @property
    def below(self) -> int | None:
        """The rank of the groups below; None on the first."""
        return self.number - 1 if self.stage else None

    @property
    def above(self) -> int | None:
        """The rank of the groups above; None on the last."""
        return self.number + 1 if self.stage + 1 < self.stages else None

    @property
    def twins(self) -> list[int]:
        """The ranks with the same groups, this one too, in the order of replicas."""
        return list(range(self.stage, self.world, self.stages))

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
