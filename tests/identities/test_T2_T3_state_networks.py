"""T2: a state network = the output network; T3: unfolded RNN and LSTM as output, state or both = SGD on BPTT."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from hlcore import Learner, OutputNetwork, Sample, Settings, StateNetwork
from hlcore.streams import iris

BOUND = 1e-12
CASES = {"GD-a": (0.01, 0.0, 0.0, 1.0), "GD-b": (0.001, 0.0, 0.0, 0.5),
         "Mom-a": (0.01, 0.05, 0.6, 1.0), "Mom-b": (0.01, 0.1, 0.5, 0.5)}  # fmt: skip


class Last(torch.nn.Module):
    """The hidden state after the last token of a sequence (batch first)."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, u):
        return self.cell(u)[0][:, -1]


def unfolded(kind):
    torch.manual_seed(6)
    return Last(getattr(torch.nn, kind)(5, 8, batch_first=True)), torch.nn.Linear(8, 3)


def sequences(n=150):
    generator = torch.Generator().manual_seed(9)
    for k in range(n):
        length = 3 + k % 6
        yield Sample(torch.randn(2, length, 5, generator=generator), torch.randint(0, 3, (2,), generator=generator))


def mlp():
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(4, 30), torch.nn.Tanh(), torch.nn.Linear(30, 3))


def by_sgd(module, samples, lr, momentum, dampening):
    optimiser = torch.optim.SGD(module.parameters(), lr, momentum=momentum, dampening=dampening)
    for sample in samples:
        optimiser.zero_grad()
        cross_entropy(module(sample.u), sample.target).backward()
        optimiser.step()
    return [p.detach().clone() for p in module.parameters()]


def by_hl(network, samples, case, touch=None):
    learner = Learner.like_sgd(network, cross_entropy, *CASES[case])
    if touch:
        learner.settings = learner.settings.replace(**touch)
    for sample in samples:
        learner.step(sample)
    return [p.detach().clone() for p in network.parameters()]


def worst(a, b):
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_T2_the_state_network_is_the_output_network(case):
    samples = list(iris(seed=1, epochs=10))
    output, state = OutputNetwork(mlp()), StateNetwork(mlp())
    a, b = by_hl(output, samples, case), by_hl(state, samples, case)
    assert worst(a, b) <= BOUND
    assert worst(a, by_sgd(mlp(), samples, *CASES[case][:3])) <= BOUND
    assert worst(a, list(mlp().parameters())) > 1e-2
    assert worst(a, by_hl(StateNetwork(mlp()), samples, case, {"eta_z": 0.1, "beta": 0.0123})) > 1e-3


def test_T2_a_state_that_is_not_cleared_is_another_learner():
    samples = list(iris(seed=1, epochs=2))
    held = [Sample(s.u, s.target, end=False) for s in samples]
    assert worst(by_hl(StateNetwork(mlp()), samples, "Mom-a"), by_hl(StateNetwork(mlp()), held, "Mom-a")) > 1e-4


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
@pytest.mark.parametrize("form", ["output", "state", "state/output"])
def test_T3_unfolded_recurrent_networks_are_sgd_on_bptt(kind, case, form):
    samples = list(sequences())
    body, head = unfolded(kind)
    reference = torch.nn.Sequential(copy.deepcopy(body), copy.deepcopy(head))
    network = {
        "output": lambda: OutputNetwork(torch.nn.Sequential(body, head)),
        "state": lambda: StateNetwork(torch.nn.Sequential(body, head)),
        "state/output": lambda: StateNetwork(body, readout=head),
    }[form]()
    start = [p.detach().clone() for p in network.parameters()]
    got, expected = by_hl(network, samples, case), by_sgd(reference, samples, *CASES[case][:3])
    assert worst(got, expected) <= BOUND
    assert worst(got, start) > 1e-3, "the weights moved"


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_T3_needs_the_gradient_through_time(kind):
    """A detached history is another run: the identity is with BPTT, not with its last step."""

    class LastStep(Last):
        def forward(self, u):
            with torch.no_grad():
                _, past = self.cell(u[:, :-1])
            return self.cell(u[:, -1:], past)[0][:, -1]

    samples = list(sequences())
    body, head = unfolded(kind)
    cut = by_sgd(torch.nn.Sequential(LastStep(copy.deepcopy(body.cell)), copy.deepcopy(head)), samples, 0.01, 0.0, 0.0)
    got = by_hl(StateNetwork(body, readout=head), samples, "GD-a")
    assert worst(got, cut) > 1e-6


def test_the_sign_s_acts_twice_on_a_state_network_and_once_on_an_output_network():
    """z' carries -s, ω' carries -s again: f^h learns under both signs (h, z cleared); f^y climbs with s = +1."""
    samples = list(iris(seed=1, epochs=2))

    def both(make):
        runs = []
        for s in (-1, 1):
            learner = Learner(make(), cross_entropy, Settings.from_sgd(0.01).replace(s=s), "sequential")
            runs.append((by_steps(learner, samples), list(learner.point.clone().theta.values())))
        return runs

    (_, forward), (_, original) = both(lambda: StateNetwork(mlp()))
    assert worst(forward, original) <= BOUND
    (falls, forward), (climbs, original) = both(lambda: OutputNetwork(mlp()))
    assert worst(forward, original) > 1e-2
    assert falls[-1] < falls[0] < climbs[-1]


def by_steps(learner, samples):
    """Mean losses of the first and the last fifty steps."""
    losses = [learner.step(sample).loss for sample in samples]
    return sum(losses[:50]) / 50, sum(losses[-50:]) / 50
