"""Where a run was, every so often: how one goes back in time without beginning again."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from torch import Tensor

from ..law.point import PhasePoint
from ..law.settings import Settings
from ..learners.hamiltonian import Learner

EVERY, KEPT = 500, 40  # steps between two moments; moments kept


class Moment(NamedTuple):
    """All that the next steps depend on."""

    steps: int
    settings: Settings
    point: PhasePoint
    network: dict[str, Tensor]
    memory: dict[str, Any]
    generator: Tensor

    def restore(self, learner: Learner) -> None:
        """Put the learner there."""
        learner.network.load_state_dict(self.network)
        learner.settings = self.settings
        point = self.point.clone()
        learner.resume(self.memory, point.h, point.z, point.omega)


class Past:
    """The last moments of a run."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=KEPT)

    def keep(self, learner: Learner, generator: Tensor) -> None:
        """Remember this moment."""
        network = {name: x.detach().clone() for name, x in learner.network.state_dict().items()}
        moment = (learner.steps, learner.settings, learner.point.clone(), network, learner.memory(), generator.clone())
        self._moments.append(Moment(*moment))

    def before(self, steps: int) -> Moment | None:
        """The latest moment that is not after `steps`; what is later is forgotten."""
        while self._moments and self._moments[-1].steps > steps:
            self._moments.pop()
        return self._moments[-1] if self._moments else None
