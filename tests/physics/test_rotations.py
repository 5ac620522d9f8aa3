"""Networks for endless time: norm kept, steps undone, drives exact, derivatives those of finite differences."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, Sample, Settings, bptt_gradient
from hlcore.networks import Antisymmetric, FactoredReadout, KeyedReadout, Recurrent, Rotations, choir

few = settings(max_examples=20, deadline=None, derandomize=True)
KINDS = {
    "rotations": lambda **k: Rotations(5, 3, 2, top=9.0, **k),
    "antisymmetric": lambda **k: Antisymmetric(7, 3, 2, **k),
}


def network_of(kind, seed=0, **options):
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    return KINDS[kind](**options)


def after(network, u, h, tau):
    return h + tau * network.velocity(u, {"h": h}, tau)["h"]


@torch.no_grad()
def free_step(network, h, tau):
    return after(network, torch.zeros(len(h), 3), h, tau)


def generator(network):
    """A of h' = A h + B u, written out."""
    if isinstance(network, Antisymmetric):
        return (network.W - network.W.T) / 2
    n, w = network.units, torch.diag(network.frequency)
    A = torch.zeros(2 * n, 2 * n)
    A[:n, n:], A[n:, :n] = w, -w
    return A


@given(kind=st.sampled_from(list(KINDS)), tau=st.floats(1e-3, 50.0), seed=st.integers(0, 99))
@few
def test_the_norm_is_kept_and_a_step_is_undone_by_a_step_back(kind, tau, seed):
    network = network_of(kind, seed, start="clock")
    h = torch.randn(2, network.width)
    forth = free_step(network, h, tau)
    assert float((forth.norm(dim=1) - h.norm(dim=1)).abs().max()) <= 1e-12
    assert float((forth - h).abs().max()) > 1e-9
    assert float((free_step(network, forth, -tau) - h).abs().max()) <= 1e-11


@pytest.mark.parametrize("kind", KINDS)
def test_the_norm_is_kept_for_ten_thousand_steps_and_a_leaky_cell_forgets(kind):
    network = network_of(kind, start="free")
    u = torch.rand(1, 3)
    with torch.no_grad():
        h = 0.1 * network.velocity(u, {"h": None}, 0.1)["h"]
        assert torch.allclose(h, network.B(u) / u.sum())
        start = float(h.norm())
        for _ in range(10_000):
            h = after(network, u, h, 0.1)
        assert abs(float(h.norm()) - start) <= 1e-10 * start
        leaky, x = Recurrent(torch.nn.RNNCell(3, 5, bias=False), torch.nn.Linear(5, 1), speed=0.5), torch.ones(1, 5)
        for _ in range(1000):
            x = after(leaky, torch.zeros(1, 3), x, 0.1)
        assert float(x.norm()) < 0.1 * 5**0.5


@given(kind=st.sampled_from(list(KINDS)), tau=st.floats(1e-3, 20.0), still=st.booleans(), seed=st.integers(0, 99))
@few
def test_a_step_is_exact_with_a_constant_drive_also_where_a_block_stands(kind, tau, still, seed):
    """The oracle: the exponential of the whole affine system, (A, Bu; 0, 0)."""
    network = network_of(kind, seed)
    with torch.no_grad():
        if still:
            (network.frequency if kind == "rotations" else network.W)[:2] = 0.0
        u, h, n = torch.randn(1, 3), torch.randn(1, network.width), network.width
        affine = torch.zeros(n + 1, n + 1)
        affine[:n, :n], affine[:n, n] = generator(network), network.B(u)[0]
        expected = (torch.linalg.matrix_exp(affine * tau) @ torch.cat([h[0], torch.ones(1)]))[:n]
        found = after(network, u, h, tau)[0]
        assert float((found - expected).abs().max()) <= 1e-10 * (1 + tau)
        two = after(network, u, after(network, u, h, tau / 2), tau / 2)[0]
        assert float((found - two).abs().max()) <= 1e-10 * (1 + tau), "two halves are a whole"
        euler = (h + tau * (h @ generator(network).T + network.B(u)))[0]
        assert float((found - euler).abs().max()) > 1e-9, "one Euler step is not"


@pytest.mark.parametrize("start", ["rest", "free", "clock"])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_finite_differences(kind, start):
    network = network_of(kind, start=start, sigma=torch.tanh)
    u, h = torch.rand(2, 3) + 0.5, torch.randn(2, network.width, requires_grad=True)

    def function(h, *theta):
        named = dict(zip(dict(network.named_parameters()), theta, strict=True))
        return torch.func.functional_call(_Both(network), {f"n.{k}": p for k, p in named.items()}, (u, h))

    theta = [p.detach().clone().requires_grad_() for p in network.parameters()]
    assert torch.autograd.gradcheck(function, (h, *theta))


