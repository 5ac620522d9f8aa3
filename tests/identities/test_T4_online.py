"""Learners on one stream: RTRL is autograd's full history, HL-BPTT is BPTT, and only the gradient tells them apart."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import Diverged, HLError, Learner, Recorder, Recurrent, Sample, Settings
from hlcore.online import HLBPTT, RTRL, Sensitivity, TruncatedBPTT
from hlcore.runs.alignment import alignment
from hlcore.streams import Signal, sines

from .test_T4_bptt import BOUND, NETWORKS, SEEN, autograd, difference, sequence

STATEFUL = ["rnn", "rnn-leaky", "gru", "lstm", "own-cell", "own-network", "rotations-free", "chain"]


def network_of(name, seed=0):
    torch.manual_seed(seed)
    return NETWORKS[name]()


def endless(n, **kind):
    """Tokens of a stream without end."""
    return [Sample(s.u, s.target, end=False, dt=s.dt) for s in sequence(n, **kind)]


@pytest.mark.parametrize("name", [*STATEFUL, "no-state"])
def test_T4_rtrl_sums_to_the_gradient_through_the_whole_past(name):
    network, samples = network_of(name), list(sequence(7))
    oracle = Sensitivity(network, mse_loss)
    total = {k: torch.zeros_like(p) for k, p in network.named_parameters()}
    for q, sample in enumerate(samples):
        for k, g in oracle.step(sample, sample.dt or 0.6).items():
            total[k] += g
        assert difference(total, autograd(network, samples[: q + 1], mse_loss, tau=0.6)) <= BOUND
    assert difference(total, {k: torch.zeros_like(x) for k, x in total.items()}) > 1e-3


@pytest.mark.parametrize("name", STATEFUL)
def test_T4_rtrl_without_its_memory_is_another_gradient(name):
    network, samples = network_of(name), endless(5, supervised="all")
    whole, forgetful = Sensitivity(network, mse_loss), Sensitivity(network, mse_loss)
    for sample in samples:
        g, short = (oracle.step(sample, sample.dt or 0.6) for oracle in (whole, forgetful))
        forgetful.P.zero_()
    last_alone = [*(Sample(s.u, None, False, s.dt) for s in samples[:-1]), samples[-1]]
    assert difference(g, autograd(network, last_alone, mse_loss, tau=0.6)) <= BOUND
    assert difference(g, short) > SEEN


def test_T4_rtrl_of_euler_takes_the_loss_before_the_move():
    network, samples = network_of("gru"), endless(4, uneven=False)
    oracle = Sensitivity(network, mse_loss, "euler")
    for sample in samples[:-1]:
        oracle.step(sample, 1.0)
    h = network.initial_state(2)
    for sample in samples[:-1]:
        h = {"h": network.cell(sample.u, h["h"])}
    L = mse_loss(network.output(samples[-1].u, h), samples[-1].target)
    truth = dict(zip(oracle.theta, torch.autograd.grad(L, list(oracle.theta.values())), strict=True))
    g = oracle.step(samples[-1], 1.0)
    assert difference(g, truth) <= BOUND
    assert difference(g, Sensitivity(network, mse_loss).step(samples[-1], 1.0)) > SEEN


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("window", [None, 3])
def test_T4_hl_bptt_learns_as_gradient_descent_on_bptt(name, window):
    network = network_of(name)
    twin, start = copy.deepcopy(network), copy.deepcopy(network)
    learner = HLBPTT(network, mse_loss, Settings(tau=0.5, beta=0.1, phi=2.0), window)
    for k in range(8):
        samples = list(sequence(5, seed=k, uneven=False))
        for q, sample in enumerate(samples):
            before = copy.deepcopy(network.state_dict())
            learner.step(sample)
            moved = any(not torch.equal(x, before[i]) for i, x in network.state_dict().items())
            assert moved == (q == 4), "beta = 0 until the very end"
        g = autograd(twin, samples, mse_loss, window, tau=0.5)
        with torch.no_grad():
            for i, p in twin.named_parameters():
                p -= 0.5 * 0.1 * g[i]
    assert difference(learner.point.theta, twin.state_dict()) <= BOUND
    assert difference(learner.point.theta, start.state_dict()) > 1e-3


def test_T4_with_dissipation_omega_goes_on_and_fades_at_every_token_of_the_way_back():
    settings = Settings(tau=0.5, eta=0.3, beta=0.0, phi=2.0, eta_z=0.0)
    first, second = (list(sequence(4, seed=k, uneven=False)) for k in range(2))
    kept, fresh = (HLBPTT(network_of("rnn"), mse_loss, settings, reset_omega=reset) for reset in (False, True))
    for learner in (kept, fresh):
        learner.run(first)
    one = kept.point.clone().omega
    assert difference(one, fresh.point.omega) == 0
    for learner in (kept, fresh):
        learner.run(second)
    faded = {k: x + (1 - 0.5 * 0.3) ** 4 * one[k] for k, x in fresh.point.omega.items()}
    assert difference(kept.point.omega, faded) <= BOUND
    assert difference(kept.point.omega, fresh.point.omega) > SEEN


@pytest.mark.parametrize("name", ["rnn", "lstm", "own-network", "dropout"])
@pytest.mark.parametrize(("window", "every"), [(None, None), (3, None), (3, 1), (4, 2), (None, 1), (2, 5)])
def test_T4_the_reversed_stream_and_autograd_are_one_learner(name, window, every):
    """Within a sequence the weights stand: HL-BPTT stores states that autograd would make anew, with moved weights."""
    settings = Settings(tau=0.5, beta=0.2 if every is None else 0.0, phi=2.0)
    points = []
    for kind, eta in ((HLBPTT, 0.0), (TruncatedBPTT, 2.0)):  # autograd's momentum 1 - τη = 0, as HL-BPTT's reset
        network = network_of(name)
        learner = kind(network, mse_loss, settings.replace(eta=eta), window, every)
        torch.manual_seed(3)
        for k in range(3):
            learner.run(sequence(6, seed=k, uneven=False))
        points.append(learner.point)
    assert difference(points[0].theta, points[1].theta) <= BOUND
    assert difference(points[0].omega, points[1].omega) <= BOUND
    moved = difference(points[0].theta, network_of(name).state_dict())
    assert moved > 1e-3 if every is None else max(float(x.abs().max()) for x in points[0].omega.values()) > 1e-3


def test_T4_turning_at_every_token_with_an_endless_window_is_rtrl_while_weights_stand():
    samples, frozen = endless(9), Settings(tau=0.6, beta=0.0, phi=1 / 0.6)
    learners = [
        RTRL(network_of("gru"), mse_loss, frozen),
        HLBPTT(network_of("gru"), mse_loss, frozen, every=1),
        TruncatedBPTT(network_of("gru"), mse_loss, frozen, every=1),
        HLBPTT(network_of("gru"), mse_loss, frozen, every=1, window=2),
    ]
    for sample in samples:
        g = [learner.gradient(sample) for learner in learners]
        for learner in learners:
            learner.step(sample)
        assert difference(g[0], g[1]) <= BOUND and difference(g[0], g[2]) <= BOUND
    assert difference(g[0], g[3]) > SEEN


@pytest.mark.parametrize("kind", [RTRL, HLBPTT, TruncatedBPTT])
def test_a_gradient_asked_for_moves_nothing(kind):
    learner, other = (kind(network_of("lstm"), mse_loss, Settings(beta=0.1, phi=0.7)) for _ in range(2))
    for sample in sequence(6):
        learner.gradient(sample)
        asked = learner.gradient(sample)
        before = learner.point.clone().omega
        learner.step(sample)
        other.step(sample)
        tau = sample.dt or 1.0
        if kind is RTRL:
            assert difference({k: tau * x + before[k] for k, x in asked.items()}, learner.point.omega) <= BOUND
    assert difference(learner.point.theta, other.point.theta) == 0
    assert difference(learner.point.theta, network_of("lstm").state_dict()) > 1e-4


def test_the_alignment_of_the_exact_learner_is_one_and_that_of_others_less():
    stream, settings = Signal(sines([0.2], [1.0]), 0.1), Settings(tau=0.1, beta=0.05, phi=3.0)

    def curve(make):
        torch.manual_seed(1)
        cell = torch.nn.RNNCell(1, 5)
        return alignment(make(Recurrent(cell, torch.nn.Linear(5, 1), speed=5.0)), stream, 60)

    exact = curve(lambda n: RTRL(n, mse_loss, settings))
    assert np.allclose(exact.cosine, 1.0) and np.allclose(exact.length_state, 1.0)
    wide = curve(lambda n: TruncatedBPTT(n, mse_loss, settings.replace(beta=0.0), window=60, every=1))
    assert np.allclose(wide.cosine_state, 1.0) and np.allclose(wide.length, 1.0)
    chunks = curve(lambda n: HLBPTT(n, mse_loss, settings.replace(beta=0.0), window=60, every=20))
    assert np.allclose(chunks.cosine, 1.0) and chunks.sizes["time"] == 3
    for make in (
        lambda n: TruncatedBPTT(n, mse_loss, settings, window=2, every=1),
        lambda n: Learner(n, mse_loss, settings.replace(eta_z=1.0), "sequential"),
        lambda n: Learner(n, mse_loss, settings.replace(eta_z=1.0), "euler"),
    ):
        found = curve(make)
        assert float(found.cosine_state[5:].min()) < 0.999 and found.sizes["time"] == 60


def test_bad_input_is_told_and_a_divergence_keeps_the_last_point():
    network = network_of("rnn")
    for make, word in (
        (lambda: RTRL(torch.nn.Linear(1, 1), mse_loss), "Network"),
        (lambda: HLBPTT(network, mse_loss, window=0), "window"),
        (lambda: TruncatedBPTT(network, mse_loss, every=1.5), "every"),
        (lambda: RTRL(network, mse_loss, {"tau": 1}), "settings"),
        (lambda: RTRL(network, mse_loss).run([]), "no sample"),
        (lambda: alignment(RTRL(network, mse_loss), [], 0), "steps"),
    ):
        with pytest.raises(HLError, match=word):
            make()
    for kind in (RTRL, HLBPTT, TruncatedBPTT):
        learner, bad = kind(network_of("rnn"), mse_loss, Settings(beta=0.1)), torch.full((2, 3), float("nan"))
        recorder = Recorder()
        learner.run(sequence(4), recorder=recorder)
        before = learner.point.clone()
        with pytest.raises(Diverged):
            learner.step(Sample(bad, torch.zeros(2, 2)))
        assert difference(before.theta, learner.point.theta) == 0 and before.t == learner.point.t
        assert recorder.trajectory().sizes["time"] == 4
