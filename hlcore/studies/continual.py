"""Tasks in turn: how well each is known after each, what was forgotten."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..networks.experts import Experts
from ..streams.tasks import InTurn


class Report(NamedTuple):
    """`right[i, j]`: share of right answers on task j after task i."""

    right: np.ndarray

    @property
    def final(self) -> float:
        """Mean over the tasks, at the end."""
        return float(self.right[-1].mean())

    @property
    def forgotten(self) -> float:
        """Mean loss from each task's best to the end."""
        return float((self.right.max(0) - self.right[-1]).mean())

    @property
    def learned(self) -> float:
        """Mean just after each task; of tasks learned jointly, at the end."""
        return float(self.right.diagonal().mean()) if len(self.right) > 1 else self.final


def answers(network: Any, u: Tensor) -> Tensor:
    """The class that a network says, (batch,)."""
    if isinstance(network, Experts):
        return network.answer(u)
    with torch.no_grad():
        return network.output(u, {}).argmax(1)


def right(network: Any, stream: InTurn) -> np.ndarray:
    """Share of right answers on the images to be asked of each task."""
    return np.array([float((answers(network, x) == y).double().mean()) for x, y in stream.asked])


def in_turn(learner: Any, stream: InTurn) -> Report:
    """Walk the stream, and ask after every task."""
    found = []
    for end in stream.ends:
        learner.run(stream.since(learner.steps), end - learner.steps)
        found.append(right(learner.network, stream))
    return Report(np.array(found))
