"""T15: in the frame that turns with the state, each law of credit is one sum of errors."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from hlcore import Learner, Network, Rotations, Sample, Settings
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.learners.forward_costate import FPTT, HL, ONE_STEP, shooting_start, walk
from hlcore.learners.turning_frame import turned

N, UNITS = 50, 5


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)


def as_complex(x):
    return torch.complex(*x.chunk(2, -1))


def costates(network, samples, how, start=None):
    law = Hamiltonian(network, mse_loss)
    z = [m.z["h"] for m in walk(law, samples, network.initial_state(1), start or {}, 1.0, how)]
    return as_complex(torch.cat(z).detach())


def test_T15_exact_is_total_minus_past_HL_the_past_one_step_the_present():
    network = Rotations(UNITS, 2, 1)
    samples = [Sample(torch.randn(1, 2), torch.randn(1, 1), end=False) for _ in range(N)]
    errors = costates(network, samples, ONE_STEP)  # z of the one-step law is the error itself
    time = torch.arange(1.0, N + 1)
    g = turned(network, errors, time)
    past = g.cumsum(0) - g
    start = shooting_start(network, samples, mse_loss)
    total = as_complex(start["h"])[0]
    assert float((total - g.sum(0)).abs().max()) <= 1e-12, "the extra pass measures the total"
    exact = turned(network, costates(network, samples, FPTT, start), time)
    assert float((exact - (total - past)).abs().max()) <= 1e-11
    hl = turned(network, costates(network, samples, HL), -time)  # Jᵀ turns the other way
    other = turned(network, errors, -time).cumsum(0)
    assert float((hl - other).abs().max()) <= 1e-11
    wrong = turned(network, costates(network, samples, HL), time)
    assert float((wrong - g.cumsum(0)).abs().max()) > 0.1, "it is no sum in the state's own frame"
    assert float((exact - hl).abs().max()) > 0.1


class OddTanh(Network):
    """h⁺ = h + τ A tanh(h), A = W - Wᵀ: an odd bounded σ and antisymmetric weights (Casoni et al. 2025)."""

    def __init__(self, units, skew=True):
        super().__init__()
        self.W, self.skew = nn.Parameter(torch.randn(units, units)), skew

    def initial_state(self, batch_size):
        return {"h": torch.linspace(-1, 1, len(self.W)).expand(batch_size, -1)}

    def velocity(self, u, h, tau):
        A = self.W - self.W.T if self.skew else self.W
        return {"h": torch.tanh(h["h"]) @ A.T}

    def output(self, u, h):
        return h["h"]


@pytest.mark.parametrize("skew", [True, False])
def test_T15_antisymmetric_weights_with_an_odd_sigma_keep_their_invariant(skew):
    """I = Σ log cosh h_i has I' = tanh(h)·A tanh(h) = 0; an explicit step keeps it to order one in τ."""
    drifts = []
    for tau in (0.01, 0.005):
        torch.manual_seed(3)
        network = OddTanh(6, skew)
        learner = Learner(network, mse_loss, Settings(tau=tau, beta=0.0))
        first = network.initial_state(1)["h"].cosh().log().sum()
        for _ in range(round(2 / tau)):
            learner.step(Sample(torch.zeros(1, 1), end=False))
        drifts.append(float((learner.point.h["h"].cosh().log().sum() - first).abs()))
    order = torch.log2(torch.tensor(drifts[0] / drifts[1]))
    assert abs(order - 1) <= 0.1 and drifts[1] < 0.2 if skew else drifts[1] > 0.2 and abs(order) < 0.3
