"""A point of phase space: where a learner is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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

    def clone(self) -> PhasePoint:
        """A copy that later steps do not touch."""
        parts = (self.h, self.theta, self.z, self.omega)
        return PhasePoint(self.t, *({name: x.detach().clone() for name, x in part.items()} for part in parts))
