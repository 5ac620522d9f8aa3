"""The network alone: where it rests without a teacher, and what it answers there."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import whole
from ..law.network import Network
from ..law.point import Tensors
from ..law.sample import Sample
from ..learners.learner import Learner


class Rest(NamedTuple):
    """h and y after so many steps of h' = f^h with u held, and how fast h still moves, max |f^h|."""

    h: Tensors
    y: Tensor
    unrest: float


def free_rest(network: Network, u: Tensor, tau: float, steps: int = 200, start: Tensors | None = None) -> Rest:
    """Let the network go, from its initial state or from `start`."""
    with torch.no_grad():
        h: Any = network.initial_state(len(u)) if start is None else start
        for _ in range(whole("steps", steps)):
            v = network.velocity(u, h, tau)
            h = {name: tau * v[name] if x is None else x + tau * v[name] for name, x in h.items()}
        v = network.velocity(u, h, tau)
        return Rest(h, network.output(u, h), max(float(x.abs().max()) for x in v.values()))


def control(z: Tensors, g: float) -> float:
    """½g|z|², the power that holds the network where it is."""
    return g / 2 * sum(float(x.square().sum()) for x in z.values())


def taught_rest(learner: Learner, sample: Sample, steps: int = 60) -> tuple[float, float]:
    """(L, ½g|z|²) where its network rests under control on this sample, the weights standing."""
    settings = learner.settings.replace(beta=0.0)
    twin, held = Learner(learner.network, learner.loss, settings, "euler"), replace(sample, end=False)
    for _ in range(whole("steps", steps)):
        loss = twin.step(held).loss
    return loss, control(twin.point.z, settings.control)


def accuracy(network: Network, u: Tensor, target: Tensor, tau: float, steps: int = 200) -> float:
    """Share of right answers of the free network."""
    return float((free_rest(network, u, tau, steps).y.argmax(1) == target).double().mean())


def unseen_digits(first: int = 1400) -> tuple[Tensor, Tensor]:
    """The digits that `least-control-digits` does not show, as rows, and what they are."""
    from ..streams import digits

    data = digits()
    return data.inputs[first:].flatten(1), data.targets[first:]
