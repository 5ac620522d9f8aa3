"""T13: a costate carried forward from its shooting start is the adjoint (neighbours: TIME, section 7)."""

import copy
import math
import tracemalloc
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import (
    Antisymmetric,
    Diverged,
    HLError,
    Leapfrog,
    Learner,
    Recurrent,
    Rotations,
    Sample,
    Settings,
    Stack,
    bptt_gradient,
    fptt_gradient,
    shooting_start,
)
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.law.network import Network
from hlcore.learners import get
from hlcore.learners.diagonal_sensitivity import DiagonalSensitivity
from hlcore.learners.forward_costate import HL, ONE_STEP, walk
from hlcore.learners.rtrl import Sensitivity
from hlcore.learners.turning_frame import turning_gradient


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)


def tokens(n, inputs=3, outputs=2, batch=1, seed=1):
    draw = torch.Generator().manual_seed(seed)
    for k in range(n):
        u, target = (torch.randn(batch, d, generator=draw) for d in (inputs, outputs))
        yield Sample(u, target, end=k == n - 1)


def error(found, truth, only=""):
    return max(float((found[k] - x).norm() / x.norm()) for k, x in truth.items() if k.startswith(only))


def cosine(found, truth):
    a, b = (torch.cat([x[k].flatten() for k in truth]) for x in (found, truth))
    return float(a @ b / (a.norm() * b.norm()))


def tanh_stack():
    lower = [Rotations(3, 3, 3, sigma=torch.tanh), Rotations(3, 3, 3, sigma=torch.tanh)]
    return Stack([*lower, Rotations(3, 3, 2)])


