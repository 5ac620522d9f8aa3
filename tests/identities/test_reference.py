"""The fast learner is the reference: 100 steps, every network, both orders, to 1e-12 (float64)."""

import copy
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

import hlcore
from hlcore import Sample, Settings, reference
from hlcore.law import differentiate as engine
from hlcore.networks import KeyedReadout, Rotations

BOUND = 1e-12


class Oscillator(hlcore.Network):
    """A user's own network: two coupled components, an input, a state that starts at one, a readout."""

    def __init__(self):
        super().__init__()
        self.spring = torch.nn.Parameter(torch.randn(4))
        self.drive = torch.nn.Linear(4, 4)
        self.read = torch.nn.Linear(4, 3)

    def initial_state(self, batch_size):
        return {"q": torch.ones(batch_size, 4), "p": None}

    def velocity(self, u, h, tau):
        q = h["q"]
        p = torch.zeros_like(q) if h["p"] is None else h["p"]
        return {"q": p - 0.1 * q, "p": -torch.tanh(self.spring * q) - 0.5 * p + self.drive(u)}

    def output(self, u, h):
        return self.read(h["q"])


class OwnCell(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Linear(4 + 5, 5)

    def forward(self, u, h):
        return torch.sin(self.w(torch.cat([u, h], 1)))


def mlp(*sizes):
    layers = [torch.nn.Linear(sizes[0], sizes[1])]
    for a, b in pairwise(sizes[1:]):
        layers += [torch.nn.Tanh(), torch.nn.Linear(a, b)]
    return torch.nn.Sequential(*layers)


NETWORKS = {
    "output": lambda: hlcore.OutputNetwork(mlp(4, 6, 3)),
    "state": lambda: hlcore.StateNetwork(mlp(4, 6, 3)),
    "state-readout": lambda: hlcore.StateNetwork(mlp(4, 6, 5), torch.nn.Linear(5, 3)),
    "rnn": lambda: hlcore.Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3)),
    "rnn-leaky": lambda: hlcore.Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3), speed=0.8),
    "gru": lambda: hlcore.Recurrent(torch.nn.GRUCell(4, 5), torch.nn.Linear(5, 3)),
    "lstm": lambda: hlcore.Recurrent(torch.nn.LSTMCell(4, 5), torch.nn.Linear(5, 3)),
    "own-cell": lambda: hlcore.Recurrent(OwnCell(), torch.nn.Linear(5, 3), units=5),
    "own-network": Oscillator,
    "rotations-by-hand": lambda: Rotations(5, 4, 3, start="clock", readout=KeyedReadout(4, 10, 3, memories=4)),
    "chain-local": lambda: hlcore.Chain(mlp(4, 6, 5, 3)),
    "chain-groups": lambda: hlcore.Chain(mlp(4, 6, 5, 3), (3, 2), links={(2, 1): torch.nn.Linear(3, 4)}),
}


def stream(steps=100, classes=False, every_end=7):
    """Uneven times, times without supervision, sequence ends."""
    generator = torch.Generator().manual_seed(5)
    for k in range(steps):
        u = torch.randn(2, 4, generator=generator)
        target = torch.randint(0, 3, (2,), generator=generator) if classes else torch.randn(2, 3, generator=generator)
        yield Sample(u, None if k % 5 == 4 else target, end=k % every_end == every_end - 1, dt=(None, 0.3, 0.7)[k % 3])


def difference(network, settings, order, loss=mse_loss, break_with=None, **kind):
    """(largest difference between learner and reference over all quantities and steps, how far the weights moved)."""
    fast, slow = copy.deepcopy(network), copy.deepcopy(network)
    start = {k: p.detach().clone() for k, p in slow.named_parameters()}
    learner = hlcore.Learner(fast, loss, settings, order)
    t, h, z, omega = 0.0, {}, {}, {k: torch.zeros_like(p) for k, p in start.items()}
    worst = 0.0
    broken = settings.replace(**break_with) if break_with else settings
    for sample in stream(**kind):
        learner.step(sample)
        t, h, z, omega = reference.step(slow, loss, broken, order, t, h, z, omega, sample)
        point = learner.point
        assert point.t == pytest.approx(t)
        pairs = [(point.theta[k], p.detach()) for k, p in slow.named_parameters()]
        pairs += [(point.omega[k], omega[k]) for k in omega]
        pairs += [(point.h[k], h[k]) for k in h] + [(point.z[k], z[k]) for k in z]
        worst = max(worst, *(float((a - b).abs().max()) for a, b in pairs))
    moved = max(float((p.detach() - start[k]).abs().max()) for k, p in slow.named_parameters())
    return worst, moved


