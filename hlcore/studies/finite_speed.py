"""Backprop as the limit of an infinite speed: what costates carry while neurons settle at speed c (N; theorem T11)."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import number
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.learner import Learner
from ..networks import Digraph

SIZES = (3, 5, 4, 2)  # inputs, two hidden layers, outputs
TARGET = torch.tensor([[0.3, -0.5]], dtype=torch.float64)


class Late(NamedTuple):
    """Over time, per layer: the size of λ = σ'(a) z and of backprop's delta, and |λ - delta|, at speed c."""

    t: np.ndarray
    carried: np.ndarray
    true: np.ndarray
    error: np.ndarray


def loss(y: Tensor, target: Tensor) -> Tensor:
    """½ |y - ŷ|²."""
    return (y - target).square().sum() / 2


def signal(t: float) -> Tensor:
    """Inputs that move at a speed of their own."""
    return torch.tensor([[math.sin(t), math.cos(1.3 * t), math.sin(0.7 * t + 1)]], dtype=torch.float64)


def layers_at(speed: float, s: int = -1) -> Learner:
    """Three frozen layers of neurons that settle at this speed, at rest, φ = c."""
    c = number("speed", speed, positive=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Digraph.layered(SIZES, c).double()
    return Learner(network, loss, Settings(tau=0.1 / c, beta=0.0, phi=c, eta_z=0.0, s=s))


def by_layer(x: Tensor) -> list[Tensor]:
    """A row of all neurons, cut into layers."""
    return list(x.split(SIZES[1:], 1))


def deltas(network: Any, u: Tensor, target: Tensor = TARGET) -> list[Tensor]:
    """∂L/∂a of every layer, by backprop through the settled network."""
    push = torch.zeros(1, sum(SIZES[1:]), dtype=u.dtype, requires_grad=True)
    x = torch.zeros_like(push)
    for _ in SIZES[1:]:  # as often as there are layers, and all have settled
        x = torch.tanh(network.activation(u, x) + push)
    (found,) = torch.autograd.grad(loss(network.output(u, {"x": x}), target), push)
    return by_layer(found)


def carried(learner: Learner, u: Tensor) -> list[Tensor]:
    """λ = σ'(a) z of every layer."""
    point = learner.point
    with torch.no_grad():
        network: Any = learner.network
        slope = 1 - torch.tanh(network.activation(u, point.h["x"])) ** 2
    return by_layer(slope * point.z["x"])


def late(speed: float, until: float = 3.0, still: bool = False) -> Late:
    """Let a signal pass (or wait) before frozen layers; one moment kept every c/10 steps, thirty and more in all."""
    learner = layers_at(speed)
    rows, every = [], max(1, round(speed / 6))
    for k in range(round(until * speed / 0.1)):
        u = signal(1.0 if still else learner.t)
        learner.step(Sample(u, TARGET, end=False))
        if k % every == 0:
            u = signal(1.0 if still else learner.t)
            own, true = carried(learner, u), deltas(learner.network, u)
            rows.append([[learner.t, float(a.norm()), float(b.norm()), float((a - b).abs().max())]
                         for a, b in zip(own, true, strict=True)])  # fmt: skip
    t, size, right, wrong = np.array(rows).transpose(2, 1, 0)
    return Late(t[0], size, right, wrong)
