"""S6: experts under a gate (after MoVE/HVCL, arXiv 2211.07725): free energy, springs, dashpots, keys; and `absorb`.

Each bound has a control that breaks it.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hlcore import Diverged, HLError, Learner, Network, OutputNetwork, Sample, Settings, experiments, learners
from hlcore.networks.experts import NEVER, Experts, expected_loss, flipout, free_energy, losses, responsibility
from hlcore.streams.tasks import InTurn, Pairs, permuted, split
from hlcore.studies.continual import in_turn, right


@pytest.fixture(autouse=True)
def _doubles():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def sample(n=6, inputs=4, classes=3):
    return Sample(torch.randn(n, inputs), torch.randint(0, classes, (n,)))


# ---- free energy -------------------------------------------------------------------------------------------------


def test_the_best_gate_minimises_and_the_minimum_is_the_free_energy():
    net, one = Experts(4, 3, 5, gate="linear", sharpness=2.0), sample(1)
    y = net.output(one.u, {})
    L, log_p0 = losses(y, one.target)[0], y[0, :, 0]
    best = responsibility(y, one.target, 2.0)[0]

    def cost(p):
        return (p * L).sum(-1) + (torch.xlogy(p, p) - p * log_p0).sum(-1) / 2.0

    assert float(cost(best) - net.loss(y, one.target)) == pytest.approx(0.0, abs=1e-14)
    assert bool((cost(torch.distributions.Dirichlet(torch.ones(5)).sample((20_000,))) > cost(best)).all())


def test_responsibility_is_a_loss_scale_of_each_experts_own():
    """∂F/∂L_m = r_m, and so expert m's weights get r_m times their own gradient, nothing where r_m = 0."""
    net, one = Experts(4, 3, 5, sharpness=2.0), sample(1)
    net.keys.copy_(torch.randn(5, 4))
    net.seen[:3] = 1
    y = net.output(one.u, {})
    r = responsibility(y, one.target, 2.0)[0]
    found = torch.autograd.grad(net.loss(y, one.target), net.W, retain_graph=True)[0]
    for m in range(5):
        own = torch.autograd.grad(losses(y, one.target)[0, m], net.W, retain_graph=True)[0]
        assert (found[m] - r[m].detach() * own[m]).abs().max() <= 1e-15
    assert float(r[4]) == 0 and float(found[4].abs().max()) == 0 < float(found[0].abs().max())
    assert float(r[3]) > 0, "one fresh expert is always on offer"


def test_the_limits_of_the_sharpness():
    net, one = Experts(4, 3, 5, gate="linear"), sample()
    y = net.output(one.u, {})
    L, p0 = losses(y, one.target), y[..., 0].exp()
    assert float(free_energy(1e-4)(y, one.target) - (p0 * L).sum(1).mean()) == pytest.approx(0, abs=1e-4)
    assert float(expected_loss(y, one.target) - (p0 * L).sum(1).mean()) == pytest.approx(0, abs=1e-14)
    assert float(free_energy(1e4)(y, one.target) - L.min(1).values.mean()) == pytest.approx(0, abs=1e-3)
    assert abs(float(free_energy(5.0)(y, one.target) - L.min(1).values.mean())) > 1e-2, "the control: between them"


@pytest.mark.parametrize("gate", ["keys", "linear"])
def test_T1_the_learner_on_the_free_energy_is_sgd_on_the_free_energy(gate):
    one, two = (Experts(4, 3, 5, gate=gate) for _ in range(2))
    two.load_state_dict(one.state_dict())
    learner = Learner.like_sgd(one, one.loss, 0.1, 0.9)
    optimiser = torch.optim.SGD(two.parameters(), 0.1, 0.9)
    start = one.W.detach().clone()
    for _ in range(40):
        each = sample()
        learner.step(each)
        optimiser.zero_grad()
        y = two.output(each.u, {})
        two.loss(y, each.target).backward()
        optimiser.step()
        with torch.no_grad():
            two.absorb(each, y)
    assert all((p - q).abs().max() <= 1e-12 for p, q in zip(one.parameters(), two.parameters(), strict=True))
    assert torch.equal(one.keys, two.keys) and (one.W - start).abs().max() > 0.01


def test_a_top_1_gate_over_the_chosen_logits_is_deaf():
    """softmax over one chosen logit is 1 whatever the logit: no gradient; over two there is one."""
    logits, L = torch.randn(5, requires_grad=True), torch.rand(5)

    def heard(k):
        values, chosen = logits.topk(k)
        return float(torch.autograd.grad((values.softmax(0) * L[chosen]).sum(), logits)[0].abs().max())

    assert heard(1) == 0.0 and heard(2) > 0.01


