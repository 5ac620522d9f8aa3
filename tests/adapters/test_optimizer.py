"""The weight law as an Optimizer: the Learner's bits, SGD's where T1 says so, refusal, a state that goes on."""

import copy
import io
from itertools import islice

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from hlcore import Diverged, HLError, Learner, OutputNetwork, Sample, Settings
from hlcore.adapters import Optimizer
from hlcore.streams import iris

SETTINGS = Settings(tau=0.5, eta=0.7, beta=0.04, phi=1.3)


def mlp(seed=4):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 12), torch.nn.Tanh(), torch.nn.Linear(12, 3))


def trained(module, optimizer, steps=200):
    for sample in islice(iris(seed=1, epochs=2), steps):
        optimizer.zero_grad()
        cross_entropy(module(sample.u), sample.target).backward()
        optimizer.step()
    return [p.detach().clone() for p in module.parameters()]


def learned(settings, order, steps=200):
    learner = Learner(OutputNetwork(mlp()), cross_entropy, settings, order)
    for sample in islice(iris(seed=1, epochs=2), steps):
        learner.step(sample)
    return learner.point.clone()


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        SETTINGS.replace(phi=lambda t: 1 / (1 + t)),
        SETTINGS.replace(s=lambda t: -1 if t < 90 else 1, beta=0.004),
    ],
    ids=["plain", "schedule", "sign"],
)
def test_the_weights_are_the_learners_to_the_bit(settings, order):
    module = mlp()
    optimizer = Optimizer(module.parameters(), settings, order)
    theta, start = trained(module, optimizer), list(mlp().parameters())
    point = learned(settings, order)
    assert same(theta, point.theta.values()) and same(
        [s["omega"] for s in optimizer.state.values()], point.omega.values()
    )
    assert max(float((a - b).abs().max()) for a, b in zip(theta, start, strict=True)) > 0.01, "the weights moved"
    other = learned(settings, "euler" if order == "sequential" else "sequential")
    assert not same(theta, other.theta.values()), "the control: the order matters"


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_with_the_metric_it_is_the_learner_to_a_rounding(order):  # numpy's square root and torch's differ in last bits
    torch.set_default_dtype(torch.float64)
    try:
        settings, module = SETTINGS.replace(metric="rms", memory=10.0), mlp()
        theta, point = trained(module, Optimizer(module.parameters(), settings, order)), learned(settings, order)
        other = learned(settings.replace(memory=10.1), order)
    finally:
        torch.set_default_dtype(torch.float32)
    far = [
        max(float((a - b).abs().max()) for a, b in zip(theta, x.theta.values(), strict=True)) for x in (point, other)
    ]
    assert far[0] <= 1e-12 and far[1] > 1e-5, "the control: another memory"


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_T1_it_is_torch_sgd(momentum):
    one, other = mlp(), mlp()
    settings = Settings.from_sgd(0.05, momentum)
    assert same(
        trained(one, Optimizer(one.parameters(), settings)),
        trained(other, torch.optim.SGD(other.parameters(), 0.05, momentum)),
    )
    third = mlp()
    assert not same(one.parameters(), trained(third, Optimizer(third.parameters(), settings.replace(eta=1.01))))


def test_T1_torchs_undampened_first_step_is_a_schedule():
    lr, momentum, dampening, tau = 0.01, 0.1, 0.5, 0.5
    one, other = mlp(), mlp()
    plain = Settings.from_sgd(lr, momentum, dampening, tau)
    settings = plain.replace(phi=lambda t: (1 - dampening) / tau if t else 1 / tau)
    by_sgd = trained(other, torch.optim.SGD(other.parameters(), lr, momentum, dampening))
    by_hl = trained(one, Optimizer(one.parameters(), settings))
    assert max(float((a - b).abs().max()) for a, b in zip(by_hl, by_sgd, strict=True)) < 1e-12
    third = mlp()
    dampened = trained(third, Optimizer(third.parameters(), plain), 1)
    assert float((dampened[0] - by_sgd[0]).abs().max()) > 1e-4


