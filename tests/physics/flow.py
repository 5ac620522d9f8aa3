"""A small network whose four equations E*1-E*4 are written out by hand, and solved by SciPy as an outside oracle."""

import math

import numpy as np
import torch
from scipy.integrate import solve_ivp

from hlcore import Learner, Network, PhasePoint, Sample, Settings

U, TARGET = 0.7, np.array([[0.9, -0.4]])


class Tanh(Network):
    """h' = tanh(h Wᵀ + u b), y = h Cᵀ, from a state that is not zero."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.W, self.C = torch.nn.Parameter(torch.randn(3, 3) / 2), torch.nn.Parameter(torch.randn(2, 3))
        self.b = torch.nn.Parameter(torch.randn(3))

    def initial_state(self, batch_size):
        return {"h": torch.tensor([[0.3, -0.2, 0.5]]).expand(batch_size, 3).clone()}

    def velocity(self, u, h, tau):
        return {"h": torch.tanh(h["h"] @ self.W.T + u * self.b)}

    def output(self, u, h):
        return h["h"] @ self.C.T


def loss(y, target):
    """½ |y - ŷ|²."""
    return (y - target).square().sum() / 2


def start():
    """A point at which nothing vanishes."""
    learner = Learner(Tanh(), loss, Settings())
    theta = {k: x.clone() for k, x in learner.point.theta.items()}
    torch.manual_seed(1)
    h, z = torch.tensor([[0.3, -0.2, 0.5]]), torch.randn(1, 3) / 5
    return PhasePoint(0.0, {"h": h}, theta, {"h": z}, {k: torch.randn(x.shape) / 5 for k, x in theta.items()})


def flat(point):
    """(h, θ, z, ω) in one array."""
    parts = [*point.h.values(), *point.theta.values(), *point.z.values(), *point.omega.values()]
    return np.concatenate([x.detach().numpy().ravel() for x in parts])


def _shaped(x):
    sizes = [(1, 3), (3, 3), (2, 3), (3,), (1, 3), (3, 3), (2, 3), (3,)]
    cuts = np.cumsum([math.prod(s) for s in sizes])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(x, cuts), sizes, strict=True)]


def law(settings):
    """The right-hand side of E*1-E*4, derivatives by hand."""
    s, eta, beta = settings.s, settings.eta, settings.beta
    eta_z = eta if settings.eta_z is None else settings.eta_z

    def slope(t, x):
        h, W, C, b, z, w, c, o = _shaped(x)
        f = np.tanh(h @ W.T + U * b)
        error, pulled = h @ C.T - TARGET, z * (1 - f**2)
        h_slope = settings.phi_at(t) * error @ C + pulled @ W
        W_slope, C_slope, b_slope = pulled.T @ h, settings.phi_at(t) * error.T @ h, U * pulled.ravel()
        moves = f, -beta * w, -beta * c, -beta * o, -s * h_slope - eta_z * z
        moves += -s * W_slope - eta * w, -s * C_slope - eta * c, -s * b_slope - eta * o
        return np.concatenate([m.ravel() for m in moves])

    return slope


def solved(settings, end):
    """(h, θ, z, ω) at time `end`, to 12 digits."""
    found = solve_ivp(law(settings), (0.0, end), flat(start()), method="DOP853", rtol=1e-12, atol=1e-13)
    return found.y[:, -1]


def learner_at_start(settings, order):
    """A learner that stands at `start()`."""
    learner = Learner(Tanh(), loss, settings, order)
    learner.point = start()
    return learner


SAMPLE = Sample(torch.tensor([[U]], dtype=torch.float64), torch.tensor(TARGET), end=False)


def stepped(settings, end, steps, order):
    """(h, θ, z, ω) after so many steps of the learner."""
    learner = learner_at_start(settings.replace(tau=end / steps), order)
    for _ in range(steps):
        learner.step(SAMPLE)
    return flat(learner.point)


def order_of(errors, steps):
    """The slope of log error against log τ."""
    return float(-np.polyfit(np.log(steps), np.log(errors), 1)[0])
