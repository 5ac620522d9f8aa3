"""The learner "sgd" is torch.optim.SGD in a plain loop, to the bit; where a state lives on it is one-step BPTT."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from hlcore import Diverged, HLError, OutputNetwork, Recurrent, Sample, Settings, learners
from hlcore.learners import SGD
from hlcore.learners.sgd import SGDSettings
from hlcore.streams import Signal, iris, sines

CASES = [(0.05, 0.0, 0.0), (0.05, 0.9, 0.0), (0.02, 0.7, 0.4), (0.02, -0.3, -0.2), (0.01, 0.9, 1.0)]


def mlp():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.BatchNorm1d(7), torch.nn.Tanh(), torch.nn.Linear(7, 3))


def plain(module, samples, lr, momentum, dampening):
    """The loop that everybody writes."""
    optimiser = torch.optim.SGD(module.parameters(), lr=lr)
    optimiser.param_groups[0].update(momentum=momentum, dampening=dampening)  # its constructor refuses those below 0
    for sample in samples:
        optimiser.zero_grad()
        cross_entropy(module(sample.u), sample.target).backward()
        optimiser.step()
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize(("lr", "momentum", "dampening"), CASES)
@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_it_is_torchs_loop_to_the_bit(lr, momentum, dampening, tau):
    samples = [iris(batch=5)[k] for k in range(60)]
    learner = SGD(OutputNetwork(mlp()), cross_entropy, SGDSettings(lr, momentum, dampening, tau))
    learner.run(samples)
    expected = plain(mlp(), samples, lr, momentum, dampening)
    assert all(map(torch.equal, learner.network.parameters(), expected)), "tau is the clock's alone"
    assert learner.t == pytest.approx(60 * tau)
    assert not all(map(torch.equal, expected, mlp().parameters())), "they moved"
    other = plain(mlp(), samples, lr * 1.01, momentum, dampening)
    assert not all(map(torch.equal, other, expected)), "negative control"


def test_a_setting_that_moves_while_it_learns_is_the_optimisers():
    samples = [iris(batch=5)[k] for k in range(60)]
    learner, module = SGD(OutputNetwork(mlp()), cross_entropy, SGDSettings(0.05, 0.9)), mlp()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for k, sample in enumerate(samples):
        if k == 30:
            learner.settings = learner.settings.replace(lr=0.01, momentum=0.5, dampening=0.2)
            optimiser.param_groups[0].update(lr=0.01, momentum=0.5, dampening=0.2)
        learner.step(sample)
        optimiser.zero_grad()
        cross_entropy(module(sample.u), sample.target).backward()
        optimiser.step()
    assert all(map(torch.equal, learner.network.parameters(), module.parameters()))
    buffers = [optimiser.state[p]["momentum_buffer"] for p in module.parameters()]
    assert all(map(torch.equal, learner.point.omega.values(), buffers)), "ω is torch's own buffer"


def test_a_weight_without_gradient_stands_still_as_torch_has_it():
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)

        def forward(self, u):
            return self.a(u) if float(u.sum()) > 0 else self.a(u) + self.b(u)

    torch.manual_seed(0)
    module = Two()
    theirs = copy.deepcopy(module)
    learner = SGD(OutputNetwork(module), mse_loss, SGDSettings(0.1, 0.9))
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for k in range(20):
        u, y = torch.randn(3, 2), torch.randn(3, 1)
        learner.step(Sample(u, y))
        optimiser.zero_grad()
        mse_loss(theirs(u), y).backward()
        optimiser.step()
        assert all(map(torch.equal, module.parameters(), theirs.parameters())), k
    mine = module.a.weight
    mine.grad = torch.ones_like(mine)
    learner.step(Sample(torch.ones(1, 2), torch.ones(1, 1)))
    assert torch.equal(mine.grad, torch.ones_like(mine)), "a gradient that a user keeps on a weight stays"


def test_on_a_state_that_lives_on_it_is_bptt_cut_after_one_step():
    def made():
        torch.manual_seed(3)
        return Recurrent(torch.nn.GRUCell(1, 5), torch.nn.Linear(5, 1))

    stream, network = Signal(sines([0.2], [1.0])), made()
    learner = SGD(made(), mse_loss, SGDSettings(0.05, 0.5, tau=0.4))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.5)
    h = network.initial_state(1)
    for k in range(80):
        learner.step(stream[k])
        h = {name: x.detach() for name, x in h.items()}
        h = {name: x + 0.4 * network.velocity(stream[k].u, h, 0.4)[name] for name, x in h.items()}
        optimiser.zero_grad()
        mse_loss(network.output(stream[k].u, h), stream[k].target).backward()
        optimiser.step()
    theirs, mine, first = (
        torch.cat([p.detach().flatten() for p in each.parameters()]) for each in (network, learner.network, made())
    )
    assert (theirs - mine).abs().max() < 1e-13 and (theirs - first).abs().max() > 0.1
    assert torch.equal(learner.point.h["h"], h["h"])


def test_a_step_that_would_overflow_is_refused_and_moves_nothing():
    learner = SGD(OutputNetwork(torch.nn.Linear(1, 1)), lambda y, t: y.square().sum(), SGDSettings(1e200, 0.9))
    sample = Sample(torch.full((1, 1), 1e60), torch.zeros(1, 1))
    with pytest.raises(Diverged) as caught:
        for _ in range(5):
            before = [p.detach().clone() for p in learner.network.parameters()], learner.point.clone().omega
            learner.step(sample)
    assert caught.value.quantity in ("theta", "omega", "loss")
    assert all(map(torch.equal, learner.network.parameters(), before[0]))
    assert all(torch.equal(x, before[1][name]) for name, x in learner.point.omega.items())


def test_settings_are_those_of_hl_read_as_sgd_and_back():
    hl = Settings(tau=0.5, eta=0.4, beta=0.3, phi=1.6)
    sgd = SGD.settings_from(hl)
    assert (sgd.lr, sgd.momentum, sgd.tau) == (0.15, 0.8, 0.5) and sgd.dampening == pytest.approx(0.2)
    back = learners.get("hamiltonian").settings_from(sgd)
    assert [back.tau, back.eta, back.beta, back.phi] == pytest.approx([0.5, 0.4, 0.3, 1.6])
    assert SGD.settings_from(sgd) is sgd
    assert SGD.settings_from(hl.replace(eta=2.0)) == SGDSettings(lr=0.15 * 0.8, tau=0.5), "without momentum"


@pytest.mark.parametrize(
    ("momentum", "lr", "kind"),
    [(0.9, 0, "frozen"), (0.9, 1, "smooth"), (0, 1, "plain"), (1, 1, "undamped"), (-0.5, 1, "oscillating")],
)
def test_the_regime_is_named(momentum, lr, kind):
    regime = SGD.regime(SGDSettings(lr, momentum))
    assert regime.kind == kind and not regime.alarm and "as HL" in regime.note


@pytest.mark.parametrize("momentum", [1.01, -1.02])
def test_an_unstable_buffer_is_told_before_the_first_step(momentum):
    assert SGD.regime(SGDSettings(0.1, momentum)).alarm


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (lambda: SGDSettings(lr=-1), "lr"),
        (lambda: SGDSettings(momentum=float("nan")), "momentum"),
        (lambda: SGDSettings(tau=0), "tau"),
        (lambda: SGDSettings(eta=1), "momentum"),
        (lambda: SGD.settings_from(Settings(phi=lambda t: 1.0)), "schedule"),
        (lambda: SGD.settings_from(Settings(beta={"w": 1.0})), "beta"),
        (lambda: SGD(OutputNetwork(torch.nn.Linear(1, 1)), mse_loss, order="euler"), "euler"),
        (lambda: SGD(torch.nn.Linear(1, 1), mse_loss), "OutputNetwork"),
    ],
)
def test_bad_input_is_told(wrong, word):
    with pytest.raises(HLError, match=word):
        wrong()


def test_hl_bptt_takes_settings_that_let_the_way_back_live():
    """η on the way back would cut it short: its long run, β/(τη), is taken instead; and back, η = 1/τ."""
    kind, hl = learners.get("hl-bptt"), Settings(tau=0.1, eta=2.0, beta=0.2, phi=2.0, eta_z=5.0)
    found = kind.settings_from(hl)
    assert (found.eta, found.in_force("eta_z"), found.beta) == (0, 0, pytest.approx(1.0))
    back = learners.get("hamiltonian").settings_from(found)
    assert (back.eta, back.beta * back.tau) == (pytest.approx(10.0), pytest.approx(hl.beta / hl.eta))
    assert kind.settings_from(found) is found and kind.settings_from(hl.replace(eta=0.0)).beta == 0.2
    per_weight = kind.settings_from(hl.replace(beta={"w": 0.4}))
    assert per_weight.beta["w"] == pytest.approx(2.0)
