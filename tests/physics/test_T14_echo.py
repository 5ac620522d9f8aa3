"""T14: the way back made by the network itself; its error in ε, under friction, and where the kick is taken."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import Leapfrog, Sample, bptt_gradient, echo_gradient, fptt_gradient
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.learners.echo import echoed, twin

TAU = 0.1


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)


def tokens(n=100):
    draw = torch.Generator().manual_seed(1)
    return [Sample(*(torch.randn(2, d, generator=draw) for d in (3, 2)), end=k == n - 1) for k in range(n)]


def error(found, truth):
    return max(float((found[k] - x).norm() / x.norm()) for k, x in truth.items())


def end_of(network, samples):
    h = network.initial_state(2)
    with torch.no_grad():
        for s in samples:
            v = network.velocity(s.u, h, TAU)
            h = {k: x + TAU * v[k] for k, x in h.items()}
    return h


class AtTheStart(Leapfrog):
    """The kick taken at q, as in the authors' stored code: not reversible."""

    def halfway(self, h, tau):
        return h["q"]

    def velocity(self, u, h, tau):
        p = h["p"] + tau * self.force(h["q"], u)
        return {"q": p, "p": (p - h["p"]) / tau}


def test_T14_the_free_echo_comes_home_and_another_kick_does_not():
    samples = tokens()
    for kind in (Leapfrog, AtTheStart):
        network = kind(6, 3, 2)
        law = Hamiltonian(network, mse_loss)
        home = echoed(law, samples, end_of(network, samples), 0.0, TAU)[1]
        away = max(float(x.abs().max()) for x in home.values())
        assert away <= 1e-12 if kind is Leapfrog else away > 1e-2
    truth = bptt_gradient(network, samples, mse_loss, tau=TAU)
    assert error(echo_gradient(network, samples, mse_loss, tau=TAU), truth) > 0.1


def slopes(errors, steps):
    both = zip(pairwise(errors), pairwise(steps), strict=True)
    return [math.log10(a / b) / math.log10(x / y) for (a, b), (x, y) in both]


def test_T14_the_echo_has_order_two_in_the_kick_one_sided_order_one():
    network, samples, kicks = Leapfrog(6, 3, 2), tokens(), (1e-3, 1e-4, 1e-5)
    truth = bptt_gradient(network, samples, mse_loss, tau=TAU)
    law, end = Hamiltonian(network, mse_loss), end_of(network, samples)
    still = echoed(law, samples, end, 0.0, TAU)[0]
    W = list(truth).index("W")
    two, forward, one = [], [], []
    for eps in kicks:
        two.append(error(echo_gradient(network, samples, mse_loss, eps, tau=TAU), truth))
        forward.append(error(echo_gradient(network, samples, mse_loss, eps, True, tau=TAU), truth))
        kicked = echoed(law, samples, end, eps, TAU)[0]
        one.append(float((-(kicked[W] - still[W]) / eps - truth["W"]).norm() / truth["W"].norm()))
    assert all(abs(k - 2) <= 0.1 for k in slopes(two[:2], kicks[:2]) + slopes(forward[:2], kicks[:2]))
    assert all(abs(k - 1) <= 0.1 for k in slopes(one, kicks))
    assert two[2] <= 1e-7 and forward[2] <= 1e-7 and one[2] > 1e-6
    assert error(echo_gradient(network, samples, mse_loss, 3.0, tau=TAU), truth) > 0.3, "nudged out of its basin"


def test_T14_friction_spoils_the_echo_gently_and_the_costate_not_at_all():
    samples, errors = tokens(), []
    for friction in (1e-4, 1e-3, 1e-2):
        torch.manual_seed(0)
        network = Leapfrog(6, 3, 2, friction=friction)
        truth = bptt_gradient(network, samples, mse_loss, tau=TAU)
        errors.append(error(echo_gradient(network, samples, mse_loss, tau=TAU), truth))
    assert error(fptt_gradient(network, samples, mse_loss, tau=TAU), truth) <= 1e-11
    assert all(abs(k - 1) <= 0.1 for k in slopes(errors, (1e-4, 1e-3, 1e-2))) and 0.02 < errors[-1] < 0.5


def test_T14_on_a_symplectic_step_a_costate_is_a_turned_tangent():
    """J⁻ᵀ = S J S⁻¹, S = (0 1; -1 0): why the forward echo needs no derivative."""
    n, u = 5, torch.randn(1, 3)
    S = torch.zeros(2 * n, 2 * n)
    S[:n, n:], S[n:, :n] = torch.eye(n), -torch.eye(n)
    for friction in (0.0, 0.3):
        network = Leapfrog(n, 3, 2, friction=friction)
        J = network.jacobian(u, {k: torch.randn(1, n) for k in "qp"}, TAU)[0]
        gap = float((torch.linalg.inv(J).T - S @ J @ torch.linalg.inv(S)).abs().max())
        assert gap <= 1e-13 if friction == 0 else gap > 1e-2


def test_T14_a_twin_from_another_start_is_another_gradient():
    network, samples = Leapfrog(4, 3, 2), tokens(60)
    law, start = Hamiltonian(network, mse_loss), network.initial_state(2)
    truth = bptt_gradient(network, samples, mse_loss, tau=TAU)
    none = {k: torch.zeros_like(x) for k, x in start.items()}
    plus, minus = (twin(law, samples, start, none, kick, TAU) for kick in (1e-4, -1e-4))
    W = list(truth).index("W")
    assert float(((plus[W] - minus[W]) / 2e-4 - truth["W"]).norm() / truth["W"].norm()) > 0.1