class _Both(torch.nn.Module):
    """Velocity and output as one function."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, u, h):
        return self.n.velocity(u, {"h": h}, 0.3)["h"], self.n.output(u, {"h": h})


def plain_turn(h, frequency, tau):
    """The rotation as method.md writes it, differentiated by autograd."""
    h1, h2 = h.chunk(2, 1)
    c, s = torch.cos(frequency * tau), torch.sin(frequency * tau)
    return (torch.cat([c * h1 + s * h2, -s * h1 + c * h2], 1) - h) / tau


@given(tau=st.floats(0.01, 5.0), batch=st.integers(1, 4), seed=st.integers(0, 99))
@few
def test_the_derivative_by_hand_is_autograds(tau, batch, seed):
    network = network_of("rotations", seed, start="clock")
    h, g = (torch.randn(batch, network.width) for _ in range(2))
    found = []
    for turn in (network.free, lambda h, tau: plain_turn(h, network.frequency, tau)):
        leaf = h.clone().requires_grad_()
        v = turn(leaf, tau)
        found.append([v.detach(), *torch.autograd.grad(v, (leaf, network.frequency), g)])
    for a, b in zip(*found, strict=True):
        assert float((a - b).abs().max()) <= 1e-12 * (1 + 1 / tau)
    assert float(found[0][2].abs().max()) > 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_through_time_as_any_network(kind):
    """T4 for a driven network, and forward learning moves every weight."""
    network = network_of(kind)
    samples = [Sample(torch.randn(2, 3), torch.randn(2, 2), end=k == 5) for k in range(6)]
    h, total = torch.zeros(2, network.width), 0.0
    for s in samples:
        h = after(network, s.u, h, 0.4)
        total = total + mse_loss(network.output(s.u, {"h": h}), s.target)
    theta = dict(network.named_parameters())
    truth = dict(zip(theta, torch.autograd.grad(total, list(theta.values())), strict=True))
    mine = bptt_gradient(network, samples, mse_loss, tau=0.4)
    assert max(float((mine[k] - truth[k]).abs().max()) for k in truth) <= 1e-10
    before = copy.deepcopy(network.state_dict())
    Learner(network, mse_loss, Settings(tau=0.1, eta=1.0, beta=0.1)).run(samples)
    assert all(float((x - before[k]).abs().max()) > 0 for k, x in network.state_dict().items())


def test_the_keyed_readout_uses_its_nearest_memory_and_moves_that_key_alone():
    torch.manual_seed(0)
    readout = KeyedReadout(3, 4, 2, memories=5, step=0.3)
    u, h, before = torch.randn(1, 3), torch.randn(1, 4), readout.keys.clone()
    x = u / u.norm()
    winner = int((before @ x[0]).argmax())
    readout.eval()
    y = readout(u, h)
    assert torch.equal(y, h @ readout.M[winner].T) and torch.equal(readout.keys, before)
    assert float((y - h @ readout.M[(winner + 1) % 5].T).abs().max()) > 1e-3
    g = torch.autograd.grad(y.sum(), readout.M)[0]
    assert [bool(row.any()) for row in g] == [k == winner for k in range(5)]
    readout.train()
    readout(u, h)
    moved = before[winner] + 0.3 * x[0]
    assert torch.allclose(readout.keys[winner], moved / moved.norm())
    others = [k for k in range(5) if k != winner]
    assert torch.equal(readout.keys[others], before[others])
    batch = torch.randn(6, 3)
    readout.eval()
    alone = torch.cat([readout(row[None], h) for row in batch])
    assert torch.allclose(readout(batch, h.expand(6, 4)), alone)


def test_the_choir_is_its_formula_and_an_unheard_combination_is_shape_times_factor():
    torch.manual_seed(0)
    readout = FactoredReadout(4, 5, active=2)
    with torch.no_grad():
        for p in readout.parameters():
            p.normal_()
    d, h = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]]), torch.randn(2, 5)
    out = readout(d, h)
    for b, (i, k) in enumerate(((0, 2), (1, 3))):
        v = [readout.amplitude[f].exp() * readout.M[s] @ h[b] for f, s in ((i, k), (k, i))]
        rho = torch.softmax(readout.trust[[i, k]], 0)
        assert torch.allclose(out[b], torch.stack([rho[0] * v[0] + rho[1] * v[1], *v, *rho]))
    target = torch.randn(2, 1)
    by_hand = sum((1 + out[b, 3 + k]) * (out[b, 1 + k] - target[b, 0]) ** 2 for b in range(2) for k in range(2)) / 2
    assert torch.allclose(choir(out, target), by_hand)
    same = readout(d, h)
    assert torch.equal(same, out), "the remembered descriptor gives the same"
    d[0] = torch.tensor([0.0, 1, 1, 0])
    assert float((readout(d, h)[0] - out[0]).abs().max()) > 1e-3, "one changed in place does not"


@pytest.mark.parametrize("batch", [1, 3])
def test_the_choirs_derivative_by_hand_is_that_of_finite_differences(batch):
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(batch)
    readout = FactoredReadout(5, 4, active=3)
    d = torch.zeros(batch, 5).scatter_(1, torch.rand(batch, 5).argsort(1)[:, :3], 1.0)
    theta = [torch.randn_like(p).requires_grad_() for p in readout.parameters()]
    h = torch.randn(batch, 4, requires_grad=True)

    def function(h, *theta):
        return torch.func.functional_call(readout, dict(zip(("M", "amplitude", "trust"), theta, strict=True)), (d, h))

    assert torch.autograd.gradcheck(function, (h, *theta))
    assert all(float(g.abs().max()) > 0 for g in torch.autograd.grad(function(h, *theta)[:, 0].sum(), (h, *theta)))


def test_bad_input_is_told():
    for make, word in (
        (lambda: Rotations(0, 3, 2), "units"),
        (lambda: Rotations(4, 3, 2, top=-1.0), "top"),
        (lambda: Rotations(4, 3, 2, start="fre"), "'free'"),
        (lambda: Rotations(4, 3, 2, spread="evn"), "'even'"),
        (lambda: Rotations(4, 3, 2, sigma=3), "sigma"),
        (lambda: Antisymmetric(4, 3, 2, readout=torch.tanh), "readout"),
        (lambda: KeyedReadout(3, 4, 2, memories=0), "memories"),
        (lambda: FactoredReadout(2, 4, active=3), "active"),
        (lambda: FactoredReadout(4, 4, active=3)(torch.tensor([[1.0, 1, 0, 0]]), torch.ones(1, 4)), "tokens"),
    ):
        with pytest.raises(HLError, match=word):
            make()