# ---- springs and dashpots ----------------------------------------------------------------------------------------


def stretched(k, follow=0.0):
    net = Experts(1, 2, 1, 1, gate="linear", spring=k, follow=follow)
    for name in ("W", "b", "V", "c"):
        getattr(net, f"prior_{name}").copy_(getattr(net, name).detach() - 1.0)
    return net


def springs_alone(y: Tensor, target: Tensor) -> Tensor:
    return y[..., 1].sum(1).mean()


springs_alone.own_shapes = True
ZERO = Sample(torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.long))


def test_the_KL_of_two_gaussians_of_one_width_is_the_spring():
    """κ KL(N(μ, σ²) ‖ N(μ⁰, σ²)) = ½ (κ/σ²)(μ - μ⁰)²; torch.distributions as oracle."""
    net = stretched(0.7 / 0.2**2)
    other = torch.distributions.kl_divergence(
        torch.distributions.Normal(net.W.detach(), 0.2), torch.distributions.Normal(net.prior_W, 0.2)
    )
    pull = net.output(ZERO.u, {})[0, 0, 1]
    assert float(pull) == pytest.approx(6 * 0.7 * float(other.detach()), rel=1e-12), "W, b, and two entries of V and c"


def test_a_spring_swings_at_its_frequency_and_dies_at_its_rate():
    """x'' + ηx' + βφk x = 0: frequency √(βφk - η²/4), rate η/2; first order in τ."""
    eta, beta, phi, k, T = 0.4, 0.5, 2.0, 3.0, 4.0
    omega = math.sqrt(beta * phi * k - eta**2 / 4)
    told = math.exp(-eta / 2 * T) * (math.cos(omega * T) + eta / (2 * omega) * math.sin(omega * T))
    errors = []
    for tau in (0.02, 0.01, 0.005):
        net = stretched(k)
        learner = Learner(net, springs_alone, Settings(tau=tau, eta=eta, beta=beta, phi=phi), "sequential")
        for _ in range(round(T / tau)):
            learner.step(ZERO)
        errors.append(abs(float((net.W - net.prior_W).detach()) - told))
    assert np.polyfit(np.log([0.02, 0.01, 0.005]), np.log(errors), 1)[0] == pytest.approx(1.0, abs=0.15)
    assert errors[-1] < 0.01 < abs(told - math.exp(-eta / 2 * T))


def test_a_prior_that_follows_lets_a_constant_push_creep():
    """Maxwell: v = (ρf/k)/(1 + ρη/(βφk)); a prior that stays lets nothing creep."""
    tau, eta, beta, k, rho, f = 0.1, 0.5, 1.0, 2.0, 0.1, 1.0

    def pushed(follow):
        net = stretched(k, follow)

        def loss(y, target):
            return y[..., 1].sum() - f * net.W.sum()

        loss.own_shapes = True
        learner = Learner(net, loss, Settings(tau=tau, eta=eta, beta=beta), "sequential")
        places = []
        for _ in range(600):
            learner.step(ZERO)
            places.append(float(net.W.detach()))
        return (places[-1] - places[-101]) / (100 * tau)

    assert pushed(tau * rho) == pytest.approx(rho * f / k / (1 + rho * eta / (beta * k)), rel=1e-3)
    assert abs(pushed(0.0)) < 1e-4, "the control"


def test_a_spring_in_sequential_order_is_stable_up_to_its_bound():
    """τ²βφk < 2(2 - τη)."""
    tau, eta, phi, k = 1.0, 0.5, 1.0, 2.0
    bound = 2 * (2 - tau * eta) / (tau**2 * phi * k)
    for share, stable in ((0.97, True), (1.03, False)):
        net = stretched(k)
        learner = Learner(net, springs_alone, Settings(tau=tau, eta=eta, beta=share * bound, phi=phi), "sequential")
        kick, keep = tau * phi * k, 1 - tau * eta
        stride = tau * share * bound
        step = np.array([[1 - stride * kick, -stride * keep], [kick, keep]])
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) is np.bool_(stable)
        for _ in range(400):
            learner.step(ZERO)
        left = abs(float((net.W - net.prior_W).detach()))
        assert left < 1e-3 if stable else left > 1e3


