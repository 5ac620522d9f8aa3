"""S3, least control: its rest, its gradient, its limits; z is its controller up to a factor -g (the link is ours)."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import fsolve
from torch.nn.functional import cross_entropy

from hlcore import Learner, Network, Recurrent, Sample, Settings
from hlcore.learners import LeastControl
from hlcore.networks import ReadChain
from hlcore.streams import Held, Labelled
from hlcore.studies.free_rest import control, free_rest, taught_rest

SETTLE = 600


def squares(y, target):
    """½|y - ŷ|²."""
    return (y - target).square().sum() / 2


def recurrent():
    torch.manual_seed(0)
    network = Recurrent(torch.nn.RNNCell(4, 8), torch.nn.Linear(8, 3), speed=1.0)
    with torch.no_grad():
        network.cell.weight_hh.mul_(0.5 / torch.linalg.matrix_norm(network.cell.weight_hh, 2))
    return network


def layers():
    torch.manual_seed(0)
    hidden = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh()) for a, b in ((4, 6), (6, 5))]
    return ReadChain(hidden, torch.nn.Linear(5, 3), speed=1.0)


def sample(kind=squares):
    torch.manual_seed(1)
    u, target = torch.randn(1, 4), torch.randn(1, 3)
    return Sample(u, torch.tensor([2]) if kind is cross_entropy else target, end=False)


def settled(network, loss, alpha, g=1.0, steps=SETTLE, **settings):
    """A frozen learner after it has settled: gφ = 1/α, τ below the limit of T3-f."""
    phi = 1 / (alpha * g) if g else 1 / alpha
    tau = min(0.25, 0.7 / (1 + 1 / alpha))
    told = {"tau": tau, "beta": 0.0, "eta": 0.0, "phi": phi, "control": g}
    learner, given = Learner(network, loss, Settings(**told | settings)), sample(loss)
    for _ in range(steps):
        learner.step(given)
    return learner


def objective(network, loss, h, phi, g=1.0):
    """|f|²/2g + φL."""
    told = sample(loss)
    f = network.velocity(told.u, h, 1.0)
    return sum((v**2).sum() for v in f.values()) / (2 * g) + phi * loss(network.output(told.u, h), told.target)


def flat(parts):
    return torch.cat([x.flatten() for x in parts])


def jacobian(network, u, h):
    """∂f/∂h as one matrix."""
    names, sizes = list(h), [x.numel() for x in h.values()]

    def f(v):
        parts = dict(zip(names, (p.view_as(h[n]) for p, n in zip(v.split(sizes), names, strict=True)), strict=True))
        return flat(network.velocity(u, parts, 1.0).values())

    return torch.autograd.functional.jacobian(f, flat(h.values()))


def pull(network, loss, h):
    """∂L/∂h."""
    leaves = {k: x.clone().requires_grad_() for k, x in h.items()}
    L = loss(network.output(sample(loss).u, leaves), sample(loss).target)
    g = torch.autograd.grad(L, list(leaves.values()), allow_unused=True)
    return flat([torch.zeros_like(x) if d is None else d for x, d in zip(leaves.values(), g, strict=True)])


CASES = [(recurrent, squares, 1.0, 1.0), (recurrent, cross_entropy, 0.2, 1.0), (layers, squares, 0.2, 0.5),
         (layers, cross_entropy, 10.0, 2.0)]  # fmt: skip


@pytest.mark.parametrize(("make", "loss", "alpha", "g"), CASES)
def test_Ta_the_rest_is_the_optimal_control(make, loss, alpha, g):
    """f = gz, z = -φ J⁻ᵀ ∂L/∂h at the controlled rest, and h is a minimum of |f|²/2g + φL."""
    network = make()
    point, phi = settled(network, loss, alpha, g).point, 1 / (alpha * g)
    u, h, z = sample().u, point.h, flat(point.z.values())
    assert float((flat(network.velocity(u, h, 1.0).values()) - g * z).detach().abs().max()) <= 1e-13
    adjoint = -phi * torch.linalg.solve(jacobian(network, u, h).T, pull(network, loss, h))
    assert float((z - adjoint).abs().max()) <= 1e-12 and float(z.abs().max()) > 1e-2
    leaves = {k: x.clone().requires_grad_() for k, x in h.items()}
    slope = torch.autograd.grad(objective(network, loss, leaves, phi, g), list(leaves.values()))
    assert float(flat(slope).abs().max()) <= 1e-12
    assert float(objective(network, loss, h, phi, g)) < float(
        objective(network, loss, {k: x + 0.05 * torch.randn_like(x) for k, x in h.items()}, phi, g)
    )
    free = free_rest(network, u, 0.25, 400).h
    elsewhere = -phi * torch.linalg.solve(jacobian(network, u, free).T, pull(network, loss, free))
    assert float((elsewhere - z).abs().max()) > 1e-4, "the control: at the free rest it is another one"


class Output(Network):
    """S3's own form: y is a state, too. v' = f̂(v) - v, y' = D v - y."""

    def __init__(self):
        super().__init__()
        self.hidden, self.D = recurrent(), torch.nn.Linear(8, 3)

    def initial_state(self, batch_size):
        return {"v": torch.zeros(batch_size, 8), "y": torch.zeros(batch_size, 3)}

    def velocity(self, u, h, tau):
        return {"v": self.hidden.velocity(u, {"h": h["v"]}, tau)["h"], "y": self.D(h["v"]) - h["y"]}

    def output(self, u, h):
        return h["y"]


