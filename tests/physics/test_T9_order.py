"""T9: Euler is of order 1, the midpoint chain of order 2; the oracle is SciPy's solver, with derivatives by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from hlcore import Reversible, Settings

from . import flow

STEPS = [40, 80, 160, 320]
SETTINGS = {
    "forward": Settings(eta=0.6, beta=0.5, phi=1.3),
    "two dissipations, phi of time": Settings(eta=0.4, eta_z=1.5, beta=0.5, phi=lambda t: 1 + 0.5 * math.sin(3 * t)),
    "s = +1": Settings(eta=0.2, beta=0.5, s=1),
}


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("which", SETTINGS)
def test_T9_the_learner_follows_the_four_equations_with_order_one(which, order):
    truth = flow.solved(SETTINGS[which], 1.0)
    found = [flow.stepped(SETTINGS[which], 1.0, n, order) for n in STEPS]
    errors = [np.abs(x - truth).max() for x in found]
    assert abs(flow.order_of(errors, STEPS) - 1) <= 0.1 and errors[-1] < 0.02
    assert np.abs(truth - flow.flat(flow.start())).min() > 1e-4, "everything moved"
    other = flow.solved(SETTINGS[which].replace(s=-SETTINGS[which].s), 1.0)
    errors = [np.abs(x - other).max() for x in found]
    assert flow.order_of(errors, STEPS) < 0.2 and errors[-1] > 0.1, "of another law it is not an approximation"


class Turn(torch.nn.Module):
    """f = tanh(A h + b), A antisymmetric."""

    def __init__(self):
        super().__init__()
        self.w, self.b = torch.nn.Parameter(torch.randn(4, 4)), torch.nn.Parameter(torch.randn(4))

    def forward(self, h):
        return torch.tanh(h @ (self.w - self.w.T).T + self.b)


class Well(torch.nn.Module):
    """f = -Wᵀ tanh(W h)."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.randn(4, 4))

    def forward(self, h):
        return -torch.tanh(h @ self.w.T) @ self.w


@pytest.mark.parametrize(("variant", "block"), [("midpoint", Turn), ("leapfrog", Well)])
def test_T9_the_reversible_chain_is_of_order_two_and_a_residual_chain_of_order_one(variant, block):
    torch.manual_seed(0)
    f, h, end, steps = block(), torch.randn(1, 4), 2.0, [80, 160, 320, 640]

    def slope(t, x):
        with torch.no_grad():
            if variant == "midpoint":
                return f(torch.tensor(x)[None]).numpy().ravel()
            return np.concatenate([x[4:], f(torch.tensor(x[:4])[None]).numpy().ravel()])

    x = h.numpy().ravel() if variant == "midpoint" else np.concatenate([h.numpy().ravel(), np.zeros(4)])
    truth = solve_ivp(slope, (0, end), x, method="DOP853", rtol=1e-12, atol=1e-13).y[:4, -1]
    assert np.abs(truth - h.numpy()).max() > 0.1, "the state moved"

    def error(n):
        with torch.no_grad():
            return np.abs(Reversible([f] * n, end / n, variant)(h).numpy().ravel() - truth).max()

    assert abs(flow.order_of([error(n) for n in steps], steps) - 2) <= 0.1

    def residual(n):
        here, speed = h, torch.zeros_like(h)
        with torch.no_grad():
            for _ in range(n):
                change = f(here)
                here, speed = here + end / n * (change if variant == "midpoint" else speed), speed + end / n * change
        return np.abs(here.numpy().ravel() - truth).max()

    assert abs(flow.order_of([residual(n) for n in steps], steps) - 1) <= 0.1, "two orders are told apart"
