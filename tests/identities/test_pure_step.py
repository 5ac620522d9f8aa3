"""One step as a pure function is the learner's, and vmap, jvp and a captured graph pass through it."""

import copy

import pytest
import torch
from torch.func import jvp, vmap
from torch.nn.functional import cross_entropy, mse_loss

from hlcore import Chain, Learner, OutputNetwork, Recurrent, Rotations, Sample, Settings, StateNetwork
from hlcore.law.step import Phase, first_phase, step
from hlcore.networks import KeyedReadout

SETTINGS = Settings(tau=0.5, eta=0.4, beta=0.05, phi=0.8, eta_z=0.7, control=0.2)


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


def keyed():
    return Rotations(5, 4, 3, start="clock", readout=KeyedReadout(4, 10, 3, memories=4, step=0.0))


NETWORKS = {
    "output": lambda: OutputNetwork(mlp()),
    "state": lambda: StateNetwork(mlp()),
    "rnn": lambda: Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3), speed=1.3),
    "gru": lambda: Recurrent(torch.nn.GRUCell(4, 5), torch.nn.Linear(5, 3)),
    "chain": lambda: Chain(mlp()),
    "rotations": lambda: Rotations(4, 4, 3),
}
THREE = ["output", "rnn", "chain"]


def samples(n=12, every_end=5):
    generator = torch.Generator().manual_seed(3)
    for k in range(n):
        u, target = (torch.randn(2, d, generator=generator) for d in (4, 3))
        yield Sample(u, None if k % 4 == 3 else target, end=k % every_end == every_end - 1)


def walked(network, order, numbers, n=12, loss=mse_loss):
    at = first_phase(network, next(samples()), 0.5)
    for sample in samples(n):
        at, _ = step(network, loss, order, at, sample, numbers)
    return at


def apart(a, b):
    return max((float((x - b[k]).abs().max()) for k, x in a.items()), default=0.0)


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_pure_step_is_the_learners(name, order):
    network = NETWORKS[name]()
    pure, start = walked(network, order, SETTINGS.at(0.0)), first_phase(network, next(samples()), 0.5)
    learner = Learner(copy.deepcopy(network), mse_loss, SETTINGS, order)
    learner.run(samples())
    point = learner.point
    assert apart(pure.theta, point.theta) <= 1e-13 and apart(pure.omega, point.omega) <= 1e-13
    assert apart(pure.h, point.h) <= 1e-13 and apart(pure.z or {}, point.z) <= 1e-13
    assert apart(pure.theta, start.theta) > 1e-3, "the weights moved"
    assert all(torch.equal(p, start.theta[k]) for k, p in network.named_parameters()), "the network's own stand"
    other = walked(network, order, SETTINGS.replace(eta=0.41).at(0.0))
    assert apart(pure.omega, other.omega) > 1e-6


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("name", THREE)
def test_vmap_over_settings_and_weights_is_one_run_each(name, order):
    network, eta, beta = NETWORKS[name](), torch.tensor([0.1, 0.4, 1.5]), torch.tensor([0.02, 0.05, 0.2])
    numbers = SETTINGS.at(0.0)._replace(eta=eta, beta=beta)
    axes = type(numbers)(*[0 if isinstance(x, torch.Tensor) else None for x in numbers])
    first = first_phase(network, next(samples()), 0.5)
    shift = torch.tensor([0.0, 0.1, -0.1])
    theta = {k: torch.stack([p + s for s in shift]) for k, p in first.theta.items()}

    walk = list(samples())

    def run(theta, numbers):
        at = Phase(theta, {k: torch.zeros_like(p) for k, p in theta.items()}, first.h, None)
        for sample in walk:
            at, _ = step(network, mse_loss, order, at, sample, numbers)
        return at.theta, at.omega

    many, costates = vmap(run, in_dims=(0, axes))(theta, numbers)
    for i in range(3):
        one = copy.deepcopy(network)
        with torch.no_grad():
            for k, p in one.named_parameters():
                p.copy_(theta[k][i])
        learner = Learner(one, mse_loss, SETTINGS.replace(eta=float(eta[i]), beta=float(beta[i])), order)
        learner.run(samples())
        assert apart({k: x[i] for k, x in many.items()}, learner.point.theta) <= 1e-12
        assert apart({k: x[i] for k, x in costates.items()}, learner.point.omega) <= 1e-12
    assert apart({k: x[0] for k, x in costates.items()}, {k: x[1] for k, x in costates.items()}) > 1e-3


@pytest.mark.parametrize("setting", ["tau", "eta", "beta", "phi", "eta_z", "control"])
@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("name", THREE)
def test_jvp_by_a_setting_is_that_of_finite_differences(name, order, setting):
    network, numbers = NETWORKS[name](), SETTINGS.at(0.0)

    def final(x):
        at = walked(network, order, numbers._replace(**{setting: x}))
        return torch.cat([p.flatten() for p in (*at.theta.values(), *at.omega.values())])

    x = torch.tensor(getattr(numbers, setting), dtype=torch.float64)
    value, slope = jvp(final, (x,), (torch.ones_like(x),))
    tiny = 1e-6
    by_hand = (final(x + tiny) - final(x - tiny)) / (2 * tiny)
    assert float((slope - by_hand).abs().max()) <= 1e-7 * max(1.0, float(by_hand.abs().max()))
    felt = setting not in ("eta_z", "control") or name != "output"
    assert (float(slope.abs().max()) > 1e-4) is felt
    assert torch.equal(value, final(x))


@pytest.mark.parametrize("name", THREE)
def test_it_looks_at_no_number_so_a_graph_can_capture_it(name):
    """A meta tensor has no numbers: whoever reads one, as capture forbids, fails."""
    network = NETWORKS[name]().to("meta")
    sample = Sample(torch.empty(2, 4, device="meta"), torch.empty(2, 3, device="meta"), end=False)
    at = first_phase(network, sample, 0.5)
    for _ in range(3):
        at, move = step(network, mse_loss, "sequential" if name == "output" else "euler", at, sample, SETTINGS.at(0.0))
    assert all(x.is_meta for x in (*at.theta.values(), *at.omega.values(), *at.h.values()))
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(move.loss)  # the control: a number cannot be read here


def test_classes_too():
    network, target = OutputNetwork(mlp()), torch.tensor([0, 2])
    learner = Learner(copy.deepcopy(network), cross_entropy, SETTINGS, "sequential")
    sample = Sample(torch.randn(2, 4), target)
    at = first_phase(network, sample, 0.5)
    for _ in range(5):
        at, _ = step(network, cross_entropy, "sequential", at, sample, SETTINGS.at(0.0))
        learner.step(sample)
    assert apart(at.theta, learner.point.theta) <= 1e-14