def test_Ta_their_own_controller_has_the_same_rest():
    """LCP-DI: v' = f̂ - v + e, y' = Dv - y + u, u' = -∂L/∂y - αu, e' = -e + (∂f̂/∂v)ᵀe + Dᵀu; e, u = -gz."""
    torch.manual_seed(3)
    network, told, alpha, dt = Output(), sample(), 0.5, 0.2
    learner = settled(network, squares, alpha)
    with torch.no_grad():
        v, e = torch.zeros(1, 8), torch.zeros(1, 8)
        y, u = torch.zeros(1, 3), torch.zeros(1, 3)
        for _ in range(1000):
            f = network.hidden.velocity(told.u, {"h": v}, 1.0)["h"]
            slope = 1 - (f + v) ** 2
            back = (e * slope) @ network.hidden.cell.weight_hh - e + u @ network.D.weight
            moves = f + e, network.D(v) - y + u, -(y - told.target) - alpha * u, back
            v, y, u, e = (x + dt * m for x, m in zip((v, y, u, e), moves, strict=True))
    point = learner.point
    for own, theirs in ((point.h["v"], v), (point.h["y"], y), (-point.z["v"], e), (-point.z["y"], u)):
        assert float((own - theirs).abs().max()) <= 1e-12
    assert float(u.abs().max()) > 0.1


@pytest.mark.parametrize(("make", "loss", "alpha", "g"), CASES[1:3])
def test_Tb_the_gradient_is_that_of_the_least_control_and_exact(make, loss, alpha, g):
    """d𝓗/dθ = ∂H'/∂θ: central differences of 𝓗, settled anew at each end."""
    network, phi = make(), 1 / (alpha * g)
    learner = settled(network, loss, alpha, g)
    found = learner.gradient(sample(loss))
    torch.manual_seed(5)
    way = {k: torch.randn_like(p) for k, p in network.named_parameters()}
    expected = sum(float((found[k] * d).sum()) for k, d in way.items())

    def at(eps):
        with torch.no_grad():
            for k, p in network.named_parameters():
                p.add_(way[k], alpha=eps)
            value = objective(network, loss, settled(network, loss, alpha, g, 400).point.h, phi, g)
            for k, p in network.named_parameters():
                p.sub_(way[k], alpha=eps)
        return float(value)

    eps = 1e-4
    assert abs((at(eps) - at(-eps)) / (2 * eps) - expected) <= 1e-6 * max(1, abs(expected))
    damped = settled(network, loss, alpha, g, eta_z=0.5).gradient(sample(loss))
    assert max(float((damped[k] - found[k]).abs().max()) for k in found) > 1e-3, "η_z must be 0"


def free_gradient(network, loss):
    """dL/dθ at the free rest, by the implicit function theorem."""
    told = sample(loss)
    h = free_rest(network, told.u, 0.25, 500).h
    z = -torch.linalg.solve(jacobian(network, told.u, h).T, pull(network, loss, h))
    f = flat(network.velocity(told.u, h, 1.0).values())
    L = loss(network.output(told.u, h), told.target)
    return dict(zip(dict(network.named_parameters()), torch.autograd.grad([f @ z, L], list(network.parameters()),
                [torch.ones(()), torch.ones(())], allow_unused=True), strict=True))  # fmt: skip