SETTINGS = Settings(tau=0.5, eta=0.4, beta=0.05, phi=lambda t: 1 / (1 + t / 20), eta_z=0.8, control=0.05)


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_learner_is_the_reference(name, order):
    worst, moved = difference(NETWORKS[name](), SETTINGS, order)
    assert worst <= BOUND
    assert moved > 1e-3


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize(
    "touched", [{"eta": 0.41}, {"beta": 0.051}, {"phi": 1.0}, {"eta_z": 0.81}, {"s": 1}, {"control": 0.06}]
)
def test_one_setting_touched_is_seen(touched, order):
    worst, _ = difference(NETWORKS["rnn"](), SETTINGS, order, break_with=touched)
    assert worst > 1e-6


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_the_other_order_is_another_trajectory(order):
    network = NETWORKS["rnn"]()
    points = []
    for each in ("euler", "sequential"):
        learner = hlcore.Learner(copy.deepcopy(network), mse_loss, SETTINGS, each)
        learner.run(stream())
        points.append(learner.point)
    assert max(float((points[0].theta[k] - points[1].theta[k]).abs().max()) for k in points[0].theta) > 1e-4


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_both_signs_and_class_targets(order, sign):
    network = NETWORKS["own-cell"]()
    worst, moved = difference(network, SETTINGS.replace(s=sign), order, cross_entropy, classes=True)
    assert worst <= BOUND
    assert moved > 1e-3


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_beta_per_name_and_per_weight(order):
    network = NETWORKS["rnn"]()
    scales = torch.rand(5, 4)
    beta = {"cell.weight_ih": scales, "readout.weight": 0.1, "readout.bias": 0.0, "cell.weight_hh": 0.02}
    worst, moved = difference(network, SETTINGS.replace(beta=beta), order)
    assert worst <= BOUND
    assert moved > 1e-3
    learner = hlcore.Learner(network, mse_loss, SETTINGS.replace(beta=beta), order)
    before = learner.point.clone()
    learner.run(stream())
    assert torch.equal(learner.point.theta["readout.bias"], before.theta["readout.bias"]), "beta = 0 freezes"
    assert not torch.equal(learner.point.theta["readout.weight"], before.theta["readout.weight"])


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_settings_changed_between_steps_take_effect_at_the_next(order):
    network = NETWORKS["gru"]()
    fast, slow = copy.deepcopy(network), copy.deepcopy(network)
    learner = hlcore.Learner(fast, mse_loss, SETTINGS, order)
    t, h, z, omega = 0.0, {}, {}, {k: torch.zeros_like(p) for k, p in slow.named_parameters()}
    for k, sample in enumerate(stream()):
        settings = SETTINGS.replace(eta=0.4 + 0.01 * k, beta=0.05 / (1 + k))
        learner.settings = settings
        learner.step(sample)
        t, h, z, omega = reference.step(slow, mse_loss, settings, order, t, h, z, omega, sample)
    worst = max(float((learner.point.theta[k] - p.detach()).abs().max()) for k, p in slow.named_parameters())
    assert worst <= BOUND


def test_report_tells_the_loss_the_hamiltonian_and_the_output():
    network = NETWORKS["rnn"]()
    learner = hlcore.Learner(network, mse_loss, SETTINGS, "euler")
    samples = list(stream(5))
    for sample in samples[:3]:
        learner.step(sample)
    point, settings = learner.point.clone(), learner.settings
    u, target = samples[3].u, samples[3].target
    tau = settings.tau if samples[3].dt is None else samples[3].dt
    v = network.velocity(u, dict(point.h), tau)["h"]
    y = network.output(u, dict(point.h))
    expected = settings.phi_at(point.t) * mse_loss(y, target) + (point.z["h"] * v).sum()
    expected = expected - settings.control / 2 * (point.z["h"] ** 2).sum()
    report = learner.step(samples[3])
    assert report.t == learner.point.t == pytest.approx(point.t + tau)
    assert report.loss == pytest.approx(float(mse_loss(y, target).detach()), abs=1e-14)
    assert report.hamiltonian == pytest.approx(float(expected), abs=1e-14)
    assert float((report.output - y.detach()).abs().max()) <= 1e-15


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("name", ["output", "rnn", "chain-groups"])
def test_autograds_engine_called_directly_makes_the_bits_of_its_public_door(name, order, monkeypatch):
    found = []
    for door in (engine._engine(), None):
        monkeypatch.setattr(engine, "_engine", lambda door=door: door)
        learner = hlcore.Learner(copy.deepcopy(NETWORKS[name]()), mse_loss, SETTINGS, order)
        torch.manual_seed(0)
        for p in learner.network.parameters():
            torch.nn.init.normal_(p)
        start = learner.point.clone()
        learner.run(stream(30))
        found.append([*learner.point.theta.values(), *learner.point.omega.values()])
    assert engine._engine() is None and all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert max(float((a - b).abs().max()) for a, b in zip(found[0], start.theta.values(), strict=False)) > 1e-3
