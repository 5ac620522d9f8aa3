"""What a frozen chain shows while samples go up it and their costates come back."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..errors import whole
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.learner import Learner
from ..networks import Chain

DEPTH, WIDTH = 6, 5
CUTS: dict[str, Any] = {"fully local: 6 groups": "layer", "3 groups": (2, 2, 2), "2 groups": (3, 3), "non-local": "one"}


class Wave(NamedTuple):
    """Per group and tick how wrong a state is and how large a costate; per tick the cosine between ∂H'/∂θ and
    backprop's gradient of the sample that is held, and the angle between them in degrees."""

    wrong: np.ndarray
    costate: np.ndarray
    cosine: np.ndarray
    angle: np.ndarray


def wave(groups: Any = "layer", hold: int = 40, ticks: int = 40, eta_z: float = 0.0) -> Wave:
    """Run a frozen chain of six layers (Euler order, eq. 9) over samples that are held `hold` ticks each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh()).double() for _ in range(DEPTH)]
        inputs, targets = (torch.randn(whole("ticks", ticks), 1, WIDTH, dtype=torch.float64) for _ in range(2))
    chain = Chain(layers, groups)
    learner = Learner(chain, mse_loss, Settings(beta=0.0, eta_z=eta_z))
    wrong, costate, cosine, angle = [], [], [], []
    for k in range(ticks):
        n = k // whole("hold", hold)
        sample = Sample(inputs[n], targets[n], end=False)
        found = learner.gradient(sample)
        truth = torch.autograd.grad(mse_loss(chain(sample.u), sample.target), list(chain.parameters()))
        a, b = torch.cat([g.flatten() for g in found.values()]), torch.cat([g.flatten() for g in truth])
        cosine.append(float(a @ b / (a.norm() * b.norm() + 1e-300)))
        angle.append(angle_of(a, b))
        learner.step(sample)
        point, right = learner.point, chain._feed_forward(sample.u)
        pairs = list(zip(point.h.values(), right, strict=True))
        wrong.append([float((h - r.detach()).norm() / (r.detach().norm() + 1e-12)) for h, r in pairs])
        costate.append([float(z.norm()) for z in point.z.values()])
    return Wave(np.array(wrong).T, np.array(costate).T, np.array(cosine), np.array(angle))


def angle_of(a: Tensor, b: Tensor) -> float:
    """Between two vectors, in degrees, by Kahan's formula, which is exact to rounding where the cosine is nearly 1."""
    if not float(a.norm()) or not float(b.norm()):
        return 90.0
    a, b = a / a.norm(), b / b.norm()
    return math.degrees(2 * math.atan2(float((a - b).norm()), float((a + b).norm())))
