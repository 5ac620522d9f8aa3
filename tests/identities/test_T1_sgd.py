"""T1: an output network in sequential order moves its weights as torch.optim.SGD does (P, eq. 20-21)."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import hlcore
from hlcore import Learner, OutputNetwork, Settings
from hlcore.streams import iris

BOUND = 1e-12
# name: lr, momentum, dampening, tau (P, App. E)
CASES = {"GD-a": (0.01, 0.0, 0.0, 1.0), "GD-b": (0.001, 0.0, 0.0, 0.5),
         "Mom-a": (0.01, 0.05, 0.6, 1.0), "Mom-b": (0.01, 0.1, 0.5, 0.5)}  # fmt: skip
TABLE = {
    "GD-a": (1, 0.01, 1, 1),
    "GD-b": (0.5, 0.002, 2, 2),
    "Mom-a": (1, 0.01, 0.95, 0.4),
    "Mom-b": (0.5, 0.02, 1.8, 1),
}
EPOCHS = 40


def mlp():
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Linear(4, 30), torch.nn.Tanh(), torch.nn.Linear(30, 3))


def by_sgd(module, samples, lr, momentum, dampening, lag=0, rates=None):
    """Weights after torch.optim.SGD over the samples; lag=1: the step uses the previous buffer; rates: lr per step."""
    if not lag:
        optimiser = torch.optim.SGD(module.parameters(), lr, momentum=momentum, dampening=dampening)
    buffers = [torch.zeros_like(p) for p in module.parameters()]
    for k, sample in enumerate(samples):
        loss = cross_entropy(module(sample.u), sample.target)
        if not lag:
            for group in optimiser.param_groups:
                group["lr"] = lr if rates is None else rates[k]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            continue
        grads = torch.autograd.grad(loss, list(module.parameters()))
        with torch.no_grad():
            for p, b, g in zip(module.parameters(), buffers, grads, strict=True):
                p -= lr * b
                b.mul_(momentum).add_(g, alpha=1 - dampening)
    return [p.detach().clone() for p in module.parameters()]


def by_hl(learner, samples):
    for sample in samples:
        learner.step(sample)
    return list(learner.point.clone().theta.values())


def worst(a, b):
    return max(float((x.detach() - y.detach()).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_T1_the_whole_run_on_iris_mlp(case):
    lr, momentum, dampening, tau = CASES[case]
    samples = list(iris(seed=1, epochs=EPOCHS))
    assert len(samples) == 6000
    module = mlp()
    learner = Learner.like_sgd(OutputNetwork(copy.deepcopy(module)), cross_entropy, lr, momentum, dampening, tau)
    start = [p.detach().clone() for p in module.parameters()]
    expected = by_sgd(module, samples, lr, momentum, dampening)
    got = by_hl(learner, samples)
    assert worst(got, expected) == 0, "to the last bit"
    assert worst(expected, start) > 0.01, "the weights moved"
    later = samples[:300]
    for touched in ({"eta": 1.01}, {"beta": 1.01}, {"phi": 1.01}):
        (name, factor), other = next(iter(touched.items())), OutputNetwork(mlp())
        wrong = Learner.like_sgd(other, cross_entropy, lr, momentum, dampening, tau)
        wrong.settings = wrong.settings.replace(**{name: getattr(wrong.settings, name) * factor})
        assert worst(by_hl(wrong, later), by_sgd(mlp(), later, lr, momentum, dampening)) > 1e-7, name


@pytest.mark.parametrize("case", CASES)
def test_the_papers_table_of_settings_is_the_map(case):
    lr, momentum, dampening, tau = CASES[case]
    made, (tau_, beta, eta, phi) = Settings.from_sgd(lr, momentum, dampening, tau), TABLE[case]
    for name, value in {"tau": tau_, "beta": beta, "eta": eta, "phi": phi}.items():
        assert getattr(made, name) == pytest.approx(value, rel=1e-15), name
    back = made.to_sgd()
    assert (back["lr"], back["momentum"], back["dampening"]) == pytest.approx((lr, momentum, dampening), abs=1e-15)


def test_without_torchs_undampened_first_step_mom_a_differs():
    lr, momentum, dampening, tau = CASES["Mom-a"]
    samples = list(iris(seed=1, epochs=EPOCHS))
    plain = Learner(OutputNetwork(mlp()), cross_entropy, Settings.from_sgd(lr, momentum, dampening, tau), "sequential")
    difference = worst(by_hl(plain, samples), by_sgd(mlp(), samples, lr, momentum, dampening))
    assert difference > 1e-7


numbers = st.floats(0, 1, width=32)


@given(lr=st.floats(1e-4, 0.1), momentum=numbers, dampening=numbers, tau=st.floats(0.01, 10), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_T1_any_lr_momentum_dampening_tau(lr, momentum, dampening, tau, seed):
    torch.set_default_dtype(torch.float64)
    stream = iris(seed, batch=3)
    samples = [stream[k] for k in range(40)]
    learner = Learner.like_sgd(OutputNetwork(mlp()), cross_entropy, lr, momentum, dampening, tau)
    expected = by_sgd(mlp(), samples, lr, momentum, dampening)
    assert worst(by_hl(learner, samples), expected) <= BOUND
    assert worst(expected, list(mlp().parameters())) > 0


@pytest.mark.parametrize("case", CASES)
def test_T1_euler_order_is_sgd_fed_the_previous_buffer(case):
    """Algorithm 1 moves θ with the old ω: θ_{k+1} = θ_k - γ b_k, where SGD takes b_{k+1}."""
    lr, momentum, dampening, tau = CASES[case]
    samples = list(iris(seed=1, epochs=4))
    learner = Learner(OutputNetwork(mlp()), cross_entropy, Settings.from_sgd(lr, momentum, dampening, tau), "euler")
    got = by_hl(learner, samples)
    assert worst(got, by_sgd(mlp(), samples, lr, momentum, dampening, lag=1)) <= BOUND
    assert worst(got, by_sgd(mlp(), samples, lr, momentum, dampening)) > 1e-5, "and is not SGD itself"


def test_T1_phi_is_a_learning_rate_schedule_without_momentum():
    """η = 1/τ: ω⁺ = τφ_k g_k, so θ⁺ = θ - (τβ)(τφ_k) g_k: SGD with lr_k = τβ·τφ_k."""
    tau, beta, samples = 0.5, 0.04, list(iris(seed=2, epochs=2))

    def phi(t):
        return 2 / (1 + t / 40)

    learner = Learner(OutputNetwork(mlp()), cross_entropy, Settings(tau, 1 / tau, beta, phi), "sequential")
    rates = [tau * beta * tau * phi(tau * k) for k in range(len(samples))]
    got = by_hl(learner, samples)
    assert worst(got, by_sgd(mlp(), samples, 0.1, 0.0, 0.0, rates=rates)) <= BOUND
    assert worst(got, by_sgd(mlp(), samples, rates[0], 0.0, 0.0)) > 1e-4, "a constant rate is another run"


def test_T1_reset_of_omega_at_sample_ends_is_plain_gradient_descent():
    """ω = 0 before each sample: θ⁺ = θ - τβ·τφ g, whatever η."""
    samples = list(iris(seed=3, epochs=1))
    made = Settings(tau=0.5, eta=0.3, beta=0.04, phi=1.5)
    got = by_hl(Learner(OutputNetwork(mlp()), cross_entropy, made, "sequential", reset_omega=True), samples)
    assert worst(got, by_sgd(mlp(), samples, 0.5 * 0.04 * 0.5 * 1.5, 0.0, 0.0)) <= BOUND
    kept = by_hl(Learner(OutputNetwork(mlp()), cross_entropy, made, "sequential"), samples)
    assert worst(got, kept) > 1e-3


def test_to_sgd_reads_the_schedule_at_a_time():
    settings_ = hlcore.Settings(tau=0.5, phi=lambda t: 1 + t)
    assert settings_.to_sgd(1.0)["dampening"] == 1 - 0.5 * 2


def test_T1_large_weights_are_moved_in_place_to_the_same_bits():
    """A layer large enough for the in-place update, in both orders, beside the reference update written out."""
    torch.manual_seed(2)
    module = torch.nn.Linear(700, 800)
    u, target = torch.randn(2, 700), torch.randint(0, 800, (2,))
    for order in ("sequential", "euler"):
        mine, plain = copy.deepcopy(module), copy.deepcopy(module)
        learner = Learner(OutputNetwork(mine), cross_entropy, Settings(0.5, 0.4, 0.3, 1.5), order)
        weights, omega = list(plain.parameters()), [torch.zeros_like(p) for p in plain.parameters()]
        for _ in range(12):
            learner.step(hlcore.Sample(u, target))
            grads = torch.autograd.grad(cross_entropy(plain(u), target), weights)
            new = [0.8 * w + 0.75 * g for w, g in zip(omega, grads, strict=True)]
            with torch.no_grad():
                for p, w in zip(weights, new if order == "sequential" else omega, strict=True):
                    p -= 0.15 * w
            omega = new
        assert worst(list(learner.point.theta.values()), weights) <= BOUND
        assert worst(list(learner.point.omega.values()), omega) <= BOUND
        assert worst(list(learner.point.theta.values()), list(module.parameters())) > 1e-3
