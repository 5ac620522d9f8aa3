"""T5: a chain of G groups, frozen, sample held: ∂H'/∂θ = φ backprop after exactly 2G steps, and not before."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

from hlcore import Chain, Learner, OutputNetwork, Sample, Settings

BOUND = 1e-12
SEEN = 1e-9  # a difference that round-off cannot make
BATCH, INPUTS, OUTPUTS = 2, 3, 2

cuts = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)
taus = st.sampled_from([0.25, 0.7, 1.0, 2.0])
phis = st.sampled_from([0.3, 1.0, 4.0])
few = settings(max_examples=12, deadline=None, derandomize=True)


def problem(depth, seed=0):
    """Layers of drawn widths, a batch and its target, the same for the same seed."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    widths = [INPUTS, *torch.randint(3, 6, (depth - 1,)).tolist(), OUTPUTS]
    layers = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh()) for a, b in pairwise(widths)]
    return layers, torch.randn(BATCH, INPUTS), torch.randn(BATCH, OUTPUTS)


def backprop(layers, u, target):
    """The gradient of each layer's weights, by autograd through the plain Sequential."""
    network = torch.nn.Sequential(*layers)
    loss = mse_loss(network(u), target)
    return [torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True) for layer in layers]


def per_group(chain, gradient):
    """∂H'/∂θ of each group, as one vector."""
    found, k = [], 0
    for size in chain.groups:
        names = [f"layers.{j}.{name}" for j in range(k, k + size) for name, _ in chain.layers[j].named_parameters()]
        found.append(torch.cat([gradient[name].flatten() for name in names]))
        k += size
    return found


def expected(chain, u, target):
    grads = {
        f"layers.{j}.{name}": g
        for j, (layer, found) in enumerate(zip(chain.layers, backprop(chain.layers, u, target), strict=True))
        for (name, _), g in zip(layer.named_parameters(), found, strict=True)
    }
    return per_group(chain, grads)


def frozen(chain, order="euler", **changes):
    return Learner(chain, mse_loss, Settings(**{"beta": 0.0, "eta_z": 0.0} | changes), order)


def errors(chain, learner, sample, factor):
    """Largest difference of each group's ∂H'/∂θ from factor x backprop's, at this point."""
    truth = expected(chain, sample.u, sample.target)
    return [
        float((a - factor * b).abs().max())
        for a, b in zip(per_group(chain, learner.gradient(sample)), truth, strict=True)
    ]


@given(sizes=cuts, tau=taus, phi=phis, seed=st.integers(0, 3))
@few
def test_T5_group_i_has_the_gradient_of_backprop_after_2G_minus_i_plus_1_steps_and_not_before(sizes, tau, phi, seed):
    layers, u, target = problem(sum(sizes), seed)
    chain = Chain(layers, sizes)
    learner, sample, G = frozen(chain, tau=tau, phi=phi), Sample(u, target, end=False), len(sizes)
    for k in range(2 * G + 3):
        for i, error in enumerate(errors(chain, learner, sample, phi), start=1):
            if k >= 2 * G - i + 1:
                assert error <= BOUND, (k, i)
            elif k == 2 * G - i:
                assert error > SEEN, (k, i)
        learner.step(sample)
    assert min(float(g.abs().max()) for g in expected(chain, u, target)) > SEEN, "there is something to learn"


@given(sizes=cuts, tau=taus, phi=phis)
@few
def test_T5_in_sequential_order_the_step_2G_minus_1_is_the_first_exact_one(sizes, tau, phi):
    layers, u, target = problem(sum(sizes))
    chain = Chain(layers, sizes)
    learner, sample, G = frozen(chain, "sequential", tau=tau, phi=phi), Sample(u, target, end=False), len(sizes)
    for k in range(1, 2 * G + 2):
        error = max(errors(chain, learner, sample, phi))
        assert error <= BOUND if k >= 2 * G - 1 else error > SEEN, k
        learner.step(sample)


@given(sizes=cuts, tau=taus, shrink=st.sampled_from([0.02, 0.1, 0.3]))
@few
def test_T5_dissipation_scales_the_gradient_by_each_hop_to_the_loss(sizes, tau, shrink):
    layers, u, target = problem(sum(sizes))
    chain = Chain(layers, sizes)
    learner, sample, G = frozen(chain, tau=tau, eta_z=shrink / tau), Sample(u, target, end=False), len(sizes)
    for _ in range(2 * G + 60):
        learner.step(sample)
    found, truth = per_group(chain, learner.gradient(sample)), expected(chain, u, target)
    for i, (a, b) in enumerate(zip(found, truth, strict=True), start=1):
        hops = G - i + 1
        assert float((a - b * (1 + shrink) ** -hops).abs().max()) <= BOUND
        assert float((a - b * (1 + shrink) ** -(hops - 1)).abs().max()) > SEEN, "one hop less differs"


def test_T5_at_tau_eta_z_one_the_costate_diverges_and_below_it_settles():
    """z_i⁺ = -τη_z z_i + J_{i+1}ᵀ z_{i+1}: an eigenvalue -τη_z of multiplicity G, so z_1 grows as t^{G-1} at one."""
    sizes = {}
    for shrink in (0.5, 1.0, 1.2):
        layers, u, target = problem(3)
        learner = frozen(Chain(layers), tau=0.5, eta_z=shrink / 0.5)
        for steps in (100, 200, 400):
            while learner.steps < steps:
                learner.step(Sample(u, target, end=False))
            sizes[shrink, steps] = float(learner.point.z["h1"].abs().max())
    assert abs(sizes[0.5, 400] - sizes[0.5, 200]) < BOUND
    assert 3.5 < sizes[1.0, 400] / sizes[1.0, 200] < 4.5, "quadratic for three groups"
    assert sizes[1.2, 400] > 1e10 * sizes[1.2, 200]