def apart(found, truth, scale):
    a, b = (flat([x[k] for k in truth]) for x in (found, truth))
    return float((scale * a - b).norm() / b.norm())


def test_Tb_without_control_it_is_backprop_through_the_rest():
    network = recurrent()
    found = settled(network, squares, 0.5, g=0.0).gradient(sample())
    assert apart(found, free_gradient(network, squares), 0.5) <= 1e-10


@pytest.mark.parametrize("make", [recurrent, layers])
def test_Tc_weak_control_tends_to_backprop(make):
    """|α d𝓗/dθ - dL/dθ| falls as 1/α; strong control is not backprop, though its angle is small."""
    network = make()
    truth = free_gradient(network, squares)
    off = [apart(settled(network, squares, a, steps=400).gradient(sample()), truth, a) for a in (0.1, 30.0, 300.0)]
    assert abs(math.log10(off[1] / off[2]) - 1) <= 0.03 and off[2] < 0.02
    assert off[0] > 0.3


@pytest.mark.parametrize(("make", "loss"), [(recurrent, squares), (layers, cross_entropy)])
def test_Td_the_least_control_never_exceeds_the_free_loss(make, loss):
    network = make()
    free = free_rest(network, sample().u, 0.25, 500)
    L = float(loss(free.y, sample(loss).target))
    taught = []
    for alpha in (0.2, 1.0, 10.0):
        point = settled(network, loss, alpha, steps=400).point
        assert float(objective(network, loss, point.h, 1 / alpha)) <= L / alpha * (1 + 1e-12)
        taught.append(float(loss(network.output(sample().u, point.h), sample(loss).target)))
    assert taught[0] < taught[1] < taught[2] < L


def test_Te_another_feedback_of_the_same_columns_is_as_good_when_control_is_strong():
    """ψ = Q u, u = -∂L/∂y/α: Q* = -J⁻ᵀCᵀ is exact, Q*M wrong by O(α), a random Q for ever."""
    network, told, errors = recurrent(), sample(), {"M": [], "random": []}
    C = network.readout.weight.detach()
    torch.manual_seed(7)
    M, random = torch.eye(3) + 0.3 * torch.randn(3, 3), torch.randn(8, 3)

    def rest(Q, start, alpha):
        def residual(h):
            h = torch.tensor(h)[None]
            u = -(network.output(told.u, {"h": h}) - told.target) / alpha
            return (network.velocity(told.u, {"h": h}, 1.0)["h"] + u @ Q.T).detach().numpy()[0]

        h, _, good, _ = fsolve(residual, start, xtol=1e-13, full_output=True)
        assert good == 1 or np.abs(residual(h)).max() < 1e-9
        return -network.velocity(told.u, {"h": torch.tensor(h)[None]}, 1.0)["h"].detach()

    for alpha in (1e-2, 1e-3, 1e-4):
        h = fsolve_minimum(network, alpha)
        best = -network.velocity(told.u, {"h": h}, 1.0)["h"].detach()
        Q = -torch.linalg.solve(jacobian(network, told.u, {"h": h}).T, C.T)
        start = h.numpy()[0]
        assert float((rest(Q, start, alpha) - best).norm() / best.norm()) <= 1e-7
        for name, other in (("M", Q @ M), ("random", random)):
            errors[name].append(float((rest(other, start, alpha) - best).norm() / best.norm()))
    assert 7 < errors["M"][1] / errors["M"][2] < 13
    assert errors["random"][2] > 10 * errors["M"][2]


def fsolve_minimum(network, alpha):
    """The minimiser of |f|²/2 + L/α, by Newton from the free rest, α in steps."""
    h = free_rest(network, sample().u, 0.25, 500).h["h"]
    for a in np.geomspace(10, alpha, 8):
        for _ in range(6):
            F = lambda x, a=a: objective(network, squares, {"h": x}, 1 / a)  # noqa: E731
            g = torch.autograd.functional.jacobian(F, h)
            H = torch.autograd.functional.hessian(F, h).reshape(8, 8)
            h = h - torch.linalg.solve(H, g.flatten()).view(1, 8)
    return h


class OneOutput(Network):
    """y' = -y."""

    def initial_state(self, batch_size):
        return {"y": torch.full((1, 1), 0.1)}

    def __init__(self):
        super().__init__()
        self.b = torch.nn.Parameter(torch.zeros(1))

    def velocity(self, u, h, tau):
        return {"y": self.b - h["y"]}

    def output(self, u, h):
        return h["y"]


