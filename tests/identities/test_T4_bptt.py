"""T4: the gradient by the reversed stream is autograd's through time; window r is truncated BPTT(r)."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, mse_loss

import hlcore
from hlcore import HLError, Recurrent, Sample, Settings, bptt_gradient
from hlcore.learners.reversed_stream import reversed_costate

BOUND = 1e-10
SEEN = 1e-7  # a difference that round-off cannot make
few = settings(max_examples=25, deadline=None, derandomize=True)


class OwnCell(torch.nn.Module):
    def __init__(self, inputs=3, units=4):
        super().__init__()
        self.w = torch.nn.Linear(inputs + units, units)

    def forward(self, u, h):
        return torch.sin(self.w(torch.cat([u, h], 1)))


class Oscillator(hlcore.Network):
    """A user's own network: h' depends on τ and on two components, y on u too, the start is learned."""

    def __init__(self):
        super().__init__()
        self.spring, self.start = torch.nn.Parameter(torch.randn(4)), torch.nn.Parameter(torch.randn(4))
        self.drive, self.read = torch.nn.Linear(3, 4), torch.nn.Linear(7, 2)

    def initial_state(self, batch_size):
        return {"q": self.start.expand(batch_size, 4), "p": None}

    def velocity(self, u, h, tau):
        q = h["q"]
        p = torch.zeros_like(q) if h["p"] is None else h["p"]
        return {"q": p - 0.1 * q, "p": -torch.tanh(self.spring * q) - 0.5 * p + self.drive(u)}

    def output(self, u, h):
        return self.read(torch.cat([u, h["q"]], 1))


NETWORKS = {
    "rnn": lambda: Recurrent(torch.nn.RNNCell(3, 4), torch.nn.Linear(4, 2)),
    "rnn-leaky": lambda: Recurrent(torch.nn.RNNCell(3, 4), torch.nn.Linear(4, 2), speed=0.8),
    "gru": lambda: Recurrent(torch.nn.GRUCell(3, 4), torch.nn.Linear(4, 2)),
    "lstm": lambda: Recurrent(torch.nn.LSTMCell(3, 4), torch.nn.Linear(4, 2)),
    "own-cell": lambda: Recurrent(OwnCell(), torch.nn.Linear(4, 2), units=4),
    "own-network": Oscillator,
    "rotations-free": lambda: hlcore.Rotations(4, 3, 2, start="free"),
    "dropout": lambda: Recurrent(
        torch.nn.RNNCell(3, 4), torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(4, 2))
    ),
    "batch-norm": lambda: Recurrent(OwnCell(), torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)), 4),
    "chain": lambda: hlcore.Chain(
        [torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)], links={(3, 1): torch.nn.Linear(2, 3)}
    ),
    "chain-delay-free": lambda: hlcore.Chain([torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)], schedule="delay_free"),
    "no-state": lambda: hlcore.OutputNetwork(torch.nn.Linear(3, 2)),
}


def sequence(n, batch=2, seed=0, classes=False, supervised="some", uneven=True):
    """n tokens of one sequence, with uneven times and tokens without target."""
    torch.manual_seed(seed)
    for k in range(n):
        target = torch.randint(0, 2, (batch,)) if classes else torch.randn(batch, 2)
        silent = {"some": k % 3 == 1, "last": k < n - 1, "all": False}[supervised]
        dt = (None, 0.3, 0.7)[k % 3] if uneven else None
        yield Sample(torch.randn(batch, 3), None if silent else target, end=k == n - 1, dt=dt)


def autograd(network, samples, loss, window=None, tau=1.0):
    """The same gradient by autograd through time: the oracle, which knows nothing of costates."""
    torch.manual_seed(99)  # for dropout
    samples = list(samples)
    first = 0 if window is None else max(0, len(samples) - window)
    h, total = network.initial_state(samples[0].batch_size), 0.0
    for k, sample in enumerate(samples):
        if k == first and first:
            h = {name: x.detach() for name, x in h.items()}
        step = tau if sample.dt is None else sample.dt
        v = network.velocity(sample.u, h, step)
        h = {name: step * v[name] if x is None else x + step * v[name] for name, x in h.items()}
        y = network.output(sample.u, h)
        if sample.target is not None and k >= first:
            total = total + loss(y, sample.target)
    theta = dict(network.named_parameters())
    total = total + 0 * sum(p.sum() for p in theta.values())  # a window without targets has a gradient too: zero
    found = torch.autograd.grad(total, list(theta.values()), allow_unused=True)
    return {k: torch.zeros_like(p) if g is None else g for (k, p), g in zip(theta.items(), found, strict=True)}


def by_reversed_stream(network, samples, loss=mse_loss, window=None, tau=1.0):
    torch.manual_seed(99)
    return bptt_gradient(network, samples, loss, window, tau=tau)


def difference(a, b):
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def both(name, n, seed=0, window=None, tau=0.6, loss=mse_loss, **kind):
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    samples = list(sequence(n, seed=seed, classes=loss is cross_entropy, **kind))
    mine = by_reversed_stream(network, samples, loss, window, tau)
    return mine, autograd(copy.deepcopy(network), samples, loss, window, tau)


@pytest.mark.parametrize("loss", [mse_loss, cross_entropy])
@pytest.mark.parametrize("name", NETWORKS)
def test_T4_the_reversed_stream_gives_the_gradient_through_time(name, loss):
    mine, truth = both(name, 7, loss=loss)
    assert difference(mine, truth) <= BOUND
    assert max(float(x.abs().max()) for x in truth.values()) > 1e-3, "there is a gradient to agree on"


@given(name=st.sampled_from(list(NETWORKS)), n=st.integers(1, 9), window=st.integers(1, 10), seed=st.integers(0, 99))
@few
def test_T4_window_r_is_truncated_bptt_r(name, n, window, seed):
    torch.set_default_dtype(torch.float64)
    mine, truth = both(name, n, seed, window)
    assert difference(mine, truth) <= BOUND


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "own-cell", "own-network"])
@pytest.mark.parametrize("supervised", ["last", "all"])
def test_T4_a_longer_window_sees_more_until_it_sees_all(name, supervised):
    whole, _ = both(name, 6, supervised=supervised)
    apart = [difference(both(name, 6, window=r, supervised=supervised)[0], whole) for r in (1, 3, 5, 6, 60)]
    assert all(x > SEEN for x in apart[:3])
    assert apart[3:] == [0.0, 0.0]


def test_T4_a_token_without_target_has_no_loss():
    network = NETWORKS["gru"]()
    samples = list(sequence(6))
    silent = [Sample(s.u, None, s.end, s.dt) for s in samples]
    assert all(float(x.abs().max()) == 0 for x in bptt_gradient(network, silent, mse_loss).values())
    one = [*silent[:3], samples[3], *silent[4:]]
    assert difference(bptt_gradient(network, one, mse_loss), autograd(network, one, mse_loss)) <= BOUND
    assert difference(bptt_gradient(network, one, mse_loss), bptt_gradient(network, samples, mse_loss)) > SEEN


def test_T4_gradient_steps_move_the_weights_as_sgd_on_bptt():
    network = NETWORKS["lstm"]()
    twin, start = copy.deepcopy(network), copy.deepcopy(network)
    sgd = torch.optim.SGD(twin.parameters(), lr=0.1)
    for k in range(30):
        samples = list(sequence(5, seed=k))
        with torch.no_grad():
            for p, g in zip(network.parameters(), bptt_gradient(network, samples, mse_loss).values(), strict=True):
                p -= 0.1 * g
        for p, g in zip(twin.parameters(), autograd(twin, samples, mse_loss).values(), strict=True):
            p.grad = g
        sgd.step()
    pairs = zip(network.parameters(), twin.parameters(), start.parameters(), strict=True)
    for p, q, before in pairs:
        assert float((p - q).detach().abs().max()) <= BOUND
        assert float((p - before).detach().abs().max()) > 1e-3


def explicit(network, samples, eta, eta_z, phi, tau):
    """The recursion of P, eq. 24-27 with whole Jacobians, for h⁺ = A h + B u, y = C h, L = |y - ŷ|²/2."""
    A, B, C = network.a, network.b, network.c
    h = [torch.zeros(2)]
    for s in samples:
        h.append(A @ h[-1] + B @ s.u[0])
    z, W = torch.zeros(2), {"a": torch.zeros(2, 2), "b": torch.zeros(2, 3), "c": torch.zeros(2, 2)}
    for q in reversed(range(len(samples))):
        error = C @ h[q + 1] - samples[q].target[0]
        J = A.T @ z if q < len(samples) - 1 else torch.zeros(2)
        z = tau * phi * C.T @ error + J - tau * eta_z * z
        shares = {"a": torch.outer(z, h[q]), "b": torch.outer(z, samples[q].u[0])}
        shares["c"] = tau * phi * torch.outer(error, h[q + 1])
        W = {k: W[k] + shares[k] - tau * eta * W[k] for k in W}
    return W


class Linear(hlcore.Network):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (torch.nn.Parameter(torch.randn(2, n)) for n in (2, 3, 2))

    def initial_state(self, batch_size):
        return {"h": torch.zeros(batch_size, 2)}

    def velocity(self, u, h, tau):
        return {"h": (h["h"] @ self.a.T + u @ self.b.T - h["h"]) / tau}

    def output(self, u, h):
        return h["h"] @ self.c.T


def half_square(y, target):
    return (y - target).square().sum() / 2


@pytest.mark.parametrize(("eta", "eta_z"), [(0.0, None), (0.4, None), (0.4, 0.0), (0.0, 0.7), (1.5, 0.2)])
def test_T4_with_dissipation_the_recursion_of_the_paper(eta, eta_z):
    network, samples = Linear(), list(sequence(6, batch=1, supervised="all", uneven=False))
    law = Settings(tau=0.5, eta=eta, eta_z=eta_z, phi=1.3)
    mine = reversed_costate(network, samples, half_square, law)
    with torch.no_grad():
        truth = explicit(network, samples, eta, law.dissipation_z, 1.3, 0.5)
    assert difference(mine, truth) <= BOUND
    undamped = reversed_costate(network, samples, half_square, law.replace(eta=0.0, eta_z=0.0))
    assert difference(mine, undamped) > SEEN or (eta, eta_z) == (0.0, None)


@pytest.mark.parametrize("touched", [{}, {"eta": 1e-3}, {"eta_z": 1e-3}, {"phi": 2.001}])
def test_T4_bptt_is_the_case_of_eta_zero_and_phi_one_over_tau(touched):
    network, samples = NETWORKS["own-network"](), list(sequence(6, uneven=False))
    law = Settings(**{"tau": 0.5, "eta": 0.0, "phi": 2.0} | touched)
    apart = difference(reversed_costate(network, samples, mse_loss, law), autograd(network, samples, mse_loss, tau=0.5))
    assert apart > SEEN if touched else apart <= BOUND


def test_T4_nothing_is_disturbed():
    network = NETWORKS["batch-norm"]()
    before, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    samples = list(sequence(4))
    torch.set_rng_state(generator)
    bptt_gradient(network, samples, mse_loss)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


def test_T4_a_frozen_weight_has_no_gradient_and_changes_no_other():
    network = NETWORKS["gru"]()
    samples = list(sequence(5))
    whole = bptt_gradient(network, samples, mse_loss)
    network.cell.weight_hh.requires_grad_(False)
    rest = bptt_gradient(network, samples, mse_loss)
    assert whole.keys() - rest.keys() == {"cell.weight_hh"}
    assert difference(rest, {name: whole[name] for name in rest}) == 0


def test_T4_bad_input_is_told():
    network, tokens = NETWORKS["rnn"](), list(sequence(3))
    unmarked = [Sample(s.u, s.target, dt=s.dt) for s in tokens]
    assert difference(bptt_gradient(network, unmarked, mse_loss), bptt_gradient(network, tokens, mse_loss)) == 0
    for bad, word in (([], "no sample"), ([*tokens, *tokens], "one sequence"), ([1], "Sample"), (7, "iterable")):
        with pytest.raises(HLError, match=word):
            bptt_gradient(network, bad, mse_loss)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(HLError, match="window"):
            bptt_gradient(network, tokens, mse_loss, window=wrong)