def test_the_determinant_of_two_experts_cannot_part_equal_ones():
    """det e^{-W_ij/width} = 1 - e^{-2|Δ|²/width} ≈ 2|Δ|²/width: its slope goes to zero as they coincide."""

    def det(delta, width=10.0):
        W = torch.stack([torch.zeros_like(delta), delta])
        return torch.exp(-(W[:, None] - W[None]).square().sum(2) / width).det()

    delta = torch.tensor([1e-3], requires_grad=True)
    value = det(delta)
    assert float(value) == pytest.approx(2e-6 / 10, rel=1e-5)
    assert float(torch.autograd.grad(value, delta)[0]) == pytest.approx(4e-4, rel=1e-5)
    ends = []
    for start in (0.0, 1e-3):
        x = torch.tensor([start])
        for _ in range(100):
            x = x.detach().requires_grad_()
            x = x + 0.5 * torch.autograd.grad(det(x), x)[0]
        ends.append(float(x))
    assert ends[0] == 0.0 and ends[1] > 1.0


def test_flipout_has_the_right_mean_and_variance_and_its_signs_part_the_samples():
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    for signs, related in ((True, 0.0), (False, 1.0)):
        draws = torch.stack([flipout(x, (2, 1), signs)[:, 0] for _ in range(4000)])
        assert draws.mean(0).abs().max() < 0.14
        assert draws.var(0) / 5 == pytest.approx(1.0, abs=0.09)
        assert float(torch.corrcoef(draws.T)[0, 1]) == pytest.approx(related, abs=0.06)
    net = Experts(4, 2, 3, noise=0.5)
    u = torch.randn(2, 4)
    assert not torch.equal(net.output(u, {}), net.output(u, {}))


# ---- keys --------------------------------------------------------------------------------------------------------


def test_keys_are_the_means_of_what_their_experts_answered_for_and_far_inputs_cannot_move_them():
    net = Experts(2, 2, 4, scale=3.0, reach=5.0)
    learner, near = Learner(net, net.loss, Settings(beta=0.05), "sequential"), torch.randn(40, 2) * 0.1
    for u in near:
        learner.step(Sample(u[None], torch.tensor([0])))
    assert int((net.seen > 0).sum()) == 1 and torch.allclose(net.keys[0], near.mean(0), atol=0.02)
    kept, W = net.keys[0].clone(), net.W[0].detach().clone()
    for u in 10 + torch.randn(40, 2) * 0.1:
        learner.step(Sample(u[None], torch.tensor([1])))
    assert torch.equal(net.keys[0], kept), "the first expert does not answer for them"
    assert int((net.seen > 0).sum()) == 2 and (net.W[1] - net.W[0]).abs().max() > 0
    assert (net.W[0] - W).abs().max() < 0.2 and float(net.prior(torch.zeros(1, 2))[0, 3]) < 0.5 * NEVER


# ---- the hook after a step ---------------------------------------------------------------------------------------


