"""S1, N's sign flips: what they do is done by the integrator's error, and Hamiltonian Learning needs none (ours).

The field F of s = +1 and the linear map around rest are written out by hand here; the learner is judged by them.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import HLError, PhasePoint, Recurrent, Sample, experiments
from hlcore.experiments.local_tracking import COST_OF_SPEED as RHO
from hlcore.experiments.local_tracking import COST_OF_WEIGHTS as R_W
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.learners import FlipSettings, SignFlip
from hlcore.networks import Digraph
from hlcore.streams import Signal
from hlcore.studies.following import follow

UNITS, Q, C, TAU = 5, 10.0, 2.0, 0.1
SIZE = UNITS * (UNITS + 1)


def field(v, r, q=Q, c=C):
    """F = (∂H/∂z, -βω, -∂H/∂x, -∂H/∂W) of H = q/2 (x_0 - r)² + r_w/2 |W|² + z·c(-x + tanh W(x, 1)), in numpy."""
    x, W, z, w = np.split(v, np.cumsum([UNITS, SIZE, UNITS]))
    W, e = W.reshape(UNITS, -1), np.append(x, 1.0)
    t = np.tanh(W @ e)
    d = c * z * (1 - t**2)
    pull = c * z - W[:, :UNITS].T @ d
    pull[0] -= q * (x[0] - r)
    return np.concatenate([c * (t - x), -w / RHO, pull, -(np.outer(d, e) + R_W * W).ravel()])


def at(v):
    """The point of a vector."""
    x, W, z, w = (torch.tensor(part) for part in np.split(v, np.cumsum([UNITS, SIZE, UNITS])))
    W, w = W.view(UNITS, -1), w.view(UNITS, -1)
    return PhasePoint(0.0, {"x": x[None]}, {"W": W}, {"x": z[None]}, {"W": w})


def vector(learner):
    p = learner.point
    return torch.cat([x.flatten() for x in (p.h["x"], p.theta["W"], p.z["x"], p.omega["W"])]).numpy().copy()


def tracker(order="euler", name="local-tracking", case="clamped", **options):
    return experiments.get(name, case=case, order=order, dtype="float64", **options)


def learner_at(v, order="euler", kind=None, **settings):
    experiment = tracker(order, **settings)
    learner, stream = experiment.learner(0)
    if kind is not None:
        learner = kind(learner.network, learner.loss, learner.settings, order)
    learner.point = at(v)
    return learner, stream[0]


def drawn(size=0.3):
    return size * np.random.default_rng(3).normal(size=2 * (UNITS + SIZE))


def constant(r):
    return Sample(None, torch.tensor([[r]]), end=False)


def test_the_field_of_the_learner_is_the_hamiltonian_field():
    v, tau = drawn(), 1e-3
    learner, _ = learner_at(v, tau=tau)
    learner.step(constant(0.2))
    assert np.abs((vector(learner) - v) / tau - field(v, 0.2)).max() <= 1e-11
    learner.step(constant(0.2))  # and the second step goes back along it
    first = v + tau * field(v, 0.2)
    assert np.abs((vector(learner) - first) / tau + field(first, 0.2)).max() <= 1e-11
    assert learner.t == pytest.approx(2 * tau), "the clock runs on"


@pytest.mark.parametrize("form", ["clique", "costly", "layered"])
def test_the_closed_form_of_a_digraph_is_autograds(form):
    torch.manual_seed(1)
    made = {"clique": lambda: Digraph(4, 2, speed=[1.0, 2.0, 3.0, 4.0], spread=1.0),
            "costly": lambda: Digraph(4, 2, costly=True, outputs=(0, 3), mask=torch.rand(4, 7) > 0.3),
            "layered": lambda: Digraph.layered((2, 3, 2), 1.7)}  # fmt: skip
    network = made[form]()
    u, h, z = torch.randn(3, 2), torch.randn(3, network.W.shape[0]), torch.randn(3, network.W.shape[0])
    found = []
    for closed in (True, False):
        law = Hamiltonian(network, lambda y, target: (y - target).square().sum())
        law._closed = law._closed if closed else None
        f = law.flow(u, {"x": h}, 0.1)
        assert (type(f).__name__ == "_ClosedFlow") is closed
        at = f.read(f.h, torch.ones(3, 2 + network.costly if form != "clique" else 1))
        dh, dtheta = f.derivative(at, 0.7, f.as_given({"x": z}))
        found.append([torch.as_tensor(x).detach() for x in (f.v["x"], at.y, dh["x"], *dtheta)])
    for a, b in zip(*found, strict=True):
        assert float((a - b).abs().max()) <= 1e-13 and float(b.abs().max()) > 0.1


WRONG = {"speed": 0.0}, {"speed": [1.0, 2.0]}, {"mask": torch.ones(2, 2)}, {"outputs": (9,)}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: next(iter(x)))
def test_a_digraph_refuses_what_it_cannot_be(wrong):
    with pytest.raises(HLError, match=next(iter(wrong))):
        Digraph(3, **wrong)


def test_flips_refuse_dissipation():
    with pytest.raises(HLError, match="eta"):
        FlipSettings(eta=1.0)
    assert FlipSettings(eta=1.0, policy="never").eta == 1.0


def there_and_back(order, tau, half=0.48):
    """(distance from the start after s = +1 for `half` and s = -1 for as long, distance travelled, drift of H')."""
    n = round(half / tau)
    v = drawn()
    learner, _ = learner_at(v, order, tau=tau, policy="clock", turning=1 / (4 * n * tau))
    way, energies, last = 0.0, [], v
    for _ in range(2 * n):
        report = learner.step(constant(0.3))
        omega = last[-SIZE:]
        energies.append(report.hamiltonian - (omega**2).sum() / (2 * RHO))
        way, last = way + np.abs(vector(learner) - last).sum(), vector(learner)
    return np.abs(last - v).max(), way, np.ptp(energies)


def test_Ta_retrace_an_exact_flow_goes_back_on_its_own_way():
    """ξ(t) = Flow(∫s dt): under a constant target nothing is learned beyond one Hamiltonian curve; H is constant."""
    taus = [0.02, 0.01, 0.005]
    exact = [there_and_back("rk4", tau) for tau in taus]
    assert min(way for _, way, _ in exact) > 2, "it went somewhere"
    assert exact[-1][0] <= 1e-7 and exact[-1][2] <= 1e-5
    gone, drift = ([row[k] for row in exact] for k in (0, 2))
    assert gone[0] / gone[1] > 14 and gone[1] / gone[2] > 14 and drift[0] / drift[1] > 12
    euler = [there_and_back("euler", tau)[0] for tau in taus]
    assert euler[-1] > 1e-2 and 1.5 < euler[1] / euler[2] < 2.6, "the control: Euler's rule does not return"


def test_Ta_any_network_goes_there_and_back():
    """Derivatives by autograd, the weights lent to the integrator's stages."""
    torch.manual_seed(0)
    network = Recurrent(torch.nn.GRUCell(1, 3), torch.nn.Linear(3, 1), speed=1.0)
    learner = SignFlip(network, mse_loss, FlipSettings(tau=0.02, beta=1.0), "rk4")
    told = Sample(torch.ones(1, 1), torch.ones(1, 1), end=False)
    learner.step(told)
    learner.step(told)
    before = learner.point.clone()
    learner.step(told)
    away = max(float((learner.point.h["h"] - before.h["h"]).abs().max()), 0.0)
    learner.step(told)
    back = [(learner.point.theta[k] - x).abs().max() for k, x in before.theta.items()]
    assert away > 1e-3 and float((learner.point.h["h"] - before.h["h"]).abs().max()) < 1e-8 and max(back) < 1e-8
    assert learner.law.way.startswith("derivatives by autograd")


@pytest.mark.parametrize("order", [("heun", 2), ("midpoint", 2), ("semi-implicit", 1), ("implicit", 1)])
def test_Ta_each_integrator_has_its_order(order):
    name, p = order
    v, r, end = drawn(), 0.3, 0.2
    fine = v
    for _ in range(4000):
        k1 = field(fine, r)
        fine = fine + end / 4000 * field(fine + end / 8000 * k1, r)
    errors = []
    for n in (20, 40):
        learner, _ = learner_at(v, name, tau=end / n, policy="clock", turning=1e-3)
        for _ in range(n):
            learner.step(constant(r))
        errors.append(np.abs(vector(learner) - fine).max())
    assert abs(math.log2(errors[0] / errors[1]) - p) <= 0.15


def test_Tb_a_pair_of_flips_moves_by_minus_tau_squared_of_DF_F():
    """Euler's +τ and -τ: -τ²(DF·F + ∂F/∂r r') + O(τ³); ours. The control: Heun's pair moves by O(τ³) alone."""

    def off(tau, order="euler"):
        v, slope = drawn(), 0.7
        learner, _ = learner_at(v, order, tau=tau)
        for k in range(2):
            learner.step(constant(0.2 + slope * k * tau))
        F, eps = field(v, 0.2), 1e-6
        along = (field(v + eps * F, 0.2) - field(v - eps * F, 0.2)) / (2 * eps)
        along += slope * (field(v, 0.2 + eps) - field(v, 0.2 - eps)) / (2 * eps)
        moved = vector(learner) - v
        return np.abs(moved + tau**2 * along).max(), np.abs(moved).max()

    rest = [off(tau)[0] for tau in (4e-3, 2e-3, 1e-3)]
    assert all(7.8 <= a / b <= 8.2 for a, b in pairwise(rest))
    assert off(1e-3)[1] > 100 * rest[-1], "it moved"
    heun = [off(tau, "heun") for tau in (4e-3, 2e-3)]
    assert heun[1][0] > 10 * rest[1], "Heun's pair does not move by that"


def test_Tb_the_mean_motion_of_the_flips_is_what_tracks():
    """ξ' = -(τ/2)(DF·F + F_r r') solved by RK4: the same error as the learner's, within a tenth."""
    steps = 1500
    flips = follow(tracker(), steps).error
    learner, stream = tracker().learner(0)
    learner.step(stream[0])
    v, dt, eps, f = vector(learner), 5 * TAU, 1e-6, 0.02

    def mean(v, t):
        r, slope = 0.5 * math.sin(2 * math.pi * f * t), math.pi * f * math.cos(2 * math.pi * f * t)
        F = field(v, r)
        along = (field(v + eps * F, r) - field(v - eps * F, r)) / (2 * eps)
        along += slope * (field(v, r + eps) - field(v, r - eps)) / (2 * eps)
        return -TAU / 2 * along

    pairs = []
    for k in range(steps // 5):
        t = k * dt
        pairs.append((v[0], float(stream[5 * k].target)))
        a = mean(v, t)
        b = mean(v + dt / 2 * a, t + dt / 2)
        c = mean(v + dt / 2 * b, t + dt / 2)
        v = v + dt / 6 * (a + 2 * b + 2 * c + mean(v + dt * c, t + dt))
    y, r = np.array(pairs)[len(pairs) // 2 :].T
    assert abs(((y - r) ** 2).mean() / (r**2).mean() / flips - 1) < 0.1
    assert flips < 0.016


def sigma(q, c):
    """σ = λ² of the clamped unit: ρσ² - (ρc² + r_w)σ + (r_w + q)c² = 0."""
    return np.roots([RHO, -(RHO * c**2 + R_W), (R_W + q) * c**2])


def tau_max(q, c):
    """Where |1 - τ²σ| = 1, for complex σ."""
    return math.sqrt((RHO * c**2 + R_W) / ((q + R_W) * c**2))


def linear(q, c):
    """DF at rest of (x_0, its weight from the clamped neuron, z_0, ω)."""
    return np.array([[-c, c, 0, 0], [0, 0, 0, -1 / RHO], [-q, 0, c, 0], [0, -R_W, -c, 0]], float)


@pytest.mark.parametrize(("q", "c"), [(10.0, 2.0), (1000.0, 0.3), (100.0, 0.784)])
def test_Tc_the_spectrum_of_the_clamped_unit(q, c):
    """λ² = σ has a positive real part, and flips contract iff τ < τ_max."""
    own = np.linalg.eigvals(linear(q, c)) ** 2
    assert np.abs(np.subtract.outer(own, sigma(q, c))).min(1).max() <= 1e-8 * abs(own).max()
    assert (own.real > 0).all() and (np.abs(own.imag) > 1).all()
    for share, grows in ((0.85, False), (1.15, True)):
        tau = share * tau_max(q, c)
        learner, _ = learner_at(1e-6 * drawn(), case="clamped", q=q, speed=c, step=tau)
        sizes = []
        for k in range(200):
            learner.step(constant(0.0))
            if k % 2:
                sizes.append(np.linalg.norm(vector(learner)[[0, UNITS + UNITS, UNITS + SIZE]]))
        assert (sizes[-1] > 3 * sizes[0]) == grows and (sizes[-1] < sizes[0] / 3) != grows
    small = 0.1 * tau_max(q, c)
    radius = np.abs(np.linalg.eigvals(np.eye(4) - small**2 * linear(q, c) @ linear(q, c))).max()
    rate = -math.log(radius) / (2 * small)
    assert abs(rate / (small * (RHO * c**2 + R_W) / (4 * RHO)) - 1) < 0.06


def test_Tc_the_map_of_the_clamped_unit_predicts_the_error():
    found = follow(tracker(), 1500).error
    A, v, pairs, stream = linear(Q, C), np.zeros(4), [], tracker().stream
    for k in range(1500):
        r = float(stream[k].target)
        pairs.append((v[0], r))
        v = v + (-1) ** k * TAU * (A @ v + np.array([0, 0, Q * r, 0]))
    y, r = np.array(pairs)[750:].T
    predicted = ((y - r) ** 2).mean() / (r**2).mean()
    assert abs(found / predicted - 1) < 0.15
    assert found > (R_W / (Q + R_W)) ** 2, "the floor: T-d"


def test_Td_the_floor_is_the_static_shrinkage():
    learner, _ = learner_at(1e-3 * drawn())
    for _ in range(400):
        y = float(learner.step(constant(0.05)).output[0, 0])
    assert abs((y / 0.05 - 1) ** 2 / (R_W / (Q + R_W)) ** 2 - 1) < 0.03
    assert abs(y) > 0.04 and np.abs(vector(learner)[UNITS : UNITS + SIZE]).max() > 1e-2, "weights moved"


def patterned(pattern):
    class Patterned(SignFlip):
        def sign(self, c, x):
            return pattern[self.steps % len(pattern)]

    return Patterned


def followed(experiment, kind, steps=1000, stop=1e6):
    learner, stream = experiment.learner(0)
    learner = kind(learner.network, learner.loss, learner.settings, learner.order)
    pairs = []
    for k in range(steps):
        try:
            y = float(learner.step(stream[k]).output[0, 0])
        except HLError:
            return math.inf
        if not vector(learner) @ vector(learner) < stop:
            return math.inf
        pairs.append((y, float(stream[k].target)))
    y, r = np.array(pairs)[steps // 2 :].T
    return ((y - r) ** 2).mean() / (r**2).mean()


def test_Te_any_short_pattern_of_mean_zero_will_do_and_no_other():
    signs = np.random.default_rng(0).choice([-1, 1], 1000).tolist()
    for pattern in ([1, -1], [-1, 1], [1, 1, -1, -1]):
        assert followed(tracker(), patterned(pattern)) < 0.02
    for pattern in (signs, [1, 1, -1]):
        assert followed(tracker(), patterned(pattern)) > 1


def test_Tf_a_better_integrator_tracks_nothing():
    """Exact flows only retrace; the implicit rule's error has the other sign; a finer step learns too slowly."""
    good = follow(tracker(), 1000).error
    assert good < 0.02
    assert follow(tracker("rk4"), 600).error > 0.9
    assert follow(tracker("implicit"), 400).error == math.inf
    assert follow(tracker(step=TAU / 4), 2000).error > 8 * good
    assert follow(tracker(frequency=0.2), 600).error > 0.9


def test_Tg_exact_steps_freeze_at_the_ball():
    """Inside +F, outside -F: on the sphere the two cancel (Filippov). Euler's steps creep on."""

    def crept(order):
        learner, _ = learner_at(drawn(0.1), order, policy="ball", radius=4.0, tau=0.01)
        learner.run(Signal(lambda t: 0.5, 0.01, 0), 400)
        before = vector(learner)
        learner.run(Signal(lambda t: 0.5, 0.01, 0), 400)
        assert 1 < before @ before < 16
        return np.abs(vector(learner) - before).max()

    assert crept("rk4") < 0.02 and crept("euler") > 10 * crept("rk4")


def test_Th_a_slow_clock_is_the_same_bargain():
    """Five steps a half period: by Euler's rule it tracks, by RK4 it does not."""
    clock = {"policy": "clock", "turning": 1 / (10 * TAU)}
    assert follow(tracker(**clock), 1500).error < 0.04
    assert follow(tracker("rk4", **clock), 600).error > 0.9


def forward_matrix(q, c, eta, eta_z):
    """A of HL around rest, by central differences of the learner's own Euler step, on (x_0, its clamped weight)."""
    places, columns = [0, 2 * UNITS, UNITS + SIZE, UNITS + SIZE + 2 * UNITS], []
    places[1], places[3] = UNITS + UNITS, 2 * UNITS + SIZE + UNITS
    for k in places:
        ends = []
        for sign in (1, -1):
            v = np.zeros(2 * (UNITS + SIZE))
            v[k] = sign * 1e-5
            experiment = tracker(name="local-tracking-forward", q=q, speed=c, eta=eta, eta_z=eta_z, tau=1e-3)
            learner, _ = experiment.learner(0)
            learner.point = at(v)
            learner.step(constant(0.0))
            ends.append((vector(learner) - v)[places] / 1e-3)
        columns.append((ends[0] - ends[1]) / 2e-5)
    return np.array(columns).T


@pytest.mark.parametrize(("eta", "eta_z"), [(5.5, 0.0), (0.0, 0.0), (4.0, 3.0)])
def test_Ti_the_characteristic_equation_of_hamiltonian_learning(eta, eta_z):
    """(s² + ηs + βr_w)(s + c)(s + c + η_z) + βqc² = 0; without η it is unstable, with it it tracks."""
    q, c, beta = 10.0, 50.0, 1 / RHO
    expected = np.polymul(np.polymul([1, eta, beta * R_W], [1, c]), [1, c + eta_z])
    expected[-1] += beta * q * c * c
    own = np.sort_complex(np.linalg.eigvals(forward_matrix(q, c, eta, eta_z)))
    assert np.abs(own - np.sort_complex(np.roots(expected))).max() <= 1e-5 * c
    assert (own.real.max() > 1) == (eta == 0)


def test_Ti_hamiltonian_learning_needs_no_error_of_the_integrator():
    """Ten times faster than flips can follow, and the same by Euler's rule and by RK4."""
    forward = tracker(name="local-tracking-forward", case="fast")
    found = follow(forward, 1500).error
    assert found < 0.02
    exact = follow(tracker("rk4", frequency=0.2, speed=50.0, step=0.01, policy="never", eta=5.5), 1500)
    assert abs(exact.error / found - 1) < 0.2
    unstable = follow(tracker(name="local-tracking-forward", case="fast", eta=0.0), 1500)
    assert unstable.error > 0.9, "the control: without dissipation it rings up"


def test_Ti_dissipation_of_z_costs_accuracy():
    """At rest x_0/r = q/(q + r_w(1 + η_z/c))."""
    q, c = 10.0, 50.0
    for eta_z in (0.0, 50.0):
        experiment = tracker(name="local-tracking-forward", eta=12.0, eta_z=eta_z)
        learner, _ = experiment.learner(0)
        learner.point = at(1e-3 * drawn())
        for _ in range(800):
            y = float(learner.step(constant(0.05)).output[0, 0])
        assert abs(y / 0.05 - q / (q + R_W * (1 + eta_z / c))) < 2e-3


def test_Tj_without_a_clamped_neuron_the_forward_law_dies():
    """x = 0, W = 0 is a trap at q = 10: ∂H'/∂W ∝ x, and weights cost what tracking earns."""
    experiment = tracker(name="local-tracking-forward", case="autonomous")
    assert follow(experiment, 1500).error > 0.99
    learner, stream = experiment.learner(0)
    before = learner.point.clone().theta["W"]
    learner.run(stream, 600)
    assert float(learner.point.theta["W"].abs().max()) < 1e-6
    assert float(before.abs().max()) > 0.1
    assert follow(tracker(name="local-tracking-forward"), 1500).error < 0.05, "the control: a clamped neuron saves it"


def test_the_record_and_a_resumed_run_know_the_sign():
    path = tracker().run(5)
    assert path.sign.values[:, 0].tolist() == [1, -1, 1, -1, 1] and np.diff(path.time).min() > 0
    learner, stream = tracker().learner(0)
    for k in range(3):
        learner.step(stream[k])
    kept = learner.snapshot()
    learner.step(stream[3])
    first = vector(learner)
    learner.restore(kept)
    learner.step(stream[3])
    assert np.array_equal(first, vector(learner)) and learner.traced()["sign"]["s"] == -1
