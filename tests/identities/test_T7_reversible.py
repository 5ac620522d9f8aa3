"""T7: Reversible gives autograd's gradient, and what it saves does not grow with depth."""

import copy
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, OutputNetwork, Reversible, Sample, Settings, is_reversible, saved_bytes

BOUND = {torch.float64: 1e-9, torch.float32: 1e-4}
VARIANTS = ["midpoint", "leapfrog"]
few = settings(max_examples=15, deadline=None, derandomize=True)


class Skew(nn.Module):
    """f = tanh((W - Wᵀ)h + b): rotations, home of the midpoint rule."""

    def __init__(self, n):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(n, n) / n**0.5), nn.Parameter(torch.randn(n) / 10)

    def forward(self, h):
        return torch.tanh(h @ (self.w - self.w.T) + self.b)


class Well(Skew):
    """f = -Wᵀ tanh(W h + b), a force towards rest: home of the leapfrog."""

    def forward(self, h):
        return -torch.tanh(h @ self.w + self.b) @ self.w.T


class Leak(Skew):
    """f = -h + tanh(W h + b), dissipative: the midpoint rule's parasitic mode grows as e^{τk}."""

    def forward(self, h):
        return -h + torch.tanh(h @ self.w + self.b)


HOME = {"midpoint": Skew, "leapfrog": Well}


def chain(variant, depth, n=6, tau=0.05, dtype=torch.float64, block=None, keep=1):
    torch.manual_seed(depth)
    make = HOME[variant] if block is None else block
    return Reversible([make(n) for _ in range(depth)], tau, variant, keep=keep).to(dtype)


def gradients(function, h, weights, seed=0):
    """(∂/∂h, ∂/∂weights) of a loss without symmetry; the same draws for the same seed."""
    torch.manual_seed(seed)
    h = h.clone().requires_grad_()
    y = function(h)
    loss = mse_loss(y, torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape))
    return torch.autograd.grad(loss, (h, *weights))


def relative(a, b):
    """Largest difference of two lists of tensors, in units of the largest entry of the second."""
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True)) / max(float(y.abs().max()) for y in b)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_the_gradient_is_autograds_at_depth_256(variant, dtype):
    network = chain(variant, 256, dtype=dtype)
    h, weights = torch.randn(3, 6, dtype=dtype), list(network.parameters())
    found, truth = gradients(network, h, weights), gradients(network.stored, h, weights)
    assert relative(found, truth) <= BOUND[dtype]
    assert network.drift is not None and network.drift <= BOUND[dtype]
    assert min(float(g.abs().max()) for g in truth) > 1e-6, "every weight has a gradient"
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.blocks[100].b.add_(0.05)
    assert relative(gradients(other, h, list(other.parameters())), truth) > 10 * BOUND[dtype], "another chain differs"


@given(
    depth=st.integers(1, 12),
    n=st.integers(1, 5),
    tau=st.sampled_from([0.01, 0.2, 0.6]),
    variant=st.sampled_from(VARIANTS),
    block=st.sampled_from([Skew, Well, Leak]),
    keep=st.integers(0, 4),
)
@few
def test_T7_for_any_depth_width_step_block_and_keep(depth, n, tau, variant, block, keep):
    network = chain(variant, depth, n, tau, block=block, keep=keep)
    h, weights = torch.randn(2, n, dtype=torch.float64), list(network.parameters())
    assert torch.equal(network(h), network.stored(h)), "the way up is the same"
    assert relative(gradients(network, h, weights), gradients(network.stored, h, weights)) <= BOUND[torch.float64]


@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_the_gradient_is_that_of_finite_differences(variant):
    network = chain(variant, 5, n=3, tau=0.3)
    assert torch.autograd.gradcheck(network, torch.randn(2, 3, requires_grad=True))


@pytest.mark.parametrize("keep", [0, 1, 2])
@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_saved_activations_do_not_grow_from_depth_8_to_256(variant, keep):
    found, stored = {}, {}
    h = torch.randn(3, 6, requires_grad=True)
    state = h.numel() * 8
    for depth in (8, 16, 32, 64, 128, 256):
        network = chain(variant, depth, keep=keep)
        weights = list(network.parameters())
        found[depth] = saved_bytes(network, h, besides=weights)
        stored[depth] = saved_bytes(network.stored, h, besides=weights)
    one = saved_bytes(network.blocks[0], h, besides=weights)
    shared = state if variant == "midpoint" and keep else 0  # the last block's input h_{K-1} is m_K itself
    assert set(found.values()) == {3 * state + keep * one - shared}, "three states and `keep` blocks"
    assert stored[256] > 30 * stored[8] > 60 * found[8], "autograd's own do grow"


