"""T11: neurons that settle at speed c carry backprop's deltas in their costates, the nearer the faster they are.

Nature-Inspired Local Propagation (N: NeurIPS 2024, arXiv 2402.05959) is the law E*1-E*4 for x' = c(-x + σ(a)), a = W x,
with φ = c. Forward, z' = c(-z + Wᵀσ'(a) z + ∂L/∂x), whose rest is backprop: λ = σ'(a) z = ∂L/∂a; ω' = c λ xᵀ is local.
"""

import math

import pytest
import torch

from hlcore import Sample
from hlcore.studies.finite_speed import SIZES, TARGET, by_layer, carried, deltas, late, layers_at, loss, signal

from .flow import order_of

SPEEDS = [60.0, 120.0, 240.0, 480.0]


def error(c, s=-1, moving=True, until=1.0):
    """Largest |λ - delta| at the end, weights frozen."""
    learner = layers_at(c, s)
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
    learner = layers_at(c)
    for _ in range(2000):
        learner.step(Sample(u, TARGET, end=False))
    before = learner.point.clone()
    lam = carried(learner, u)[layer]
    states = by_layer(before.h["x"])
    x = u if layer == 0 else states[layer - 1]
    learner.step(Sample(u, TARGET, end=False))
    first, units = sum(SIZES[1 : layer + 1]), sum(SIZES[1:])
    rows = slice(first, first + SIZES[layer + 1])
    columns = slice(units, None) if layer == 0 else slice(first - SIZES[layer], first)
    moved = (learner.point.omega["W"] - before.omega["W"]) / (0.1 / c)
    assert float((moved[rows, columns] - c * lam.T @ x).abs().max()) <= 1e-9 * c
    weights = [W.detach().requires_grad_() for W in [learner.network.W[rows, columns]]]
    y = u
    for k, n in enumerate(SIZES[1:]):
        at = sum(SIZES[1 : k + 1])
        below = slice(units, None) if k == 0 else slice(at - SIZES[k], at)
        y = torch.tanh(y @ (weights[0] if k == layer else learner.network.W[at : at + n, below].detach()).T)
    (gradient,) = torch.autograd.grad(loss(y, TARGET), weights)
    assert float((moved[rows, columns] / c - gradient).abs().max()) <= 1e-9 and float(gradient.abs().max()) > 1e-3
    rest = moved.clone()
    for k, n in enumerate(SIZES[1:]):
        at = sum(SIZES[1 : k + 1])
        rest[at : at + n, slice(units, None) if k == 0 else slice(at - SIZES[k], at)] = 0
    assert not rest.any(), "where there is no edge nothing moves"


def test_T11_what_the_lab_shows_is_that_limit():
    slow, fast = late(20.0), late(80.0)
    assert slow.error[:, -1].max() > 2 * fast.error[:, -1].max()
    assert late(20.0, still=True).error[:, -1].max() < 1e-9
