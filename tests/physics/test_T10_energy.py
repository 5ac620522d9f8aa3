"""T10, what runs forward: which energy is kept, to the order of the integrator, and under which sign it learns."""

import numpy as np
import pytest
import torch

from hlcore import Learner, OutputNetwork, Sample, Settings

from . import flow

STEPS = [80, 160, 320, 640]


def kinetic(learner):
    """½ β|ω|²."""
    return sum(float(w.square().sum()) for w in learner.point.omega.values()) * learner.settings.beta / 2


def energies(learner, sample, steps, sign):
    """H' + sign ½ β|ω|² at the beginning of every step."""
    found = []
    for _ in range(steps):
        moving = kinetic(learner)
        found.append(learner.step(sample).hamiltonian + sign * moving)
    return np.array(found)


def spread(settings, steps, sign, end=1.0):
    """How far the energy is from its start, at most."""
    found = energies(flow.learner_at_start(settings.replace(tau=end / steps), "euler"), flow.SAMPLE, steps + 1, sign)
    return float(np.abs(found - found[0]).max())


def test_T10_the_hamiltonian_is_constant_under_s_plus_one_without_dissipation():
    """H = φL + z·f - ½β|ω|²: H over θ' = -βω; autonomous, so that it is kept, to the order of Euler's rule."""
    drift = [spread(Settings(beta=0.5, s=1), n, -1) for n in STEPS]
    assert abs(flow.order_of(drift, STEPS) - 1) <= 0.1 and drift[-1] < 0.01
    for what, settings in (
        ("the forward sign", Settings(beta=0.5, s=-1)),
        ("dissipation", Settings(beta=0.5, s=1, eta=0.5)),
        ("a φ that depends on time", Settings(beta=0.5, s=1, phi=lambda t: 1 + t)),
    ):
        changed = [spread(settings, n, -1) for n in STEPS]
        assert flow.order_of(changed, STEPS) < 0.2 and changed[-1] > 0.05, f"{what} does not keep it"


def descent(s, eta, tau, order="euler"):
    torch.manual_seed(0)
    network = OutputNetwork(torch.nn.Linear(3, 2))
    return Learner(network, flow.loss, Settings(tau=tau, eta=eta, beta=0.5, s=s), order)


@pytest.fixture
def sample():
    torch.manual_seed(1)
    return Sample(torch.randn(4, 3), torch.randn(4, 2))


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_T10_a_network_without_state_is_a_ball_that_rolls_and_dissipation_is_its_friction(order, sample):
    """s = -1: L + ½β|ω|² falls at the rate ηβ|ω|², and is kept without η."""

    def spent(eta, n):
        """How far energy and what friction took differ from the first energy, at most; the share that friction took."""
        learner, taken, found = descent(-1, eta, 2 / n, order), 0.0, []
        for _ in range(n):
            (energy,) = energies(learner, sample, 1, +1)
            found.append(energy + taken)
            taken += learner.settings.tau * eta * 2 * kinetic(learner)
        return float(np.abs(np.array(found) - found[0]).max()), taken / found[0]

    for eta in (0.0, 1.0):
        drift, taken = zip(*(spent(eta, n) for n in STEPS), strict=True)
        assert abs(flow.order_of(drift, STEPS) - 1) <= 0.1
        assert taken[-1] > 0.2 if eta else taken[-1] == 0.0


def test_T10_the_sign_of_the_optimum_run_forward_does_not_learn(sample):
    """s = +1 from ω = 0 climbs: L - ½β|ω|² is kept, so L only grows; s = -1 with the same settings learns."""
    losses = {}
    for s in (1, -1):
        learner = descent(s, 0.5, 0.02)
        before = learner.point.clone().theta
        losses[s] = [learner.step(sample).loss for _ in range(150)]
        assert all(float((before[k] - x).abs().max()) > 1e-3 for k, x in learner.point.theta.items()), "weights moved"
    assert losses[1][0] == losses[-1][0]
    assert np.diff(losses[1]).min() >= 0 and losses[1][-1] > 2 * losses[1][0]
    assert losses[-1][-1] < 0.7 * losses[-1][0]