def most_bytes(function, h, besides):
    """The most bytes of activations that autograd holds at one time, from the forward to the end of the backward."""
    there = {x.untyped_storage().data_ptr() for x in besides}
    held, most = Counter(), 0

    class Held:
        def __init__(self, x):
            nonlocal most
            storage = x.untyped_storage()
            self.x, self.key = x, (storage.data_ptr(), storage.nbytes())
            held[self.key] += 1
            most = max(most, sum(size for (address, size), n in held.items() if n and address not in there))

        def __del__(self):
            held[self.key] -= 1

    with torch.autograd.graph.saved_tensors_hooks(Held, lambda kept: kept.x):
        function(h).sum().backward()
    assert not any(held.values()), "all is given back"
    return most


@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_to_keep_the_last_block_costs_no_peak(variant):
    h = torch.randn(3, 6, requires_grad=True)
    most = []
    for keep in (0, 1, 2, 3):
        network = chain(variant, 12, keep=keep)
        most.append(most_bytes(network, h, list(network.parameters())))
    assert most[0] == most[1] < most[2] < most[3]
    assert most[3] < most_bytes(network.stored, h, list(network.parameters())) / 2


@pytest.mark.parametrize("keep", [0, 1, 3, 9])
@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_a_block_runs_once_on_the_way_back_or_not_at_all(variant, keep):
    network, runs = chain(variant, 5, keep=keep), Counter()
    for k, block in enumerate(network.blocks):
        block.register_forward_hook(lambda module, inputs, out, k=k: runs.update([k]))
    h, weights = torch.randn(2, 6, requires_grad=True), list(network.parameters())
    loss = network(h).square().sum()
    assert runs == dict.fromkeys(range(5), 1)
    first = torch.autograd.grad(loss, (h, *weights), retain_graph=True)
    assert runs == {k: 2 if k < 5 - keep else 1 for k in range(5)}
    again = torch.autograd.grad(loss, (h, *weights))
    assert runs == {k: 3 if k < 5 - keep else 2 for k in range(5)}, "a kept graph serves once"
    truth = torch.autograd.grad(network.stored(h).square().sum(), (h, *weights))
    assert relative(first, truth) <= 1e-13 and relative(again, truth) <= 1e-13
    assert relative(first, [2 * g for g in truth]) > 0.1


def test_T7_without_a_gradient_nothing_is_saved():
    network, h = chain("midpoint", 5, keep=2), torch.randn(2, 6)
    assert saved_bytes(network, h) > 0
    with torch.no_grad():
        assert torch.equal(network(h), network.stored(h)) and not network(h).requires_grad
    assert saved_bytes(network.requires_grad_(False), h) == 0


def by_hand(network, h, tau, variant):
    before, now = None, h
    for f in network.blocks:
        if variant == "midpoint":
            before, now = now, now + tau * f(now) if before is None else before + 2 * tau * f(now)
        else:
            before, now = now, now + tau**2 / 2 * f(now) if before is None else 2 * now - before + tau**2 * f(now)
    return now


@pytest.mark.parametrize("variant", VARIANTS)
def test_T7_the_chain_is_the_two_step_rule_it_names(variant):
    network, h = chain(variant, 9, tau=0.3), torch.randn(3, 6)
    assert float((network(h) - by_hand(network, h, 0.3, variant)).detach().abs().max()) <= 1e-14
    other = "leapfrog" if variant == "midpoint" else "midpoint"
    assert float((network(h) - by_hand(network, h, 0.3, other)).detach().abs().max()) > 0.1


class Turn(nn.Module):
    """f = A h with A skew-symmetric: h(t) = e^{At} h(0)."""

    def __init__(self, n):
        super().__init__()
        w = torch.randn(n, n, generator=torch.Generator().manual_seed(0))
        self.a = nn.Parameter(w - w.T)

    def forward(self, h):
        return h @ self.a.T