@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_Tf_an_output_settles_below_two_over_one_plus_g_phi_C(alpha):
    """Eigenvalues -1 ± i√(gφC), so τ < 2/(1 + gφC) for Euler's rule."""
    limit = 2 / (1 + 1 / alpha)
    for share, rests in ((0.93, True), (1.07, False)):
        settings = Settings(tau=share * limit, beta=0.0, eta=0.0, phi=1 / alpha, control=1.0)
        learner = Learner(OneOutput(), squares, settings)
        for _ in range(600):
            learner.step(Sample(None, torch.zeros(1, 1), end=False))
        y = float(learner.point.h["y"].abs())
        assert (y < 0.02) == rests and (y > 1) != rests
    told = LeastControl.regime(Settings(tau=1.01 * limit, phi=1 / alpha, control=1.0, beta=1.0))
    assert told.alarm and not LeastControl.regime(Settings(tau=0.9 * limit, phi=1 / alpha, control=1.0)).alarm


def bistable(w):
    network = Recurrent(torch.nn.RNNCell(1, 1), torch.nn.Identity(), speed=1.0)
    with torch.no_grad():
        for name, value in (("weight_ih", 0.0), ("weight_hh", w), ("bias_ih", -0.05), ("bias_hh", 0.0)):
            getattr(network.cell, name).fill_(value)
    return network


def test_Tg_no_control_left_is_not_solved():
    """With two rests the taught one may need no control while the free answer is the other; |W| < 1 has one."""
    answers = {}
    for w in (2.0, 0.9):
        network, u = bistable(w), torch.zeros(1, 1)
        up = free_rest(network, u, 0.2, 800, {"h": torch.ones(1, 1)})
        told = Sample(u, up.y, end=False)
        learner = Learner(network, squares, Settings(tau=0.1, beta=0.0, eta=0.0, phi=1.0, control=1.0))
        for _ in range(1500):
            learner.step(told)
        point = learner.point
        assert control(point.z, 1.0) < 1e-9 and abs(float(point.h["h"] - up.y)) < 1e-4, "taught: no control is left"
        answers[w] = abs(float(free_rest(network, u, 0.2, 800).y - up.y))
    assert answers[2.0] > 1.5 and answers[0.9] < 1e-6


def test_what_the_lab_shows_is_the_two_rests_of_the_present_weights():
    network, told = recurrent(), sample()
    learner = LeastControl(network, squares, Settings(tau=0.25, eta=4.0, beta=1.0, phi=2.0, eta_z=0.0))
    learner.settings = learner.settings.replace(control=1.0)
    before = [p.detach().clone() for p in network.parameters()]
    L, paid = taught_rest(learner, told, 400)
    point = settled(network, squares, 0.5).point
    assert abs(L - float(squares(network.output(told.u, point.h), told.target))) <= 1e-9
    assert abs(paid - control(point.z, 1.0)) <= 1e-9 and paid > 1e-3
    assert float(squares(free_rest(network, told.u, 0.25, 400).y, told.target)) > L
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)), "nothing moved"


def test_two_phases_are_a_schedule_of_the_stream():
    """Weights stand while a sample is held and move once at its end, by lr ∂H'/∂θ at the rest."""
    torch.manual_seed(0)
    network, hold, lr, tau = recurrent(), 60, 0.3, 0.25
    stream = Held(Labelled(torch.randn(5, 4), torch.randn(5, 3)), hold, ends=True)
    settings = Settings(tau=tau, eta=1 / tau, beta=lr / tau**2, phi=0.1, eta_z=0.0, control=1.0)
    learner = LeastControl(network, squares, settings)
    for k in range(3 * hold):
        before = {n: p.detach().clone() for n, p in network.named_parameters()}
        g = learner.gradient(stream[k]) if stream[k].end else None
        learner.step(stream[k])
        moved = {n: p.detach() - before[n] for n, p in network.named_parameters()}
        if g is None:
            assert not any(d.any() for d in moved.values())
        else:
            assert k % hold == hold - 1 and not learner.point.h.get("h", torch.zeros(1)).any()
            assert max(float((moved[n] + lr * g[n]).abs().max()) for n in g) <= 1e-15
            assert max(float(d.abs().max()) for d in moved.values()) > 1e-3
