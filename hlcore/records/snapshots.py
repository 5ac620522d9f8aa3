"""Where a run was, every so often: how one goes back in time without beginning again."""

import copy
from collections import deque
from typing import Any, NamedTuple

from torch import Tensor

from ..declared import BaseSettings
from ..law.point import Tensors

EVERY, KEPT = 500, 40  # steps between two snapshots of a history; snapshots kept


class Snapshot(NamedTuple):
    """All that the next steps of a learner depend on; it shares no memory with the learner.

    learner   its name on the list of learners     order, options  how it was built
    network   every weight, frozen ones too, and every buffer, non-persistent ones too
    training  of each module
    h, z      None: at the start of a sequence; zero
    reached   h and z as the last step left them
    memory    what else a learner carries from step to step: nested dicts and lists of numbers, texts and tensors
    """

    learner: str
    order: str
    options: dict[str, Any]
    settings: BaseSettings
    t: float
    steps: int
    network: Tensors
    training: dict[str, bool]
    omega: Tensors
    h: Tensors | None
    z: Tensors | None
    reached: tuple[Tensors, Tensors]
    memory: dict[str, Any]


class Moment(NamedTuple):
    """A snapshot, torch's generator and the state of the stream at that step."""

    snapshot: Snapshot
    generator: Tensor
    stream: Any


class History:
    """The last moments of a run."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=KEPT)

    def keep(self, snapshot: Snapshot, generator: Tensor, stream: Any) -> None:
        self._moments.append(Moment(snapshot, generator.clone(), copy.deepcopy(stream)))

    def before(self, steps: int) -> Moment | None:
        """The latest moment that is not after `steps`; what is later is forgotten."""
        while self._moments and self._moments[-1].snapshot.steps > steps:
            self._moments.pop()
        return self._moments[-1] if self._moments else None
