"""A point of phase space, where a learner is, and what a step reports."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from torch import Tensor

Tensors: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class PhasePoint:
    """Time t, state (h, θ) and costate (z, ω); each of the four is {name: tensor}.

    The tensors of `learner.point` are live: read the point again after a step, or keep a `clone`.
    """

    t: float
    h: Tensors
    theta: Tensors
    z: Tensors
    omega: Tensors

    def clone(self) -> "PhasePoint":
        """A copy that later steps do not touch."""
        parts = (self.h, self.theta, self.z, self.omega)
        return PhasePoint(self.t, *({name: x.detach().clone() for name, x in part.items()} for part in parts))


class Report(NamedTuple):
    """What a step says: the time it reached, L and H' where its order evaluates them, the output (the caller's own)."""

    t: float
    loss: float
    hamiltonian: float
    output: Tensor
