"""T11: neurons that settle at speed c carry backprop's deltas in their costates, the nearer the faster they are.

Nature-Inspired Local Propagation (N: NeurIPS 2024, arXiv 2402.05959) is the law E*1-E*4 for x' = c(-x + σ(a)), a = W x,
with φ = c. Forward, z' = c(-z + Wᵀσ'(a) z + ∂L/∂x), whose rest is backprop: λ = σ'(a) z = ∂L/∂a; ω' = c λ xᵀ is local.
"""

import math

import pytest
import torch

from hlcore import Learner, Network, Sample, Settings

from .flow import loss, order_of

SIZES = (3, 5, 4, 2)  # inputs, two hidden layers, outputs
SPEEDS = [60.0, 120.0, 240.0, 480.0]
TARGET = torch.tensor([[0.3, -0.5]], dtype=torch.float64)


class Settling(Network):
    """Layers x_k' = c(-x_k + tanh(W_k x_{k-1})), x_0 = u: every neuron waits for nobody."""

    def __init__(self, c):
        super().__init__()
        torch.manual_seed(0)
        self.c = c
        pairs = zip(SIZES[1:], SIZES[:-1], strict=True)
        self.W = torch.nn.ParameterList(torch.randn(n, m, dtype=torch.float64) / m**0.5 for n, m in pairs)

    def initial_state(self, batch_size):
        return {f"x{k}": torch.zeros(batch_size, n, dtype=torch.float64) for k, n in enumerate(SIZES[1:])}

    def activations(self, u, h):
        below = [u, *list(h.values())[:-1]]
        return [x @ W.T for x, W in zip(below, self.W, strict=True)]

    def velocity(self, u, h, tau):
        a = self.activations(u, h)
        return {k: self.c * (torch.tanh(a) - x) for (k, x), a in zip(h.items(), a, strict=True)}

    def output(self, u, h):
        return h[f"x{len(SIZES) - 2}"]


def signal(t):
    """Inputs that move at a speed of their own."""
    return torch.tensor([[math.sin(t), math.cos(1.3 * t), math.sin(0.7 * t + 1)]], dtype=torch.float64)


def deltas(network, u):
    """∂L/∂a of every layer, by backprop through the feed-forward network."""
    x, a = u, []
    for W in network.W:
        a.append(x @ W.T)
        x = torch.tanh(a[-1])
    return torch.autograd.grad(loss(x, TARGET), a)


def carried(learner, u):
    """λ = σ'(a) z of every layer."""
    point = learner.point
    with torch.no_grad():
        a = learner.network.activations(u, point.h)
    return [(1 - torch.tanh(a) ** 2) * z for a, z in zip(a, point.z.values(), strict=True)]


def error(c, s=-1, moving=True, until=1.0):
    """Largest |λ - delta| at the end, weights frozen."""
    learner = Learner(Settling(c), loss, Settings(tau=0.1 / c, beta=0.0, phi=c, s=s))
    for k in range(round(until * c / 0.1)):
        learner.step(Sample(signal(learner.t if moving else 1.0), TARGET, end=False))
        if k % 200 == 0 and float(max(z.abs().max() for z in learner.point.z.values())) > 1e6:
            return math.inf
    u = signal(learner.t if moving else 1.0)
    true = deltas(learner.network, u)
    assert min(float(d.abs().max()) for d in true) > 1e-2
    return max(float((x - d).abs().max()) for x, d in zip(carried(learner, u), true, strict=True))


def test_T11_costates_tend_to_the_deltas_of_backprop_as_one_over_the_speed():
    errors = [error(c) for c in SPEEDS]
    assert abs(order_of(errors, SPEEDS) - 1) <= 0.1 and errors[-1] < 0.02
    assert error(SPEEDS[0], moving=False) < 1e-10, "where the input waits they are backprop's"
    assert error(SPEEDS[0], s=1) == math.inf, "the original sign run forward flies away"


@pytest.mark.parametrize("layer", range(len(SIZES) - 1))
def test_T11_what_moves_a_weight_is_at_its_two_ends(layer):
    """ω' = c λ_i x_j, and once the costates have settled this is c times backprop's gradient."""
    c, u = 40.0, signal(1.0)
    network = Settling(c)
    learner = Learner(network, loss, Settings(tau=0.1 / c, beta=0.0, phi=c))
    for _ in range(2000):
        learner.step(Sample(u, TARGET, end=False))
    before = learner.point.clone()
    lam = carried(learner, u)[layer]
    x = u if layer == 0 else before.h[f"x{layer - 1}"]
    learner.step(Sample(u, TARGET, end=False))
    moved = (learner.point.omega[f"W.{layer}"] - before.omega[f"W.{layer}"]) / (0.1 / c)
    assert float((moved - c * lam.T @ x).abs().max()) <= 1e-9 * c
    y = u
    for W in network.W:
        y = torch.tanh(y @ W.T)
    (gradient,) = torch.autograd.grad(loss(y, TARGET), network.W[layer])
    assert float((moved / c - gradient).abs().max()) <= 1e-9 and float(gradient.abs().max()) > 1e-3