class Counting(Network):
    """Counts the samples that it has learned from, and sums their outputs."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("total", torch.zeros(()))
        self.angry = False

    def initial_state(self, batch_size):
        return {"h": torch.zeros(batch_size, 1)}

    def velocity(self, u, h, tau):
        return {"h": (self.w * u - h["h"]) / tau}

    def output(self, u, h):
        return self.w * h["h"]

    def absorb(self, sample, output):
        assert not torch.is_grad_enabled()
        self.count += len(sample.u)
        self.total += output.sum()
        if self.angry:
            raise RuntimeError("no more")


@pytest.mark.parametrize("name", ["hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl"])
def test_every_learner_tells_the_network_of_a_step_that_stands(name):
    net = Counting()
    kind = learners.get(name)
    learner = kind(net, torch.nn.functional.mse_loss, order=kind.orders[-1])
    outputs = [learner.step(Sample(torch.ones(2, 1), torch.zeros(2, 1))).output.sum() for _ in range(3)]
    assert (
        float(net.count) == 6
        and float(net.total) == pytest.approx(float(sum(outputs)), abs=1e-12)
        and float(net.total) != 0
    )
    kept = learner.snapshot()
    learner.step(Sample(torch.ones(2, 1), torch.zeros(2, 1)))
    learner.restore(kept)
    assert float(net.count) == 6, "a rewound step is forgotten"


def test_a_refused_step_is_not_absorbed_and_what_absorb_raises_refuses_the_step():
    net = Counting()
    learner = Learner(net, torch.nn.functional.mse_loss, Settings(beta=0.1), "sequential")
    good = Sample(torch.ones(2, 1), torch.zeros(2, 1))
    learner.step(good)
    with pytest.raises(Diverged):
        learner.step(Sample(torch.full((2, 1), math.inf), torch.zeros(2, 1)))
    w, omega = net.w.detach().clone(), learner.point.omega["w"].clone()
    net.angry = True
    with pytest.raises(HLError, match="no more"):
        learner.step(good)
    assert float(net.count) == 2 and learner.steps == 1
    assert torch.equal(net.w, w) and torch.equal(learner.point.omega["w"], omega)
    net.angry = False
    learner.step(good)
    assert float(net.count) == 4 and not torch.equal(learner.point.omega["w"], omega)


def test_keys_are_part_of_a_checkpoint(tmp_path):
    learner, stream = experiments.get("experts-digits", experts=3, units=4, dtype="float64").learner(0)
    learner.run(stream, 10)
    learner.save(tmp_path / "a")
    other = Learner.load(tmp_path / "a", Experts(64, 2, 3, 4), free_energy(5.0))
    learner.run(stream.since(10), 10)
    other.run(stream.since(10), 10)
    assert torch.equal(learner.network.keys, other.network.keys) and torch.equal(learner.network.W, other.network.W)
    assert float(other.network.seen.sum()) > 0


# ---- tasks in turn -----------------------------------------------------------------------------------------------


def test_tasks_come_in_turn_and_say_nothing():
    stream = split("digits", batch=20, epochs=2)
    assert stream.length == stream.ends[-1] and len(stream.tasks) == 5
    for task in range(5):
        first = 0 if task == 0 else stream.ends[task - 1]
        last = stream.ends[task] - 1
        for k in (first, last):
            assert stream.task(k) == task
            shown = stream.tasks[task].inputs
            assert all(bool((shown == u).all(1).any()) for u in stream[k].u)
    assert set(stream[0].target.tolist()) == {0, 1} == set(stream[stream.ends[0]].target.tolist()), "one head"
    assert sum(len(x) for x, _ in stream.asked) == 497 and sum(len(x) for x, _ in stream.tasks) == 1300
    mixed = split("digits", batch=20, epochs=2, joint=True)
    assert len(mixed.ends) == 1 and not torch.equal(mixed[0].u, stream[0].u)


def test_permuted_tasks_are_the_same_pixels_in_other_places():
    stream = permuted("digits", seed=1, tasks=2, batch=20, epochs=1)
    one, two = (x for x, _ in stream.tasks)
    assert not torch.equal(one, two) and torch.equal(one.sort(1).values, two.sort(1).values)
    assert torch.equal(stream.tasks[0].targets, stream.tasks[1].targets)


def test_keys_remember_what_one_network_forgets():
    found = {}
    for name, how in (("experts-digits", {}), ("dense-digits", {}), ("experts-digits", {"reach": 9.0})):
        learner, stream = experiments.get(name, epochs=3, dtype="float32", **how).learner(0)
        found[name, len(how)] = in_turn(learner, stream)
    keyed, dense, shy = found["experts-digits", 0], found["dense-digits", 0], found["experts-digits", 1]
    assert keyed.final > 0.9 > dense.final + 0.05 and keyed.forgotten < 0.05 < dense.forgotten
    assert keyed.learned > 0.9 and dense.learned > 0.9, "both had learned each task"
    assert shy.final < keyed.final - 0.05, "the control: who never asks for a fresh expert"


def test_real_mnist_is_in_the_package():
    learner, stream = experiments.get("experts-digits", data="mnist", epochs=1).learner(0)
    learner.run(stream, 20)
    assert right(learner.network, stream)[0] > 0.9 > right(learner.network, stream)[1:].mean()
    assert sum(len(x) for x, _ in stream.tasks + stream.asked) == 5000


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Experts(4, 2, gate="kyes"), "keys"),
        (lambda: Experts(4, 2, 0), "experts"),
        (lambda: Experts(4, 2, sharpness=0.0), "sharpness"),
        (lambda: Experts(4, 2, spring=-1.0), "spring"),
        (lambda: InTurn([], []), "tasks"),
        (lambda: InTurn([Pairs(torch.zeros(2, 1), torch.zeros(2))], []), "tasks"),
        (lambda: split("mnits"), "mnist"),
        (lambda: experiments.get("experts-digits", tasks="splt"), "split"),
        (lambda: experiments.get("dense-digits", tasks="splt"), "split"),
        (lambda: Learner(OutputNetwork(torch.nn.Linear(2, 2)), free_energy(1.0)).step(sample(2, 2, 2)), "loss"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()


def test_the_picture_of_the_experts_is_drawn_and_goes_back_in_time():
    from hlcore.lab import Cockpit, ExpertRoom

    for name, how in (("experts-digits", {}), ("experts-digits", {"gate": "linear"}), ("dense-digits", {})):
        panel = Cockpit(experiments.get(name, **how), figures=[ExpertRoom])
        panel.step(20).step(20)
        picture = panel.figures[-1]
        assert isinstance(picture, ExpertRoom) and panel.alarm() == "" and "task 1 of 5" in picture._told.value
        panel.back(20.0)
        assert [k for k, _, _ in picture._kept] == [0, 20]
        panel.close()