def test_T7_500_steps_of_a_rotation_are_walked_back_to_round_off():
    block = Turn(6)
    network, h = Reversible([block] * 500, 0.01), torch.randn(3, 6)
    assert network.walk_back(h) < 1e-13
    exact = h @ torch.linalg.matrix_exp(block.a * 500 * 0.01).T
    twice = Reversible([block] * 1000, 0.005)
    errors = [float((x(h) - exact).detach().abs().max()) for x in (network, twice)]
    assert 3.6 < errors[0] / errors[1] < 4.4, "order two"


@pytest.mark.parametrize("dtype", BOUND)
def test_T7_dissipative_blocks_are_refused_by_name_and_leave_no_gradient(dtype):
    network = chain("midpoint", 256, tau=0.1, dtype=dtype, block=Leak)
    h = torch.randn(3, 6, dtype=dtype)
    with pytest.raises(HLError, match=r"drift of .* 256 blocks .*leapfrog"):
        network(h).sum().backward()
    assert all(p.grad is None for p in network.parameters())
    assert network.drift is not None and not network.drift < 1e-3
    assert not is_reversible(network, (3, 6))
    settled = chain("leapfrog", 256, tau=0.1, dtype=dtype, block=Leak)
    weights = list(settled.parameters())
    assert relative(gradients(settled, h, weights), gradients(settled.stored, h, weights)) <= BOUND[dtype]


@pytest.mark.parametrize("tau", [0.01, 0.02, 0.04, 0.06, 0.1])
def test_T7_the_drift_tells_the_error_of_the_gradient(tau):
    network = chain("midpoint", 256, tau=tau, block=Leak)
    network.tolerance = 1e300
    h, weights = torch.randn(3, 6), list(network.parameters())
    error = relative(gradients(network, h, weights), gradients(network.stored, h, weights))
    assert network.drift is not None
    assert network.drift / 30 < error < 30 * network.drift
    assert 0.1 < network.walk_back(h) / network.drift < 10, "walk_back foretells it"


@pytest.mark.parametrize(
    ("block", "tau", "variant", "answer"),
    [
        (Skew, 0.1, "midpoint", True),
        (Well, 0.1, "leapfrog", True),
        (Leak, 0.1, "leapfrog", True),
        (Leak, 0.1, "midpoint", False),
        (Leak, 0.01, "midpoint", True),
        (Well, 3.0, "leapfrog", False),
    ],
)
def test_is_reversible(block, tau, variant, answer):
    torch.manual_seed(0)
    generator = torch.get_rng_state()
    module = block(6)
    generator = torch.get_rng_state()
    assert is_reversible(module, (4, 6), tau=tau, variant=variant) is answer
    assert torch.equal(torch.get_rng_state(), generator)


def normed(n):
    return nn.Sequential(nn.Linear(n, n), nn.BatchNorm1d(n), nn.Tanh())


def dropped(n):
    return nn.Sequential(Skew(n), nn.Dropout(0.3))


def late_in_place(n):
    return nn.Sequential(nn.Linear(n, n), nn.ReLU(inplace=True))


@pytest.mark.parametrize("keep", [0, 1, 20])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("make", [normed, dropped, late_in_place])
def test_T7_batch_norm_dropout_and_in_place_layers(make, variant, keep):
    network = chain(variant, 20, block=make, keep=keep)
    twin, h = copy.deepcopy(network), torch.randn(5, 6)
    found = gradients(network, h, list(network.parameters()), seed=3)
    assert relative(found, gradients(twin.stored, h, list(twin.parameters()), seed=3)) <= BOUND[torch.float64]
    for a, b in zip(network.buffers(), twin.buffers(), strict=True):
        assert torch.equal(a, b), "a batch counts once"
    torch.manual_seed(3)
    first, again = network(h), network(h)
    assert torch.equal(first, again) == (make is not dropped), "the next pass draws anew"
    network.eval()
    h = h.clone().requires_grad_()
    assert torch.equal(network(h), network(h))
    network(h).sum().backward()


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_every_block_has_its_own_draw_and_the_way_back_repeats_it(keep):
    masks: list[torch.Tensor] = []
    network = Reversible([nn.Dropout(0.5) for _ in range(6)], 0.1, keep=keep)
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, out: masks.append(out == 0))
    h = torch.ones(4, 50, requires_grad=True)
    network(h).sum().backward()
    up, back = masks[:6], masks[6:][::-1]
    assert all(torch.equal(a, b) for a, b in zip(up[: 6 - keep], back, strict=True))
    assert not any(torch.equal(a, b) for a, b in pairwise(up))


