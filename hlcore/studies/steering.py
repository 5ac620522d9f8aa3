"""A cart steered to rest: by hand, by the costate that the end demands, by HL; cost beside cost (theorem T10)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import bad
from ..law.network import Known, Network, State
from ..law.point import PhasePoint, Tensors
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.learner import Learner

A, B = np.array([[0.0, 1.0], [0.0, -0.2]]), np.array([0.0, 1.0])  # position and speed, friction; force
START = np.array([1.0, 0.0, 0.0])  # position, speed, force
END, STEPS, PACE = 4.0, 400, 2.0  # PACE is β: how cheap it is to change the force


class Ride(NamedTuple):
    """(steps + 1, 3): position, speed and force over time, and the cost so far, ∫ ½|h|² + ½|θ'|²/β."""

    way: np.ndarray
    cost: np.ndarray


class Cart(Network):
    """h' = A h + B θ, y = h = (position, speed); the force θ is the one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.force = torch.nn.Parameter(torch.tensor(START[2:]))

    def initial_state(self, batch_size: int) -> State:
        """Where it begins."""
        return {"h": torch.tensor(START[:2]).expand(batch_size, 2).clone()}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """The cart's."""
        x: Any = h["h"]
        return {"h": x @ torch.tensor(A.T) + self.force * torch.tensor(B)}

    def output(self, u: Any, h: Known) -> Tensor:
        """What is to be brought to rest."""
        x: Any = h["h"]
        return x


def loss(y: Tensor, target: Tensor) -> Tensor:
    """½ |y - ŷ|²."""
    return (y - target).square().sum() / 2


def demanded(steps: int = STEPS) -> np.ndarray:
    """(z_0, ω_0) with which s = +1 ends at z = ω = 0: the walk is linear, so its end tells its beginning."""
    K = np.zeros((6, 6))
    K[:2, :2], K[:2, 2], K[2, 5] = A, B, -PACE
    K[3:5, :2], K[3:5, 3:5], K[5, 3:5] = -np.eye(2), -A.T, -B
    whole = np.linalg.matrix_power(np.eye(6) + END / steps * K, steps)
    return -np.linalg.solve(whole[3:, 3:], whole[3:, :3] @ START)


def learned(
    s: int, costate: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0), eta: float = 0.0, steps: int = STEPS
) -> Ride:
    """The learner's own ride: s = +1 from the demanded costate is Pontryagin's, s = -1 from zero HL's; friction η."""
    tau = END / steps
    learner = Learner(Cart(), loss, Settings(tau=tau, eta=eta, beta=PACE, s=s))
    z, omega = torch.tensor(costate[:2])[None], {"force": torch.tensor(costate[2:])}
    at, sample = Cart().initial_state(1), Sample(torch.zeros(1, 1), torch.zeros(1, 2), end=False)
    learner.point = PhasePoint(0.0, at, {"force": torch.tensor(START[2:])}, {"h": z}, omega)  # type: ignore[arg-type]
    way, cost = [START], [0.0]
    for _ in range(steps):
        turn = -PACE * float(learner.point.omega["force"])
        cost.append(cost[-1] + tau * (learner.step(sample).loss + turn**2 / (2 * PACE)))
        way.append(np.r_[learner.point.h["h"][0].numpy(), learner.point.theta["force"].numpy()])
    return Ride(np.array(way), np.array(cost))


def by_hand(turns: Sequence[float], steps: int = STEPS) -> Ride:
    """A ride on which the force is changed by θ' = turns[q] through the q-th of equal parts of the time."""
    if not len(turns) or steps % len(turns):
        raise bad("turns", f"{len(turns)} numbers", f"a count that divides {steps}")
    tau, x, way, cost = END / steps, START, [START], [0.0]
    for k in range(steps):
        turn = turns[k * len(turns) // steps]
        cost.append(cost[-1] + tau * (x[:2] @ x[:2] + turn**2 / PACE) / 2)
        x = x + tau * np.r_[A @ x[:2] + B * x[2], turn]
        way.append(x)
    return Ride(np.array(way), np.array(cost))