@given(sizes=cuts)
@few
def test_T5_omega_takes_what_gradient_tells_and_then_the_weights_move(sizes):
    layers, u, target = problem(sum(sizes))
    chain, sample = Chain(layers, sizes), Sample(u, target, end=False)
    learner = frozen(chain, tau=0.5, phi=2.0)
    for _ in range(2 * len(sizes)):
        learner.step(sample)
    before = learner.point.clone()
    learner.step(sample)
    gained = {name: (x - before.omega[name]) / 0.5 for name, x in learner.point.omega.items()}
    for a, b in zip(per_group(chain, gained), expected(chain, u, target), strict=True):
        assert float((a - 2.0 * b).abs().max()) <= BOUND
    assert all(torch.equal(learner.point.theta[name], x) for name, x in before.theta.items()), "beta = 0 freezes"
    learner.settings = learner.settings.replace(beta=0.1)
    learner.step(sample)
    assert all(not torch.equal(learner.point.theta[name], x) for name, x in before.theta.items())


def test_T5_no_groups_at_all_is_backprop_at_every_step():
    """The other end of the switch: one group, cleared before each sample, sequential order = the output network."""
    networks = Chain(problem(3)[0], "one"), OutputNetwork(torch.nn.Sequential(*problem(3)[0])), Chain(problem(3)[0])
    chain, plain, local = (Learner(n, mse_loss, Settings(eta=0.3, beta=0.2), "sequential") for n in networks)
    start = chain.point.clone()
    for seed in range(20):
        _, u, target = problem(3, seed)
        for learner in (chain, plain, local):
            learner.step(Sample(u, target))
    for a, b, c, d in zip(*(x.point.theta.values() for x in (chain, plain, local)), start.theta.values(), strict=True):
        assert float((a - b).abs().max()) <= BOUND
        assert float((a - d).abs().max()) > 1e-3, "the weights moved"
        assert float((a - c).abs().max()) > SEEN, "a local chain on samples that do not wait learns something else"


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_the_gradient_of_an_output_network_is_phi_times_autograds(order):
    layers, u, target = problem(2)
    learner = Learner(OutputNetwork(torch.nn.Sequential(*layers)), mse_loss, Settings(tau=0.5, phi=0.3), order)
    found = learner.gradient(Sample(u, target)).values()
    truth = [g for layer in backprop(layers, u, target) for g in layer]
    assert all(float((a - 0.3 * b).abs().max()) <= BOUND for a, b in zip(found, truth, strict=True))
    assert not any(g.any() for g in learner.gradient(Sample(u)).values()), "no target, no gradient"


@given(sizes=cuts, touched=st.integers(1, 4))
@few
def test_T5_a_group_reads_its_neighbour_below_and_itself_alone(sizes, touched):
    layers, u, _ = problem(sum(sizes))
    chain, G = Chain(layers, sizes), len(sizes)
    touched = min(touched, G)
    h = {name: torch.randn_like(x) for name, x in chain.velocity(u, chain.initial_state(BATCH), 1.0).items()}
    other = h | {f"h{touched}": torch.randn_like(h[f"h{touched}"])}
    before, after = chain.velocity(u, h, 1.0), chain.velocity(u, other, 1.0)
    changed = {name for name in h if not torch.equal(before[name], after[name])}
    assert changed == {f"h{i}" for i in (touched, touched + 1) if i <= G}


def settled_gradient(chain, u, target, steps):
    learner, sample = frozen(chain, tau=0.5), Sample(u, target, end=False)
    for _ in range(steps):
        learner.step(sample)
    return learner.gradient(sample)


def test_T5_skip_connections_change_the_network_and_not_the_theorem():
    layers, u, target = problem(4)
    links = {(1, 3): torch.nn.Linear(layers[0][0].out_features, layers[1][0].out_features)}
    chain = Chain(layers, links=links)
    a, b, c, d = layers
    h1 = a(u)
    y = d(c(b(h1) + links[1, 3](h1)))
    truth = dict(
        zip(
            dict(chain.named_parameters()),
            torch.autograd.grad(mse_loss(y, target), list(chain.parameters())),
            strict=True,
        )
    )
    exact, early = settled_gradient(chain, u, target, 8), settled_gradient(chain, u, target, 7)
    assert max(float((exact[name] - g).abs().max()) for name, g in truth.items()) <= BOUND
    assert max(float((early[name] - g).abs().max()) for name, g in truth.items()) > SEEN
    assert float(truth["links.h1_to_h3.weight"].abs().max()) > SEEN


def test_T5_with_feedback_the_gradient_is_that_of_the_fixed_point():
    """A cycle h3 -> h1: the state settles where h = F(h), the costate where z = Jᵀz + ∂L/∂h (recurrent backprop)."""
    layers, u, target = problem(3)
    back = torch.nn.Linear(OUTPUTS, INPUTS)
    with torch.no_grad():
        back.weight.mul_(0.3)
    chain = Chain(layers, links={(3, 1): back})
    weights = list(chain.parameters())
    y = torch.zeros(BATCH, OUTPUTS)
    for _ in range(400):  # the fixed point, and autograd through all the way to it
        y = layers[2](layers[1](layers[0](u + back(y))))
    truth = torch.autograd.grad(mse_loss(y, target), weights)
    found = settled_gradient(chain, u, target, 500)
    assert max(float((a - b).abs().max()) for a, b in zip(found.values(), truth, strict=True)) <= BOUND
    without = backprop(layers, u, target)[0][0]
    assert float((found["layers.0.0.weight"] - without).abs().max()) > 1e-3, "the cycle counts"
