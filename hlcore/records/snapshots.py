"""Where a run was, every so often: how one goes back in time without beginning again."""

import copy
from bisect import bisect_right
from typing import Any, NamedTuple, Self

from torch import Tensor

from ..declared import BaseSettings
from ..law.point import Tensors

EVERY = 250  # steps between two moments of a history: what a jump replays at most, as long as there is room
MOST, FEWEST, ROOM = 800, 16, 1 << 27  # moments kept; bytes for them


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
    """The moments of a run, evenly spread from its first step on: where there are too many, every second one goes.

    every  steps between two of them, EVERY as long as there is room
    """

    def __init__(self, moments: list[Moment] | None = None, every: int = EVERY) -> None:
        self._moments, self.every = moments or [], every

    def keep(self, snapshot: Snapshot, generator: Tensor, stream: Any) -> None:
        """Keep this moment, if there is none as late."""
        last = self._moments[-1] if self._moments else None
        if last is not None and last.snapshot.steps >= snapshot.steps:
            return
        same = last is not None and last.generator.equal(generator)
        drawn = last.generator if same and last is not None else generator.clone()
        self._moments.append(Moment(snapshot, drawn, copy.deepcopy(stream)))
        if len(self._moments) > min(MOST, max(FEWEST, ROOM // max(1, _size(snapshot)))):
            self.every *= 2
            self._moments = [m for m in self._moments if m.snapshot.steps % self.every == 0]

    def before(self, steps: int) -> Moment:
        """The latest moment that is not after `steps`."""
        return self._moments[bisect_right(self._moments, steps, key=lambda m: m.snapshot.steps) - 1]

    def until(self, steps: int) -> Self:
        """Those that are not after `steps`, as a history of its own."""
        return type(self)([m for m in self._moments if m.snapshot.steps <= steps], self.every)


def _size(x: Any) -> int:
    """Bytes of the tensors in nested tuples, lists and dicts."""
    if isinstance(x, Tensor):
        return x.nbytes
    return sum(map(_size, x.values() if isinstance(x, dict) else x)) if isinstance(x, (dict, list, tuple)) else 0
