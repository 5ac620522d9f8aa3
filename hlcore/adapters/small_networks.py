"""A learner for a number of inputs and outputs that the first data tell: the caller's network, or a small one."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..declared import BaseSettings
from ..errors import bad, kind, whole
from ..law.loss import Loss
from ..law.network import Network
from ..law.settings import Settings
from ..learners.learner import Learner
from ..networks.feedforward import OutputNetwork
from ..networks.recurrent import Recurrent
from ..records.snapshots import Snapshot

Build: TypeAlias = Callable[[int, int], Network]  # (inputs, outputs) -> network


class PickledLearner(Learner):
    """A Learner that goes through pickle and deepcopy as its network and its snapshot, and resumes to the bit."""

    def __reduce__(self) -> Any:
        told = _mapped(self.snapshot()._asdict(), Tensor, Tensor.numpy)  # whose bytes are the same each time
        return _resumed, (self.network, self.loss, told)


def _resumed(network: Network, loss: Loss, told: dict[str, Any]) -> PickledLearner:
    snapshot = Snapshot(**_mapped(told, np.ndarray, torch.from_numpy))
    learner = PickledLearner(network, loss, snapshot.settings, snapshot.order)
    learner.restore(snapshot)
    return learner


def _mapped(x: Any, kind: type, f: Callable[[Any], Any]) -> Any:
    """Nested dicts, lists and tuples with f in the place of each x of a kind."""
    if isinstance(x, dict):
        return {name: _mapped(part, kind, f) for name, part in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(_mapped(part, kind, f) for part in x)
    return f(x) if isinstance(x, kind) else x


def recurrent(inputs: int, outputs: int) -> Network:
    """Twelve tanh units and a linear readout, as lab 00 has them."""
    return Recurrent(torch.nn.RNNCell(inputs, 12), torch.nn.Linear(12, outputs))


def perceptron(inputs: int, outputs: int) -> Network:
    """One hidden layer of sixteen tanh units."""
    layers = torch.nn.Linear(inputs, 16), torch.nn.Tanh(), torch.nn.Linear(16, outputs)
    return OutputNetwork(torch.nn.Sequential(*layers))


def learner_for(
    build: Any, inputs: int, outputs: int, loss: Loss, settings: BaseSettings | None, order: str, seed: int
) -> PickledLearner:
    """A Learner in float64 whose network `build` draws from the seed; torch's own generator is left where it is."""
    if not callable(build):
        raise bad("network", repr(build), "a function (inputs, outputs) -> hlcore.Network", "or None")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(whole("seed", seed, 0))
        network = kind("network(inputs, outputs)", build(inputs, outputs), Network, "an hlcore.Network")
    return PickledLearner(network.double(), loss, Settings.of(settings or Settings()), order)