def test_T7_tied_frozen_and_unused_weights():
    torch.manual_seed(0)
    block, other = Skew(6), Skew(6)
    other.w.requires_grad_(False)
    other.register_parameter("idle", nn.Parameter(torch.ones(2)))
    network, h = Reversible([block, other, block, block], 0.3), torch.randn(2, 6)
    for function in (network, network.stored):
        network.zero_grad()
        function(h).square().sum().backward()
        if function == network:
            found = {name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()}
    for name, p in network.named_parameters():
        assert (p.grad is None) == (found[name] is None)
        assert p.grad is None or float((p.grad - found[name]).abs().max()) < 1e-13
    assert found["blocks.1.idle"] is None and found["blocks.1.w"] is None and float(found["blocks.0.w"].abs().max()) > 0


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_T7_a_learner_does_not_notice(order):
    class Stored(Reversible):
        forward = Reversible.stored

    start, ends, kept = None, [], []
    for kind in (Reversible, Stored):
        torch.manual_seed(0)
        module = nn.Sequential(kind([Skew(6) for _ in range(12)], 0.2), nn.Linear(6, 2))
        learner = Learner(OutputNetwork(module), mse_loss, Settings(beta=0.1, eta=0.5), order)
        start = learner.point.clone()
        for _ in range(50):
            learner.step(Sample(torch.randn(4, 6), torch.randn(4, 2)))
        ends.append(learner.point)
        kept.append(saved_bytes(module, torch.randn(4, 6), besides=module.parameters()))
    for name, x in ends[0].theta.items():
        assert float((x - ends[1].theta[name]).abs().max()) <= 1e-12
        assert float((x - start.theta[name]).abs().max()) > 1e-3
    assert kept[0] < kept[1] / 5


class Draws(nn.Module):
    def forward(self, h):
        return h * torch.rand(())


class Widens(nn.Module):
    def forward(self, h):
        return torch.cat([h, h], 1)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: nn.ReLU(inplace=True), "in place"),
        (Draws, "random"),
        (Widens, "shape"),
        (lambda: nn.Linear(6, 1), "shape"),
    ],
)
def test_what_cannot_be_walked_back_is_refused_with_a_reason(make, word):
    block = make()
    for keep in (0, 1, 2):
        network = Reversible([Skew(6), block], 0.1, keep=keep)
        with pytest.raises(HLError, match=word):
            network(torch.randn(2, 6))
    assert not is_reversible(block, (2, 6))


def test_a_blocks_own_error_is_passed_on():
    with pytest.raises(RuntimeError, match="multiplied"):
        Reversible([Skew(6), nn.Linear(5, 6)], 0.1)(torch.randn(2, 6))


def test_weights_that_move_between_forward_and_backward_are_told():
    network = chain("midpoint", 4)
    y = network(torch.randn(2, 6)).sum()
    with torch.no_grad():
        network.blocks[1].b.add_(1.0)
    with pytest.raises(HLError, match="moved"):
        y.backward()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tau": 0}, "> 0"),
        ({"tau": "small"}, "tau"),
        ({"blocks": []}, "at least one"),
        ({"blocks": nn.Linear(2, 2)}, "list of modules"),
        ({"blocks": [3]}, "block 0"),
        ({"variant": "leap-frog"}, "did you mean 'leapfrog'"),
        ({"tolerance": -1}, "tolerance"),
        ({"keep": -1}, "keep"),
        ({"keep": 1.5}, "keep"),
    ],
)
def test_bad_construction_is_told(change, word):
    with pytest.raises(HLError, match=word):
        Reversible(**({"blocks": [nn.Linear(2, 2)], "tau": 0.1} | change))


def test_bad_input_is_told():
    network = Reversible([nn.Linear(2, 2).half()], 0.1)
    for h in (torch.zeros(1, 2).half(), torch.zeros(1, 2).long(), "h"):
        with pytest.raises(HLError, match="float32 or float64"):
            network(h)
    with pytest.raises(HLError, match="shape"):
        is_reversible(nn.Linear(3, 3), (2, 4))
