"""How an error comes down a chain: by heat (predictive coding), or as a wave (the costate of a held sample)."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ..errors import whole
from ..law.point import PhasePoint
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.learner import Learner
from ..learners.predictive import Predictive, PredictiveSettings
from ..networks import ReadChain
from .chain_waves import angle_of
from .finite_speed import loss

WIDTH = 8


class Spread(NamedTuple):
    """Per layer and tick the size of the error, in units of backprop's there, and per tick the angle of ∂H'/∂θ to
    backprop's gradient in degrees: of predictive coding (heat), and of HL under a control g (wave at g = 0)."""

    heat: np.ndarray
    wave: np.ndarray
    heat_angle: np.ndarray
    wave_angle: np.ndarray


def chain(depth: int) -> tuple[ReadChain, Sample]:
    """Orthogonal linear layers, which neither weaken an error nor strengthen it, and one sample."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        layers = [torch.nn.Linear(WIDTH, WIDTH, bias=False).double() for _ in range(whole("depth", depth) + 1)]
        for layer in layers:
            torch.nn.init.orthogonal_(layer.weight)
        u, target = torch.randn(2, 1, WIDTH, dtype=torch.float64)
    return ReadChain(layers[:-1], layers[-1]), Sample(u, target, end=False)


def spread(depth: int = 6, rate: float = 0.25, phi: float = 0.001, control: float = 0.0, ticks: int = 160) -> Spread:
    """Let both relax from the feed-forward states with frozen weights, one move a tick."""
    net, sample = chain(depth)
    free = net.settled(sample.u)
    exact = Predictive(net, loss, PredictiveSettings(beta=0.0, eta=0.0, phi=phi, mode="wave"))
    truth = torch.cat([g.flatten() for g in exact.gradient(sample).values()])
    exact.step(sample)
    sizes = [float(z.norm()) for z in exact.point.z.values()]
    pc = Predictive(net, loss, PredictiveSettings(beta=0.0, eta=0.0, phi=phi, inference=1, rate=rate))
    hl = Learner(net, loss, Settings(beta=0.0, eta=0.0, phi=phi, control=control))
    hl.point = PhasePoint(0.0, free, hl.point.theta, {k: torch.zeros_like(x) for k, x in free.items()}, hl.point.omega)
    found: list[Any] = []
    for _ in range(whole("ticks", ticks)):
        row: list[Any] = []
        for learner in (pc, hl):
            learner.step(sample)
            row.append([float(z.norm()) / n for z, n in zip(learner.point.z.values(), sizes, strict=True)])
            g = torch.cat([x.flatten() for x in learner.gradient(sample).values()])
            row.append(angle_of(g, truth))
        found.append(row)
    heat, heat_angle, wave, wave_angle = (np.array(x) for x in zip(*found, strict=True))
    return Spread(heat.T, wave.T, heat_angle, wave_angle)
