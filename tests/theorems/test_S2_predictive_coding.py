"""S2: predictive coding descends what H' gives it, and one number joins it with Hamiltonian Learning (ours)."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import Chain, Learner, Sample, Settings
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.learners import Predictive, PredictiveSettings
from hlcore.networks import ReadChain

WIDTH, BATCH = 6, 4


def loss(y, target):
    """½|y - ŷ|², summed: φ = 1/α as the energy has it."""
    return (y - target).square().sum() / 2


def network(depth=4, width=WIDTH, links=None, scale=1.0):
    torch.manual_seed(1)
    layers = [torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Tanh()) for _ in range(depth)]
    made = ReadChain(layers, torch.nn.Linear(width, 3), links=links)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(scale)
    return made


def problem(width=WIDTH, batch=BATCH):
    torch.manual_seed(2)
    return Sample(torch.randn(batch, width), torch.randn(batch, 3), end=False)


def cyclic():
    back = torch.nn.Linear(WIDTH, WIDTH)
    with torch.no_grad():
        back.weight.mul_(0.3)
    return network(links={(4, 1): back, (1, 4): torch.nn.Linear(WIDTH, WIDTH)})


def energy(net, sample, h, phi):
    """F = φL + ½ Σ|h_l - f_l(…)|², written out: the prediction is where τ = 1 moves the state."""
    predicted = net.velocity(sample.u, h, 1.0)
    return phi * loss(net.output(sample.u, h), sample.target) + sum((v**2).sum() for v in predicted.values()) / 2


def backprop(net, sample):
    return torch.autograd.grad(loss(net(sample.u), sample.target), list(net.parameters()))


def learner(net, kind=Predictive, **settings):
    return Predictive(net, loss, PredictiveSettings(**{"beta": 0.0, "eta": 0.0, **settings}))


def slopes(found, net):
    return [found[name] for name, _ in net.named_parameters()]


def worst(a, b):
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def relative(a, b):
    a, b = (torch.cat([x.flatten() for x in part]) for part in (a, b))
    return float((a - b).norm() / b.norm())


def angle(a, b):
    a, b = (torch.cat([x.flatten() for x in part]) for part in (a, b))
    return math.degrees(math.acos(min(1.0, float(a @ b / a.norm() / b.norm()))))


@pytest.mark.parametrize("tau", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("make", [network, cyclic])
def test_T1_the_energy_is_the_legendre_transform_of_the_robust_hamiltonian(make, tau):
    """At every h, z = τ²f^h: dF/dh = ∂H'/∂h, dF/dθ = ∂H'/∂θ, F = max_z [H' - |z|²/2τ²]."""
    net, sample, phi = make(), problem(), 0.7
    h = {f"h{i}": torch.randn(BATCH, WIDTH, requires_grad=True) for i in range(1, 5)}
    F = energy(net, sample, h, phi)
    truth = torch.autograd.grad(F, [*h.values(), *net.parameters()])
    f = Hamiltonian(net, loss).flow(sample.u, h, tau)
    at = f.read(f.h, sample.target)

    def derivative(z):
        dh, dtheta = f.derivative(at, phi, z)
        return [*dh.values(), *dtheta]

    z = {name: tau**2 * v for name, v in f.v.items()}
    assert worst(derivative(z), truth) <= 1e-12
    for wrong in ({k: -x for k, x in z.items()}, {k: x / tau for k, x in z.items()} if tau != 1 else None):
        assert wrong is None or worst(derivative(wrong), truth) > 0.1

    def legendre(z):
        return phi * at.loss.item() + sum(float((z[k] * f.v[k] - z[k] ** 2 / (2 * tau**2)).sum()) for k in z)

    assert abs(legendre(z) - F.item()) <= 1e-12 * F.item()
    for _ in range(20):
        assert legendre({k: x + 0.1 * torch.randn_like(x) for k, x in z.items()}) < F.item()


def test_T2_fixed_predictions_are_the_costate_of_a_held_sample():
    """de = γ(-e + Jᵀe) with J of the feed-forward states is E*3, z = -τe, to the bit."""
    net, sample = network(), problem()
    held = Learner(net, loss, Settings(tau=0.5, beta=0.0, eta=0.0, phi=0.3))
    start = net.settled(sample.u)
    for moves in range(1, 11):
        held.point = replace(held.point, h=start, z={k: torch.zeros_like(x) for k, x in start.items()})
        for _ in range(moves):
            held.step(sample)
            held.point = replace(held.point, h=start)
        pc = learner(net, tau=0.5, phi=0.3, mode="fixed", rate=1.0, inference=moves)
        pc.step(sample)
        pairs = list(zip(pc.point.z.values(), held.point.z.values(), strict=True))
        assert worst(*zip(*pairs, strict=True)) <= 1e-15
        gradient = slopes(pc.gradient(sample), net)
        off = worst(gradient, [0.3 * g for g in backprop(net, sample)])
        assert off <= 1e-14 if moves >= 4 else off > 1e-3, "exact once the wave has arrived, and not before"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_T3_zero_divergence_inference_learning_is_backprop_to_the_bit(dtype):
    net, sample = network().to(dtype), problem()
    sample = Sample(sample.u.to(dtype), sample.target.to(dtype), end=False)
    pc = learner(net, mode="wave", beta=0.1)
    truth = backprop(net, sample)
    before = [p.detach().clone() for p in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(slopes(pc.gradient(sample), net), truth, strict=True))
    pc.step(sample)
    assert worst(net.parameters(), before) > 1e-3, "weights moved"


def test_T3_relaxing_states_are_right_at_their_step_and_wrong_at_the_next():
    """Strict inference with γ = 1: e of layer l is backprop's delta after L - l moves, not a move later."""
    depth, sample = 5, problem()
    net = network(depth)
    exact = learner(net, mode="wave")
    exact.step(sample)
    for layer in range(1, depth + 1):
        own, name = depth + 1 - layer, f"h{layer}"

        def z_after(moves, rate=1.0, name=name):
            pc = learner(net, rate=rate, inference=moves)
            pc.step(sample)
            return pc.point.z[name]

        truth = exact.point.z[name]
        assert float((z_after(own) - truth).abs().max()) <= 1e-14
        assert float((z_after(own, 0.9) - truth).norm() / truth.norm()) > 0.05, "the control: another γ"
        if layer < depth:
            assert float((z_after(own + 1) - truth).norm() / truth.norm()) > 0.3
            assert relative([truth], [z_after(own)]) <= 1e-12


def test_T3b_a_skip_connection_needs_patience():
    net, sample = network(4, links={(1, 4): torch.nn.Linear(WIDTH, WIDTH)}), problem()
    truth = backprop(net, sample)

    def off(moves):
        return worst(slopes(learner(net, mode="fixed", rate=1.0, inference=moves).gradient(sample), net), truth)

    assert off(4) <= 1e-13 and off(3) > 1e-2 and off(2) > 1e-2
    early = learner(net, mode="fixed", rate=1.0, inference=2)
    early.step(sample)
    assert early.point.z["h1"].abs().max() > 1e-3, "it has arrived by the skip, and is wrong"
    assert worst(slopes(learner(net, mode="wave").gradient(sample), net), truth) <= 1e-13


def settled(net, sample, tau, phi, control, steps=4000, order="euler"):
    hl = Learner(net, loss, Settings(tau=tau, beta=0.0, eta=0.0, phi=phi, control=control), order)
    for _ in range(steps):
        hl.step(sample)
    return hl


@pytest.mark.parametrize(("tau", "phi"), [(1.0, 0.01), (0.5, 0.1)])
def test_T4_at_rest_the_control_g_one_over_tau_squared_is_predictive_coding(tau, phi):
    """h' = f - gz and z' = ∂H'/∂h rest where f = gz: z = τ²f, and ∂F/∂h = 0."""
    net, sample = network(3), problem()
    hl = settled(net, sample, tau, phi, 1 / tau**2, 700)
    h = {k: x.clone().requires_grad_() for k, x in hl.point.h.items()}
    truth = torch.autograd.grad(energy(net, sample, h, phi), [*h.values(), *net.parameters()])
    assert max(float(g.abs().max()) for g in truth[:3]) <= 1e-13
    assert worst(slopes(hl.gradient(sample), net), truth[3:]) <= 1e-13
    pc = learner(net, tau=tau, phi=phi, rate=0.5, inference=400)
    pc.step(sample)
    assert worst(pc.point.h.values(), hl.point.h.values()) <= 1e-11
    assert worst(pc.point.z.values(), hl.point.z.values()) <= 1e-11
    free = settled(net, sample, tau, phi, 0.0, 100)
    assert worst(free.point.h.values(), hl.point.h.values()) > 1e-4, "the control: without g it rests elsewhere"


def test_T5_small_errors_are_backprops():
    """|g/φ - g_BP| = O(φ); at φ = 1 the angle is open."""
    net, sample = network(3), problem()
    truth = backprop(net, sample)

    def found(phi):
        g = slopes(learner(net, phi=phi, rate=0.5, inference=300).gradient(sample), net)
        return [x / phi for x in g]

    far, near = relative(found(1e-2), truth), relative(found(1e-3), truth)
    assert abs(math.log10(far / near) - 1) <= 0.03
    assert angle(found(1.0), truth) > 5


def straight(depth=3, width=5):
    """A linear net without biases, and its matrices from the first to the readout."""
    torch.manual_seed(4)
    layers = [torch.nn.Linear(width, width, bias=False) for _ in range(depth)]
    net = ReadChain(layers, torch.nn.Linear(width, 3, bias=False))
    return net, [*(x.weight for x in layers), net.readout.weight]


def test_T6_the_linear_chain_has_its_energy_in_closed_form():
    """F* = ½ rᵀS⁻¹r, S = I/φ + Σ P_l P_lᵀ, P_l what is above state l: backprop's error, whitened."""
    net, W = straight()
    sample, phi = problem(5, 1), 0.8
    P, above = torch.eye(3), []
    for w in reversed(W[1:]):
        P = P @ w
        above.append(P)
    S = torch.eye(3) / phi + sum(P @ P.T for P in above)
    r = (sample.target - net(sample.u)).T
    F = (r.T @ torch.linalg.solve(S, r)).squeeze() / 2
    truth = torch.autograd.grad(F, W)
    pc = learner(net, phi=phi, rate=0.3, inference=600)
    assert abs(pc.step(sample).hamiltonian - float(F)) <= 1e-12
    found = slopes(pc.gradient(sample), net)
    assert worst(found, truth) <= 1e-12
    assert angle(found, backprop(net, sample)) > 10, "backprop is elsewhere"


def orthogonal(depth, width=8):
    torch.manual_seed(5)
    layers = [torch.nn.Linear(width, width, bias=False) for _ in range(depth)]
    net = ReadChain(layers, torch.nn.Linear(width, width, bias=False))
    with torch.no_grad():
        for layer in (*layers, net.readout):
            torch.nn.init.orthogonal_(layer.weight)
    return net, Sample(torch.randn(1, width), torch.randn(1, width), end=False)


def first_close(values, truth, tolerance=0.1):
    return next(k for k, z in enumerate(values, 1) if float((z - truth).norm() / truth.norm()) < tolerance)


def test_T7_a_wave_or_heat():
    """The first layer's error within a tenth: HL after L steps; gradient flow of F after some 4 (L + ½)² at γ = ¼."""
    heat = {}
    for depth in (4, 8):
        net, sample = orthogonal(depth)
        exact = learner(net, mode="wave", phi=0.01)
        exact.step(sample)
        truth = exact.point.z["h1"]

        def walk(pc, steps, sample=sample):
            for _ in range(steps):
                pc.step(sample)
                yield pc.point.z["h1"].clone()

        hl = Learner(net, loss, Settings(tau=1.0, beta=0.0, eta=0.0, phi=0.01))
        zero = {k: torch.zeros_like(x) for k, x in net.settled(sample.u).items()}
        hl.point = replace(hl.point, h=net.settled(sample.u), z=zero)
        assert first_close(walk(hl, 3 * depth), truth) == depth
        heat[depth] = first_close(walk(learner(net, phi=0.01, rate=0.25, inference=1), 600), truth)
    assert heat[4] > 8 * 4 and 3.3 < heat[8] / heat[4] < 5, "diffusion: four times as long for twice the depth"


def test_T8_a_multiplier_with_memory_ends_at_backprop():
    """h ← h - γ(∂H'/∂h), λ ← λ + e with H' at z = -τ(e + λ): e → 0 and λ is the multiplier; predictive coding stays."""
    net, sample, phi = network(3), problem(), 1.0
    law, gamma = Hamiltonian(net, loss), 0.1
    h = net.settled(sample.u)
    memory = {k: torch.zeros_like(x) for k, x in h.items()}
    for k in range(3000):
        f = law.flow(sample.u, h, 1.0)
        z = {n: v + memory[n] for n, v in f.v.items()}
        dh, dtheta = f.derivative(f.read(f.h, sample.target), phi, z)
        h = {n: x - gamma * dh[n] for n, x in f.h.items()}
        if k % 4 == 3:
            memory = {n: memory[n] + 0.5 * v for n, v in law.flow(sample.u, h, 1.0).v.items()}
    truth = backprop(net, sample)
    assert relative(dtheta, truth) < 1e-6
    stays = slopes(learner(net, phi=phi, rate=0.2, inference=600).gradient(sample), net)
    assert angle(stays, truth) > 5


def test_T9_the_orthogonal_chain_settles_below_phi_one():
    net, sample = orthogonal(6)

    def unrest(phi, steps):
        hl = settled(net, sample, 1.0, phi, 1.0, steps)
        return max(float(z.abs().max()) for z in hl.point.z.values())

    assert unrest(0.9, 1500) < 10
    assert unrest(1.1, 1500) > 1e4


def test_the_graph_with_a_cycle_and_a_skip_relaxes_to_a_rest_of_its_energy():
    net, sample = cyclic(), problem()
    pc = learner(net, phi=0.2, rate=0.3, inference=600)
    pc.step(sample)
    h = {k: x.clone().requires_grad_() for k, x in pc.point.h.items()}
    F = energy(net, sample, h, 0.2)
    truth = torch.autograd.grad(F, [*h.values(), *net.parameters()])
    assert max(float(g.abs().max()) for g in truth[:4]) <= 1e-12
    assert worst(slopes(pc.gradient(sample), net), truth[4:]) <= 1e-12


def test_a_free_output_state_is_a_softer_clamp():
    """y = h_G (`Chain`) under φ is the clamped output (`ReadChain`) under φ/(1+φ)."""
    torch.manual_seed(6)
    layers = [torch.nn.Linear(5, 5) for _ in range(3)]
    sample = Sample(torch.randn(2, 5), torch.randn(2, 5), end=False)
    phi, found = 0.7, []
    for net, p in ((Chain(layers), phi), (ReadChain(layers[:-1], layers[-1]), phi / (1 + phi))):
        pc = learner(net, phi=p, rate=0.3, inference=800)
        pc.step(sample)
        found.append(slopes(pc.gradient(sample), net))
    assert worst(*found) <= 1e-10 and float(found[0][0].abs().max()) > 1e-3


def test_the_forecast_is_told_before_the_target():
    net, sample = network(), problem()
    pc = learner(net, phi=1.0, inference=20)
    for _ in range(3):
        report = pc.step(sample)
        assert torch.equal(report.output, net(sample.u).detach())
    assert worst([pc.network.output(sample.u, pc.point.h)], [report.output]) > 1e-3, "the states know it"
    assert mse_loss(pc.network.output(sample.u, pc.point.h), sample.target) < mse_loss(report.output, sample.target)