NETWORKS = {
    "rotations": (lambda: Rotations(4, 3, 2), 1.0, 300),
    "rotations, free": (lambda: Rotations(4, 3, 2, start="free"), 1.0, 100),
    "rotations, forgetting": (lambda: Rotations(4, 3, 2, keep=0.99), 1.0, 300),
    "antisymmetric": (lambda: Antisymmetric(6, 3, 2), 0.3, 60),
    "leapfrog": (lambda: Leapfrog(4, 3, 2), 0.1, 60),
    "gru": (lambda: Recurrent(torch.nn.GRUCell(3, 6), torch.nn.Linear(6, 2)), 1.0, 8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_T13b_the_forward_costate_is_the_adjoint(name):
    make, tau, n = NETWORKS[name]
    network, samples, last = make(), list(tokens(n, batch=2)), []
    truth = bptt_gradient(network, samples, mse_loss, tau=tau)
    found = fptt_gradient(network, samples, mse_loss, tau=tau, watch=lambda p, _: last.append(p))
    assert error(found, truth) <= (1e-9 if name == "gru" else 1e-11)
    assert max(float(x.abs().max()) for x in last[-1].values()) <= 1e-10, "p ends at zero"
    assert error(fptt_gradient(network, samples, mse_loss, 1, tau=tau), truth) > 0.1, "from p = 0 it is another"
    residual = shooting_start(network, samples, mse_loss, tau=tau, how="residual")
    sensitive = shooting_start(network, samples, mse_loss, tau=tau)
    assert all(float((residual[k] - x).norm() / x.norm()) <= 1e-8 for k, x in sensitive.items())


def test_T13b_a_network_that_forgets_is_told_before_it_is_tried():
    gru = NETWORKS["gru"][0]()
    for network, n in ((gru, 60), (Rotations(4, 3, 2, keep=0.9), 10_000)):
        with pytest.raises(Diverged, match=r"the start cannot be held in float64: \|λ\|\^T ="):
            fptt_gradient(network, list(tokens(n)), mse_loss)
    short = [Sample(s.u.float(), s.target.float(), s.end) for s in tokens(100)]
    with pytest.raises(Diverged, match="float32"):
        fptt_gradient(Rotations(4, 3, 2, keep=0.9).float(), short, mse_loss)


def test_T13a_one_knob_s_is_hamiltonian_learning_forward():
    network, samples = Rotations(4, 3, 2), list(tokens(60, batch=2))
    learner = Learner(network, mse_loss, Settings(tau=0.5, beta=0.0, phi=2.0), "sequential")
    euler = Learner(network, mse_loss, Settings(tau=0.5, beta=0.0, phi=2.0), "euler")
    law = Hamiltonian(network, mse_loss)
    for moment in walk(law, samples, network.initial_state(2), {}, 0.5, HL):
        learner.step(moment.sample)
        euler.step(moment.sample)
        z = learner.traced()["z"]["h"]
        assert float((z - moment.p["h"]).abs().max()) <= 1e-12
    assert float((euler.traced()["z"]["h"] - z).abs().max()) > 1e-3, "the other order is another law"
    truth = bptt_gradient(network, samples, mse_loss, tau=0.5)
    omega = learner.point.omega
    assert abs(cosine(omega, truth)) < 0.9, "HL is not the gradient"


def test_T13c_eulers_transport_has_order_one_and_the_exact_one_none():
    network, errors = Rotations(3, 2, 1), []
    for n in (150, 300):
        tau = 10 / n
        time = torch.arange(1, n + 1) * tau
        samples = [Sample(torch.stack([t.sin(), (2 * t).cos()])[None], t.cos()[None, None], False) for t in time]
        truth = bptt_gradient(network, samples, mse_loss, tau=tau)
        errors.append(error(fptt_gradient(network, samples, mse_loss, tau=tau, transport="euler"), truth))
    assert error(fptt_gradient(network, samples, mse_loss, tau=tau), truth) <= 1e-12
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert abs(orders[-1] - 1) <= 0.1 and errors[-1] > 1e-4


def test_T13d_omega_counts_the_gradient_down():
    network, samples, seen = Rotations(4, 3, 2), list(tokens(80)), []
    total = fptt_gradient(network, samples, mse_loss, watch=lambda p, w: seen.append([x.clone() for x in w]))
    left = [float(sum((total[k] - x).norm() for k, x in zip(total, w, strict=True))) for w in seen]
    assert left[-1] <= 1e-10 and left[0] > 1, "from the whole to nothing"


def test_T13e_pass_k_makes_the_top_layers_exact():
    network, samples = tanh_stack(), list(tokens(30))
    truth = bptt_gradient(network, samples, mse_loss)
    for passes in (1, 2, 3, 4):
        found = fptt_gradient(network, samples, mse_loss, passes)
        each = [error(found, truth, f"parts.{layer}") for layer in (2, 1, 0)]
        assert all(e <= 1e-11 for e in each[: passes - 1]) and all(e > 0.1 for e in each[passes - 1 :])
    with pytest.raises(HLError, match="at most 4"):
        fptt_gradient(network, samples, mse_loss, 5)


def test_T13f_the_edge_of_a_forward_costate():
    """log10 error = log10 eps - T log10|λ| + 1.8: where it can be seen, one line says it."""
    from hlcore.learners import forward_costate

    usable, seen = forward_costate.USABLE, 0
    forward_costate.USABLE = math.inf  # answer where no answer is to be had
    try:
        for keep, lengths in ((0.9, (60, 120, 180)), (0.95, (150, 300))):
            network = Rotations(8, 1, 1, keep=keep)
            for n in lengths:
                samples = list(tokens(n, 1, 1))
                found = error(fptt_gradient(network, samples, mse_loss), bptt_gradient(network, samples, mse_loss))
                line = math.log10(torch.finfo().eps) - n * math.log10(keep) + 1.8
                seen += found > 1e-11
                assert found <= 1e-11 or abs(math.log10(found) - line) <= 2.5
    finally:
        forward_costate.USABLE = usable
    assert seen >= 3
    network, samples = Rotations(8, 1, 1), list(tokens(500, 1, 1))
    assert error(fptt_gradient(network, samples, mse_loss), bptt_gradient(network, samples, mse_loss)) <= 1e-11


@pytest.mark.parametrize("kind", [Rotations, Antisymmetric, Leapfrog])
def test_T13_the_transport_is_the_inverse_transpose(kind):
    network = kind(4, 3, 2)
    u, tau = torch.randn(2, 3), 0.3
    h, p = ({k: torch.randn_like(x) for k, x in network.initial_state(2).items()} for _ in range(2))
    after = {k: (x + tau * network.velocity(u, h, tau)[k]).detach() for k, x in h.items()}
    J = network.jacobian(u, h, tau)
    flat = torch.cat(list(p.values()), 1)
    truth = torch.linalg.solve(J.mT, flat[..., None])[..., 0]
    for way in (network.transport, lambda *given: Network.transport(network, *given)):
        with torch.no_grad():
            found = torch.cat(list(way(u, h, after, p, tau).values()), 1)
        assert float((found - truth).abs().max()) <= 1e-12
    if kind is Rotations:
        assert float((found - (J.mT @ flat[..., None])[..., 0]).abs().max()) > 1e-2, "it turns the other way than Jᵀ"


def noise(seed):
    """Tokens by index, the same in any chunks."""

    def tokens(a, b):
        t = torch.arange(a, b, dtype=torch.float64)[:, None] + seed
        return [(x * (12.9898 * t).sin()).frac() for x in (43758.5453, 24634.6345)]

    return tokens


def test_T13g_the_turning_frame_is_the_adjoint_in_chunks_of_any_size():
    network = Rotations(8, 1, 1)
    samples = [Sample(u[None], y[None], False) for u, y in zip(*noise(0)(0, 300), strict=True)]
    truth = bptt_gradient(network, samples, mse_loss)
    for chunk in (300, 77):
        assert error(turning_gradient(network, noise(0), 300, mse_loss, chunk=chunk), truth) <= 1e-11
    assert error(turning_gradient(network, noise(5000), 300, mse_loss), truth) > 0.1
    with pytest.raises(HLError, match="keep=1"):
        turning_gradient(Rotations(8, 1, 1, keep=0.9), noise(0), 10, mse_loss)


@pytest.mark.slow
def test_T13g_a_million_steps_in_the_memory_of_a_chunk():
    network, asked, found = Rotations(8, 1, 1), [], []

    def counted(a, b):
        asked.append(b - a)
        return noise(0)(a, b)

    for n, chunk in ((10**5, 20_000), (10**6, 20_000), (10**6, 50_000)):
        asked.clear()
        found.append(turning_gradient(network, counted, n, mse_loss, chunk=chunk))
        assert max(asked) == chunk and sum(asked) == 2 * n, "two passes, never more tokens at hand than a chunk"
    assert error(found[1], found[2]) <= 1e-9
    assert error(found[0], found[1]) > 0.1


@pytest.mark.parametrize("keep", [0.9, 1.0])
def test_T13k_diagonal_RTRL_is_dense_RTRL_and_the_whole_gradient(keep):
    network, samples = Rotations(4, 3, 2, keep=keep), list(tokens(40, batch=2))
    with torch.no_grad():
        network.frequency[0] = 1e-4
    assert DiagonalSensitivity.holds(network) and not DiagonalSensitivity.holds(tanh_stack())
    law, h, P, total = Hamiltonian(network, mse_loss), None, torch.empty(0), 0
    dense = Sensitivity(network, mse_loss)
    for sample in samples:
        h, P, _, _, g = DiagonalSensitivity(law).look(sample, 0.7, h, P)
        truth = dense.step(sample, 0.7)
        assert max(float((x - y).abs().max()) for x, y in zip(g, truth.values(), strict=True)) <= 1e-12
        total = [a + b for a, b in zip(total or [0.0] * len(g), g, strict=True)]
    whole = bptt_gradient(network, samples, mse_loss, tau=0.7)
    assert error(dict(zip(whole, total, strict=True)), whole) <= 1e-11
    assert P.shape == (2, 4, 4, 2), "N (1 + inputs) complex numbers, not N times all weights"
    short = DiagonalSensitivity(law).look(samples[-1], 0.7, {"h": h["h"]}, torch.empty(0))[4]
    assert max(float((x - y).abs().max()) for x, y in zip(short, truth.values(), strict=True)) > 1e-3


@pytest.mark.parametrize("name", ["fptt", "rhel"])
def test_the_learner_moves_as_gradient_descent_on_the_whole_sequence(name):
    network, samples = Leapfrog(3, 3, 2), list(tokens(25, batch=2))
    truth = bptt_gradient(network, samples, mse_loss, tau=0.1)
    start = {k: p.detach().clone() for k, p in network.named_parameters()}
    learner = get(name)(network, mse_loss, None)
    learner.settings = learner.settings.replace(tau=0.1, eta=10.0, phi=10.0, beta=0.2)
    for sample in samples[:-1]:
        learner.step(sample)
        assert all(torch.equal(p, start[k]) for k, p in network.named_parameters()), "weights stand within a sequence"
    learner.step(samples[-1])
    for k, p in network.named_parameters():
        assert float((p - start[k] + 0.02 * truth[k]).abs().max()) <= (1e-12 if name == "fptt" else 1e-6)
        assert float((p - start[k]).abs().max()) > 1e-4
    halves = get(name)(Leapfrog(3, 3, 2), mse_loss, learner.settings.replace(every=10))
    assert [halves.step(s) and len(halves.memory["tokens"]) for s in samples][8:11] == [9, 0, 1]


HOLDING = ["fptt", "rhel", "bptt", "hl-bptt"]


def held_by(name, every=None):
    """A learner that learns at the end of a sequence alone, from all of it."""
    torch.manual_seed(0)
    learner = get(name)(Leapfrog(3, 3, 2), mse_loss)
    learner.settings = learner.settings.replace(tau=0.1, beta=0.2, every=every)
    return learner


@pytest.mark.parametrize("name", HOLDING)
def test_a_step_copies_nothing_of_what_is_held(name):
    """Bytes that Python takes in a step, at token 100 and at token 2,000: a copy of the list is 8 a token."""
    learner, sample = held_by(name), Sample(torch.ones(1, 3), None, end=False)

    def bytes_of_a_step():
        tracemalloc.start()
        peaks = []
        for _ in range(50):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            learner.step(sample)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
        return sorted(peaks)[25]

    taken = []
    for n in (100, 2000):
        learner.run([sample] * (n - learner.steps))
        taken.append(bytes_of_a_step())
    assert taken[1] < taken[0] + 4000, "the control: a copy would be 15,000 more"
    assert max(len(x) for x in learner.memory.values() if isinstance(x, list)) == 2050


@pytest.mark.parametrize("every", [None, 4])
@pytest.mark.parametrize("name", HOLDING)
def test_what_is_held_is_not_the_callers(name, every):
    """One buffer for all inputs and one for all targets, filled again for each token, as a sensor loop has it."""
    found = []
    for reused in (False, True):
        learner = held_by(name, every)
        u, target, start = torch.empty(1, 3), torch.empty(1, 2), copy.deepcopy(learner.point.theta)
        for sample in tokens(11):
            if reused:
                sample = Sample(u.copy_(sample.u), target.copy_(sample.target), sample.end)
            learner.step(sample)
        found.append(learner.point.theta)
    assert all(torch.equal(x, found[1][k]) for k, x in found[0].items())
    assert max(float((x - start[k]).abs().max()) for k, x in found[0].items()) > 1e-5


def test_one_step_is_the_law_without_transport():
    network, samples = Rotations(4, 3, 2), list(tokens(30))
    learner = get("one-step")(network, mse_loss)
    law = Hamiltonian(network, mse_loss)
    for moment in walk(law, samples, network.initial_state(1), {}, 1.0, ONE_STEP):
        found = learner.gradient(moment.sample)
        assert all(float((found[k] - g).abs().max()) <= 1e-13 for k, g in zip(found, moment.slopes, strict=True))
        learner.settings = learner.settings.replace(beta=0.0)
        learner.step(moment.sample)
    other = Learner(network, mse_loss, Settings(beta=0.0), "sequential")
    other.run(samples[:-1])
    assert any(float((other.gradient(samples[-1])[k] - x).abs().max()) > 1e-3 for k, x in found.items())
    with pytest.raises(HLError, match="Leapfrog"):
        get("rhel")(network, mse_loss)
