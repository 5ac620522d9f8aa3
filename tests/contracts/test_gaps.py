"""A world that stood still: a gap between two samples is bridged, or told, and never taken in one shaking step."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import hlcore
from hlcore import HLError, Learner, OutputNetwork, Recurrent, Sample, Settings, experiments, learners, streams

F64 = torch.float64


def pair(order="sequential", **changes):
    torch.manual_seed(0)
    net = Recurrent(nn.RNNCell(1, 4, dtype=F64), nn.Linear(4, 1, dtype=F64), speed=2.0)
    settings = Settings(tau=0.1, eta=2.0, beta=0.3, phi=2.0, eta_z=5.0).replace(**changes)
    return Learner(net, mse_loss, settings, order)


def sample(k, dt=None):
    return Sample(torch.tensor([[math.sin(k)]], dtype=F64), torch.tensor([[math.cos(k)]], dtype=F64), end=False, dt=dt)


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("dt", [0.7, 5.0, 50.0])
def test_the_costates_forget_exactly_the_states_stand_and_a_step_follows(order, dt):
    learner, twin = pair(order), pair(order)
    for k in range(20):
        for each in (learner, twin):
            each.step(sample(k))
    start = twin.point.clone()
    forgotten = {name: x * math.exp(-2.0 * (dt - 0.1)) for name, x in start.omega.items()}
    z = {k: z * math.exp(-5.0 * (dt - 0.1)) for k, z in start.z.items()}
    omega = forgotten if order == "sequential" else start.omega
    twin.point = hlcore.PhasePoint(start.t, start.h, start.theta, z, omega)
    learner.step(sample(20, dt))
    twin.step(sample(20))
    assert learner.t == pytest.approx(start.t + dt)
    for part in ("h", "z", "theta"):
        a, b = getattr(learner.point, part), getattr(twin.point, part)
        assert all(float((a[k] - b[k]).abs().max()) <= 1e-15 for k in a)
    if order == "euler":  # θ moved with the ω before the gap; ω itself has forgotten
        shift = {k: 0.8 * start.omega[k] * (1 - math.exp(-2.0 * (dt - 0.1))) for k in start.omega}
        assert all(float((twin.point.omega[k] - shift[k] - learner.point.omega[k]).abs().max()) <= 1e-15 for k in shift)
    else:
        a, b = learner.point.omega, twin.point.omega
        assert all(float((a[k] - b[k]).abs().max()) <= 1e-15 for k in a)
    assert any(float((learner.point.theta[k] - start.theta[k]).abs().max()) > 1e-6 for k in start.theta)


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("dt", [None, 50.0])
def test_the_metric_takes_the_step_that_is_taken_not_the_gap(order, dt):
    learner = pair(order, metric="rms", memory=20.0)
    for k in range(3):
        learner.step(sample(k))
    before = {name: v.clone() for name, v in learner._omega.squares.items()}
    g = learner.gradient(sample(3, dt))
    learner.step(sample(3, dt))
    for name, v in learner._omega.squares.items():
        expected = before[name] + 0.1 / 20 * (g[name] ** 2 - before[name])
        assert float((v - expected).abs().max()) <= 1e-15
    assert any(float(x.abs().max()) > 1e-3 for x in g.values())


def test_a_time_in_which_a_step_still_damps_is_lived_through():
    learner, reference = pair(eta=1.0, eta_z=1.0), pair(eta=1.0, eta_z=1.0, tau=0.9)
    learner.step(sample(0, 0.9))
    reference.step(sample(0))
    assert all(torch.equal(learner.point.omega[k], x) for k, x in reference.point.omega.items())
    assert any(float(x.abs().max()) > 0 for x in reference.point.omega.values())


@pytest.mark.parametrize("name", learners.names())
@pytest.mark.parametrize("ticks", [30, 1000, 100_000])
def test_no_learner_is_thrown_by_a_sleep(name, ticks):
    try:
        learner, stream = experiments.get("tracker-water-flow", learner=name).learner(0)
    except HLError:
        pytest.skip("this learner does not take a recurrent network")
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    world = streams.Clock(stream, 0.05, tau=0.1, now=lambda: clock[0], sleep=sleep)
    start = [p.detach().clone() for p in learner.network.parameters()]
    for k, each in enumerate(world):
        try:
            report = learner.step(each)
        except HLError as error:
            assert "cannot be held" in str(error), "a law that needs a network which does not forget says so"
            return
        clock[0] += 0.01 + (0.05 * ticks if k == 99 else 0.0)
        if k == 200:
            break
    assert math.isfinite(report.loss)
    assert max(float(p.detach().abs().max()) for p in learner.network.parameters()) < 10
    moved = any(not torch.equal(a, b) for a, b in zip(start, learner.network.parameters(), strict=True))
    assert moved is (name not in ("river", "least-control"))  # its weights are its own; wait for a sample's end


@pytest.mark.parametrize("eta", [0.0, 0.01, 1.0])
def test_a_ball_without_friction_does_not_fly_through_the_night(eta):
    torch.manual_seed(0)
    net = OutputNetwork(nn.Linear(2, 1))
    learner = Learner(net, mse_loss, Settings(tau=0.1, eta=eta, beta=0.1))
    u = torch.randn(8, 2)
    for k in range(200):
        report = learner.step(Sample(u, u.sum(1, keepdim=True), dt=100.0 if k == 100 else None))
    assert max(float(p.detach().abs().max()) for p in net.parameters()) < 5
    assert report.loss < 10


def test_a_clock_tells_a_gap_where_it_is_asked_to():
    clock = [0.0]
    stream = experiments.get("tracker-water-flow").setup(0).stream
    world = streams.Clock(
        stream, 1.0, now=lambda: clock[0], sleep=lambda s: clock.__setitem__(0, clock[0] + s), longest=5
    )
    walk = iter(world)
    next(walk), next(walk)
    clock[0] += 4
    next(walk)
    clock[0] += 50
    with pytest.raises(HLError, match="a gap of 5"):
        next(walk)
    with pytest.raises(HLError, match="longest"):
        streams.Clock(stream, 1.0, longest=0)
