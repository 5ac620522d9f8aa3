"""β per weight by a metric: with τη = 1 it is torch.optim.RMSprop, and both orders are the reference's."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, OutputNetwork, Recurrent, Sample, Settings, experiments, reference
from hlcore.law.step import first_phase, step

NAMES = ("cell.weight_ih", "cell.weight_hh", "cell.bias_ih", "cell.bias_hh", "readout.weight", "readout.bias")
RMS = {"metric": "rms", "memory": 20.0}


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


def rnn():
    return Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3), speed=1.3)


def samples(n, every_end=1):
    draw = torch.Generator().manual_seed(1)
    for k in range(n):
        u, target = (torch.randn(2, d, generator=draw) for d in (4, 3))
        yield Sample(u, None if k % 4 == 3 else target, end=k % every_end == every_end - 1)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize(("lr", "alpha", "tau"), [(0.01, 0.99, 1.0), (0.002, 0.9, 0.5)])
def test_T1_without_momentum_the_metric_is_torch_RMSprop(lr, alpha, tau):
    ours = OutputNetwork(mlp())
    theirs, plain = copy.deepcopy(ours), copy.deepcopy(ours)
    start = weights(ours)
    optimiser = torch.optim.RMSprop(theirs.parameters(), lr=lr, alpha=alpha)
    # τη = 1: ω = τ g, and the stride τβω/√v is τ²β g/√v
    settings = Settings(tau=tau, eta=1 / tau, beta=lr / tau**2, phi=1.0, metric="rms", memory=tau / (1 - alpha))
    learner = Learner(ours, mse_loss, settings, "sequential")
    without = Learner(plain, mse_loss, settings.replace(metric="none"), "sequential")
    for sample in samples(300):
        if sample.target is None:
            continue
        learner.step(sample)
        without.step(sample)
        optimiser.zero_grad()
        mse_loss(theirs.output(sample.u, {}), sample.target).backward()
        optimiser.step()
    assert float((weights(ours) - weights(theirs)).abs().max()) <= 1e-12
    assert float((weights(plain) - weights(theirs)).abs().max()) > 1e-3 and float((weights(ours) - start).norm()) > 0.1


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("beta", [0.01, {name: 0.01 / (1 + k) for k, name in enumerate(NAMES)}])
def test_both_orders_are_the_reference_and_the_pure_step(order, beta):
    settings = Settings(tau=0.5, eta=0.4, beta=beta, phi=0.8, eta_z=0.7, **RMS)
    network = rnn()
    slow, start = copy.deepcopy(network), weights(network)
    at = first_phase(network, next(samples(1)), 0.5)
    learner = Learner(copy.deepcopy(network), mse_loss, settings, order)
    v = {name: torch.zeros_like(p) for name, p in slow.named_parameters()}
    t, h, z, omega = 0.0, {}, {}, {name: torch.zeros_like(p) for name, p in slow.named_parameters()}
    for sample in samples(60, every_end=7):
        learner.step(sample)
        t, h, z, omega = reference.step(slow, mse_loss, settings, order, t, h, z, omega, sample, v)
        if isinstance(beta, float):
            at, _ = step(network, mse_loss, order, at, sample, settings.at(0.0))
    assert float((weights(learner.network) - weights(slow)).abs().max()) <= 1e-12
    if isinstance(beta, float):
        assert max(float((p.detach() - at.theta[k]).abs().max()) for k, p in slow.named_parameters()) <= 1e-12
    assert float((weights(slow) - start).norm()) > 0.1
    other = Learner(copy.deepcopy(network), mse_loss, settings.replace(memory=30.0), order)
    other.run(samples(60, every_end=7))
    assert float((weights(other.network) - weights(slow)).abs().max()) > 1e-4, "the memory of v is felt"


def test_it_is_live_recorded_and_resumed_bit_for_bit(tmp_path):
    whole, part = (Learner(rnn(), mse_loss, Settings(eta=0.5, eta_z=0.5, beta=0.01)) for _ in range(2))
    part.network.load_state_dict(whole.network.state_dict())
    told = list(samples(40, every_end=9))
    for learner in (whole, part):
        learner.run(told[:10])
        learner.settings = learner.settings.replace(**RMS)
        learner.run(told[10:20])
    part.save(tmp_path / "point.safetensors")
    resumed = Learner.load(tmp_path / "point.safetensors", rnn(), mse_loss)
    whole.run(told[20:])
    resumed.run(told[20:])
    assert torch.equal(weights(whole.network), weights(resumed.network))
    forgetful = Learner.load(tmp_path / "point.safetensors", rnn(), mse_loss)
    forgetful.settings = forgetful.settings.replace(metric="none")
    forgetful.settings = forgetful.settings.replace(metric="rms")
    forgetful.run(told[20:])
    assert not torch.equal(weights(whole.network), weights(forgetful.network)), "v is a part of the point"
    record = experiments.get("tracker-sinusoid", metric="rms", beta=0.001).run(30)
    assert set(record["metric"].values.tolist()) == {1.0}


def test_what_it_is_not_is_told():
    with pytest.raises(HLError, match="none, rms"):
        Settings(metric="adam")
    with pytest.raises(HLError, match="metric"):
        Settings(metric="rms").to_sgd()
    assert Settings(memory=3.0).to_sgd() == Settings().to_sgd()