def test_a_state_dict_goes_on_to_the_bit():
    settings, first, second = SETTINGS.replace(metric="rms"), mlp(), mlp(9)
    optimizer = Optimizer(first.parameters(), settings)
    trained(first, optimizer, 50)
    file = io.BytesIO()
    torch.save({"net": first.state_dict(), "opt": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = Optimizer(second.parameters(), Settings(beta=0.5))
    second.load_state_dict(saved["net"])
    again.load_state_dict(saved["opt"])
    assert same(trained(first, optimizer, 50), trained(second, again, 50))
    assert again.param_groups[0]["t"] == 50.0 and again.param_groups[0]["steps"] == 100
    third = copy.deepcopy(first)
    assert not same(trained(first, optimizer, 50), trained(third, Optimizer(third.parameters(), settings), 50))


def test_groups_have_settings_of_their_own_and_a_closure_is_called():
    module = mlp()
    optimizer = Optimizer(
        [{"params": module[0].parameters(), "beta": 0.0}, {"params": module[2].parameters()}], SETTINGS
    )
    start = [p.detach().clone() for p in module.parameters()]
    sample = iris(seed=1)[0]

    def closure():
        optimizer.zero_grad()
        loss = cross_entropy(module(sample.u), sample.target)
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) > 0
    now = list(module.parameters())
    assert same(now[:2], start[:2]) and not torch.equal(now[2], start[2])
    optimizer.param_groups[0]["beta"] = 1.0  # live
    optimizer.step(closure)
    assert not torch.equal(module[0].weight, start[0])


def test_a_refused_step_moves_nothing():
    module = mlp()
    optimizer = Optimizer([{"params": [module[2].weight]}, {"params": [module[0].weight]}], SETTINGS)
    trained(module, optimizer, 5)
    before, omega = copy.deepcopy(module.state_dict()), optimizer.state[module[2].weight]["omega"].clone()
    module[0].weight.grad.fill_(torch.inf)
    with pytest.raises(Diverged, match="omega of '\\[0\\]'"):
        optimizer.step()
    assert same(module.state_dict().values(), before.values()) and torch.equal(
        optimizer.state[module[2].weight]["omega"], omega
    )
    assert optimizer.param_groups[0]["steps"] == 5


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda p: Optimizer(p, SETTINGS, "leapfrog"), "sequential"),
        (lambda p: Optimizer(p, SETTINGS.replace(control=0.1)), "control"),
        (lambda p: Optimizer(p, SETTINGS.replace(eta_z=1.0)), "eta_z"),
        (lambda p: Optimizer(p, SETTINGS.replace(beta={"0.weight": 1.0})), "its group"),
        (lambda p: Optimizer([{"params": p, "lr": 0.1}]), "'lr'"),
        (lambda p: Optimizer([{"params": p, "tau": 0.0}]), "> 0"),
        (lambda p: Optimizer(p, 0.1), "Settings"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make(list(mlp().parameters()))


def test_a_sparse_gradient_is_told():
    table = torch.nn.Embedding(3, 2, sparse=True)
    optimizer = Optimizer(table.parameters())
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(HLError, match="sparse=False"):
        optimizer.step()


def test_the_optimiser_slot_of_unaiverse_takes_it():
    """The slot's protocol (unaiverse 0.1.31, ModuleWrapper): an Optimizer; zero_grad, backward, step; a state_dict."""
    module = torch.nn.Linear(3, 1)
    options = {"optimizer": Optimizer(module.parameters(), SETTINGS), "losses": [mse_loss]}
    assert isinstance(options["optimizer"], torch.optim.Optimizer)
    learner = Learner(OutputNetwork(copy.deepcopy(module)), mse_loss, SETTINGS, "sequential")
    for _ in range(20):
        u, target = torch.randn(1, 3), torch.randn(1, 1)
        loss = torch.stack([options["losses"][0](module(u), target)]).sum()
        options["optimizer"].zero_grad()
        loss.backward()
        options["optimizer"].step()
        learner.step(Sample(u, target))
    assert float((module.weight - learner.point.theta["module.weight"]).abs().max()) < 1e-12
    options["optimizer"].load_state_dict(options["optimizer"].state_dict())
