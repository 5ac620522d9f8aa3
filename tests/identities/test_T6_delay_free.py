"""T6: the outputs of a delay-free chain are those of the feed-forward network."""

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

from hlcore import Chain, Learner, Sample, Settings

from .test_T5_locality import BATCH, BOUND, INPUTS, OUTPUTS, SEEN, cuts, expected, per_group, problem, taus

few = settings(max_examples=12, deadline=None, derandomize=True)
orders = st.sampled_from(["euler", "sequential"])


def samples(n):
    generator = torch.Generator().manual_seed(3)
    for _ in range(n):
        u, y = (torch.randn(BATCH, size, generator=generator, dtype=torch.float64) for size in (INPUTS, OUTPUTS))
        yield Sample(u, y, end=False)


@given(sizes=cuts, tau=taus, order=orders)
@few
def test_T6_a_sample_held_G_steps_gives_the_feed_forward_output_and_held_less_does_not(sizes, tau, order):
    layers, *_ = problem(sum(sizes))
    chain = Chain(layers, sizes, "delay_free")
    learner, G = Learner(chain, mse_loss, Settings(tau=tau, beta=0.0), order), len(sizes)
    for sample in samples(5):
        truth = torch.nn.Sequential(*layers)(sample.u).detach()
        for k in range(1, G + 1):
            report = learner.step(sample)
            y = learner.point.h[f"h{G}"]
            error = float((y - truth).abs().max())
            assert error <= BOUND if k == G else error > SEEN
            assert order == "euler" or torch.equal(report.output, y), "the report tells the moved state"


@given(sizes=cuts, tau=taus)
@few
def test_T6_while_weights_move_each_group_uses_those_of_its_own_tick(sizes, tau):
    layers, *_ = problem(sum(sizes))
    chain, cuts_at = Chain(layers, sizes, "delay_free"), [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    learner = Learner(chain, mse_loss, Settings(tau=tau, beta=0.3 / tau, eta=1 / tau, eta_z=0.0, phi=1 / tau))
    start = learner.point.clone()
    for sample in samples(8):
        x = sample.u
        for a, b in pairwise(cuts_at):
            x = torch.nn.Sequential(*layers[a:b])(x).detach()
            learner.step(sample)
        assert float((learner.point.h[f"h{len(sizes)}"] - x).abs().max()) <= BOUND
    assert all(float((x - start.theta[name]).abs().max()) > SEEN for name, x in learner.point.theta.items())


def cycle(chain, order, cycles):
    """∂H'/∂θ of each group summed over the last cycle of G steps, and φ backprop's, times G."""
    _, u, target = problem(len(chain.layers))
    learner = Learner(chain, mse_loss, Settings(tau=0.5, beta=0.0, phi=0.7), order)
    sample, G = Sample(u, target, end=False), len(chain.groups)
    for _ in range((cycles - 1) * G):
        learner.step(sample)
    total = [0.0] * G
    for _ in range(G):
        total = [a + b for a, b in zip(total, per_group(chain, learner.gradient(sample)), strict=True)]
        learner.step(sample)
    return total, [G * 0.7 * g for g in expected(chain, u, target)]


@given(sizes=cuts)
@few
def test_T6_weights_learn_late_over_one_cycle_the_gradients_sum_to_G_times_phi_backprop(sizes):
    """In Euler order, once the costates have come down: cycle 3 for the last group, one more for each below it."""
    G = len(sizes)
    total, truth = cycle(Chain(problem(sum(sizes))[0], sizes, "delay_free"), "euler", G + 2)
    assert all(float((a - b).abs().max()) <= BOUND for a, b in zip(total, truth, strict=True))
    early, _ = cycle(Chain(problem(sum(sizes))[0], sizes, "delay_free"), "euler", G + 1)
    assert float((early[0] - truth[0]).abs().max()) > SEEN, "not before"


def test_T6_in_sequential_order_only_the_last_group_learns():
    """Its own turn takes z_i to zero before the weights read it: the reason why Euler order is advised."""
    total, _ = cycle(Chain(problem(3)[0], "layer", "delay_free"), "sequential", 9)
    assert [float(g.abs().max()) > SEEN for g in total] == [False, False, True]


def test_T6_the_turn_starts_anew_with_each_sequence():
    layers, *_ = problem(3)
    learner = Learner(Chain(layers, "layer", "delay_free"), mse_loss, Settings(beta=0.0))
    first, second = samples(2)
    learner.step(first)
    learner.step(Sample(first.u, first.target, end=True))
    for _ in range(3):
        learner.step(second)
    y = torch.nn.Sequential(*layers)(second.u).detach()
    assert float((learner.point.h["h3"] - y).abs().max()) <= BOUND
