"""S4: a crowd of perceptrons follows its mean flow (after Schmid and Murray, NeurIPS 2024); theorems T-a to T-g.

The flow is an ODE of expectations; the crowd is samples through `Learner`. Each bound has a control that breaks it.
"""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import ndtr

from hlcore import Diverged, HLError, Learner, Sample, Settings, experiments
from hlcore.networks.crowd import Crowd, crowd_loss, reinforce, supervised
from hlcore.streams import Clusters, DigitPairs
from hlcore.studies.mean_flow import MeanFlow, alignment, reaches, slow

MU, START = np.array([1.0, 1.0]) / math.sqrt(2), np.array([1.0, -1.0]) / math.sqrt(2)


@pytest.fixture(autouse=True)
def _doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def crowd(rule, settings, steps, n=1000, sigma=1.0, decay=0.0, baseline=0.0, start=START, every=1, seed=0):
    """w of n learners after 0, every, 2·every, … steps: (times, n, 2)."""
    network = Crowd(torch.tensor(start).expand(n, -1), decay)
    learner = Learner(network, crowd_loss(rule, baseline), settings, "sequential")
    stream, kept = Clusters(MU, sigma**2, n, seed), [network.w.detach().numpy().copy()]
    for k in range(steps):
        learner.step(stream[k])
        if (k + 1) % every == 0:
            kept.append(network.w.detach().numpy().copy())
    return np.array(kept)


def flow(rule, sigma=1.0, decay=0.0, baseline=0.0):
    return MeanFlow(rule, [(MU, sigma**2 * np.eye(2))], decay, baseline)


def plain(rate):
    return Settings(eta=1.0, beta=rate)  # τη = 1: no momentum, γ = β


def off(ways, path):
    """(largest distance of the mean from the flow, four standard errors of that mean)."""
    error = ways.std(1, ddof=1) / math.sqrt(ways.shape[1])
    return np.abs(ways.mean(1) - path).max(), 4 * error.max()


# ---- the rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["supervised", "reinforce"])
def test_each_learner_of_the_crowd_takes_the_rule_to_the_last_bits(rule):
    """θ⁺ = θ + γ((c - σ)u - λθ), or θ + γ((ya - b) a σ(-aθu) u - λθ) with a drawn and b the learner's mean reward."""
    n, rate, decay = 5, 0.1, 0.2
    network = Crowd(torch.tensor(START).expand(n, -1), decay)
    learner = Learner(network, crowd_loss(rule, "mean" if rule == "reinforce" else 0.0), plain(rate), "sequential")
    stream, w, b = Clusters(MU, 1.0, n, 3), np.tile(START, (n, 1)), np.zeros(n)
    for k in range(300):
        learner.step(stream[k])
        u, (y, die) = stream[k].u.numpy(), stream[k].target.numpy().T
        p = 1 / (1 + np.exp(-(u * w).sum(1)))
        a = np.where(die < p, 1.0, -1.0)
        gain = (y + 1) / 2 - p if rule == "supervised" else (y * a - b) * a * (1 - np.where(a > 0, p, 1 - p))
        w, b = w + rate * (gain[:, None] * u - decay * w), 0.9 * b + 0.1 * y * a
    assert np.abs(network.w.detach().numpy() - w).max() <= 1e-13
    assert np.abs(network.reward.numpy() - b).max() <= 1e-13
    assert np.abs(w - START).max() > 0.1, "they moved"


def test_a_mean_over_the_crowd_is_another_rate():
    """The control of the sum: reduced by a mean, every learner's rate is divided by n."""
    stream = Clusters(MU, 1.0, 4, 0)
    moved = []
    for loss in (supervised, lambda y, t: supervised(y, t) / 4):
        loss.own_shapes = True
        network = Crowd(torch.tensor(START).expand(4, -1))
        Learner(network, loss, plain(0.1), "sequential").step(stream[0])
        moved.append(network.w.detach() - torch.tensor(START))
    assert torch.allclose(moved[0], 4 * moved[1], atol=1e-15) and not torch.allclose(*moved)


def test_the_mean_reward_goes_back_in_time_and_a_refused_step_leaves_it():
    network = Crowd(torch.tensor(START).expand(4, -1))
    learner, stream = Learner(network, supervised, plain(0.1), "sequential"), Clusters(MU, 1.0, 4, 0)
    learner.run(stream, 20)
    kept, then = learner.snapshot(), network.reward.clone()
    learner.run(stream.since(20), 20)
    after = network.reward.clone()
    learner.restore(kept)
    assert torch.equal(network.reward, then)
    learner.run(stream.since(20), 20)
    assert torch.equal(network.reward, after) and not torch.equal(then, after)
    learner.settings = plain(1e308)
    good = stream[40]
    with pytest.raises(Diverged, match="theta"):
        learner.step(Sample(good.u * 1e3, good.target * torch.tensor([-1.0, 1.0])))
    assert torch.equal(network.reward, after)


# ---- the flow ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["supervised", "reinforce"])
def test_the_moments_are_those_of_samples_and_the_derivatives_those_of_differences(rule):
    rng, w, f = np.random.default_rng(0), np.array([0.7, -0.2]), flow(rule, 0.8, 0.3, 0.0)
    x = MU + 0.8 * rng.standard_normal((400_000, 2))
    p = 1 / (1 + np.exp(-(x @ w)))
    if rule == "supervised":
        update = (1 - p)[:, None] * x
    else:
        a = np.where(rng.random(len(x)) < p, 1, -1)
        update = np.where(a > 0, 1 - p, p)[:, None] * x
    assert np.abs(update.mean(0) - 0.3 * w - f.drift(w)).max() < 4 / math.sqrt(len(x))
    assert np.abs(np.cov(update.T) - f.noise(w)).max() < 8 / math.sqrt(len(x))
    step, C = 1e-4, np.array([[0.3, 0.1], [0.1, 0.2]])
    for i, e in enumerate(np.eye(2)):
        slope = (f.drift(w + step * e) - f.drift(w - step * e)) / (2 * step)
        assert np.abs(slope - f.jacobian(w)[:, i]).max() < 1e-7
    bend = sum(
        C[i, j] * (f.jacobian(w + step * e)[:, j] - f.jacobian(w - step * e)[:, j]) / (2 * step)
        for i, e in enumerate(np.eye(2)) for j in range(2)
    )  # fmt: skip
    assert np.abs(bend - f.curvature(w, C)).max() < 1e-7 < np.abs(f.curvature(w, C)).max()


def test_the_flow_rests_where_the_rules_balance():
    """σ = 0, along μ: SL 1 - σ(x) = λx, RL 2σ(x)σ(-x) = λx."""
    for rule, g in (
        ("supervised", lambda x: 1 / (1 + math.exp(x))),
        ("reinforce", lambda x: 0.5 / math.cosh(x / 2) ** 2),
    ):
        rest = brentq(lambda x, g=g: g(x) - 0.1 * x, 0.1, 5)
        found = flow(rule, 0.0, 0.1).path(START, [0, 400]).mean[-1]
        assert np.abs(found - rest * MU).max() < 1e-6
        assert rest == pytest.approx({"supervised": 1.6335, "reinforce": 2.0386}[rule], abs=1e-4)


class Probit(MeanFlow):
    """The authors' σ(h) ≈ Φ(√(π/8) h)."""

    sigmoid = staticmethod(lambda h: ndtr(math.sqrt(math.pi / 8) * h))


TIMES = {  # σ: the authors' time to alignment .8, from the csv beside their code
    "supervised": {0.01: 4.17, 0.51: 3.40, 1.01: 2.535},
    "reinforce": {0.01: 3.12, 0.51: 3.15, 1.01: 3.385},
}


def when(kind, rule, cov, start=START, mu=MU):
    T = np.linspace(0, 10, 1001)
    return reaches(alignment(kind(rule, [(mu, cov)]).path(start, T).mean, mu), T)


@pytest.mark.parametrize("rule", TIMES)
def test_the_authors_learn_times_with_their_sigmoid_and_with_the_true_one(rule):
    for sigma, told in TIMES[rule].items():
        assert when(Probit, rule, sigma**2 * np.eye(2)) == pytest.approx(told, abs=0.01)
        assert when(MeanFlow, rule, sigma**2 * np.eye(2)) == pytest.approx(told, abs=0.05)
    along = {"supervised": (1.955, 2.545, 4.08), "reinforce": (3.045, 3.375, 4.05)}[rule]
    for stretch, told in zip((-0.5, 0, 0.5), along, strict=True):
        cov = np.diag([1 + stretch, 1 - stretch])
        found = when(Probit, rule, cov, np.array([0, 1.0]), np.array([1.0, 0]))
        assert found == pytest.approx(told, abs=0.01)


def test_noise_hurries_supervision_and_slows_reinforcement():
    early = {rule: [when(MeanFlow, rule, s**2 * np.eye(2)) for s in (1, 2, 4)] for rule in TIMES}
    assert early["supervised"] == pytest.approx([2.55, 1.61, 0.87], abs=0.01)
    assert early["reinforce"] == pytest.approx([3.34, 4.17, 6.39], abs=0.01)


# ---- the theorems ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["supervised", "reinforce"])
def test_T_a_the_mean_of_learners_is_the_flow_up_to_the_rate(rule):
    def error(rate, n=1000):
        steps = round(4 / rate)
        every = max(1, steps // 8)
        ways = crowd(rule, plain(rate), steps, n, every=every)
        return off(ways, flow(rule).path(START, rate * every * np.arange(len(ways))).mean)

    for rate in (0.02, 0.1, 0.3):
        gap, noise = error(rate)
        assert gap <= noise + 0.25 * rate
    gap, noise = error(3.0)
    assert gap > noise + 0.1, "the control: steps as large as the flow itself"


def test_T_a_one_learner_strays_by_the_root_of_the_rate():
    spread = [crowd("supervised", plain(rate), round(2 / rate), 400)[-1].std(0).mean() for rate in (0.16, 0.04, 0.01)]
    slope = np.polyfit(np.log([0.16, 0.04, 0.01]), np.log(spread), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("rule", ["supervised", "reinforce"])
def test_T_b_with_friction_the_momentum_is_forgotten(rule):
    T, inertias = np.linspace(0, 5, 101), 0.4 / 2.0 ** np.arange(6)
    still = flow(rule).path(START, T).mean
    gaps = [np.abs(flow(rule).path(START, T, inertia=e).mean - still).max() for e in inertias]
    assert np.polyfit(np.log(inertias[2:]), np.log(gaps[2:]), 1)[0] == pytest.approx(1.0, abs=0.1)
    assert gaps[0] > 0.1 and gaps[-1] < 0.01


def test_T_c_learners_with_momentum_follow_the_flow_with_momentum_not_the_plain_one():
    for beta, near, far in ((1e-3, 0.012, 0.02), (0.01, 0.04, 0.15)):
        settings = Settings(eta=0.1, beta=beta)
        rate, inertia = slow(settings)
        steps = round(4 / rate)
        ways = crowd("supervised", settings, steps, 1000, sigma=0.5, every=steps // 8)
        T = rate * (steps // 8) * np.arange(len(ways))
        f = flow("supervised", 0.5)
        assert off(ways, f.path(START, T, inertia=inertia).mean)[0] < near
        assert off(ways, f.path(START, T).mean)[0] > far


def test_T_d_at_rest_the_spread_knows_the_rate_alone():
    for rule in ("supervised", "reinforce"):
        f = flow(rule, 0.5, 0.3)
        rest = f.path(START, [0, 60]).mean[-1]
        J, D = f.jacobian(rest), f.noise(rest)
        C = np.linalg.solve(np.kron(J, np.eye(2)) + np.kron(np.eye(2), J), -0.01 * D.ravel()).reshape(2, 2)
        for eta in (1.0, 0.2):
            settings = Settings(eta=eta, beta=0.01 * eta)
            ways = crowd(rule, settings, 600, 1000, 0.5, 0.3, start=rest)[-1]
            assert np.trace(np.cov(ways.T)) == pytest.approx(np.trace(C), rel=0.15)
    other = crowd(rule, Settings(eta=1.0, beta=0.02), 600, 1000, 0.5, 0.3, start=rest)[-1]
    assert np.trace(np.cov(other.T)) > 1.6 * np.trace(C), "the control: another rate"


def test_T_e_a_baseline_moves_no_mean_but_the_spread_and_the_mean_reward_makes_it_worse():
    ends = {
        b: crowd("reinforce", plain(0.02), 200, 2000, 0.1, baseline=b)[-1] for b in (0.0, 0.5, "mean", -0.5, "best")
    }
    spread = {b: np.trace(np.cov(w.T)) for b, w in ends.items()}
    for b in (0.0, 0.5, -0.5, "best"):
        path = flow("reinforce", 0.1, baseline=b).path(START, [0, 4.0], 0.02, np.zeros((2, 2)))
        assert np.abs(ends[b].mean(0) - path.mean[-1]).max() < 4 * math.sqrt(spread[b] / 2000) + 0.002
        assert np.trace(path.spread[-1]) == pytest.approx(spread[b], rel=0.15)
    assert spread["best"] < spread[-0.5] < spread[0.0] < spread[0.5] and spread["mean"] > 1.5 * spread[0.0]


def test_T_e_a_baseline_that_knows_the_action_is_biased():
    def loss(y, target):
        a = (target[:, 1] < y[:, 0].sigmoid()).double() * 2 - 1
        kept = target[:, 0] * a - 0.5 * target[:, 0] * a
        return -(kept * torch.nn.functional.logsigmoid(a * y[:, 0])).sum()

    loss.own_shapes = True
    network, stream = Crowd(torch.tensor(START).expand(1000, -1)), Clusters(MU, 0.01, 1000, 0)
    Learner(network, loss, plain(0.02), "sequential").run(stream, 200)
    ways = network.w.detach().numpy()[None]
    gap, noise = off(ways, flow("reinforce", 0.1).path(START, [0, 4.0]).mean[-1:])
    assert gap > 2 * noise


@pytest.mark.parametrize("rule", ["supervised", "reinforce"])
def test_T_f_without_diffusion_a_new_task_leaves_the_sine_of_the_old(rule):
    """When the new task has been learned to the alignment a, the overlap with the old is √(1-a²) times what it was."""
    n, goal = 500, 0.8
    tasks = np.linalg.qr(np.random.default_rng(0).standard_normal((n, 4)))[0].T
    for sigma, rate, diffuses in ((1e-3, 0.002, False), (0.1, 0.01, True)):
        network = Crowd(torch.zeros(4, n), 10.0)
        learner = Learner(network, crowd_loss(rule), plain(rate), "sequential")
        overlap, reached = [], []
        for task in tasks:
            stream, k = Clusters(task, sigma**2, 4, 0), 0
            while not k or (alignment(network.w.detach().numpy(), task).mean() < goal and k < 2000):
                learner.step(stream[k])
                k += 1
            reached.append(alignment(network.w.detach().numpy(), task).mean())
            overlap.append(alignment(network.w.detach().numpy(), tasks[0]).mean())
        left = np.array(overlap[1:]) / overlap[:-1] - np.sqrt(1 - np.square(reached[1:]))
        if diffuses:
            assert left[0] < -0.1, "the control: diffusion forgets, too"
        else:
            assert np.abs(left).max() < 0.01


def test_T_g_the_spread_bends_the_mean_by_a_half():
    rng, C0 = np.random.default_rng(0), 0.1 * np.eye(2)
    for rule in ("supervised", "reinforce"):
        f, T, start = flow(rule, 1.0, 0.1), np.linspace(0, 2, 21), 0.2 * START
        pushed = rng.standard_normal((4000, 2))
        pushed -= pushed.mean(0)
        pushed = start + math.sqrt(0.1) * pushed @ np.linalg.inv(np.linalg.cholesky(np.cov(pushed.T, bias=True))).T
        for _ in T[1:]:  # midpoint steps of .1, all points at once
            pushed = pushed + 0.1 * drifts(f, pushed + 0.05 * drifts(f, pushed))
        half, none = (f.path(start, T, 0.0, C0, order=k).mean[-1] for k in (2, 1))
        gap, without, doubled = (np.abs(pushed.mean(0) - x).max() for x in (half, none, 2 * half - none))
        assert gap < 0.002 and gap < 0.25 * without and gap < 0.25 * doubled


def drifts(f, points):
    """The drift at many points, σ = 1, by the same nodes."""
    from hlcore.studies.mean_flow import NODES, WEIGHTS

    size = np.linalg.norm(points, axis=1, keepdims=True)
    F = WEIGHTS * f._gain(points @ MU[:, None] + size * NODES)
    return F.sum(1, keepdims=True) * MU + (F @ NODES)[:, None] * points / size - f.decay * points


def test_run_forward_with_the_other_sign_the_crowd_unlearns():
    def end(s):
        network = Crowd(torch.tensor(START).expand(50, -1))
        Learner(network, supervised, Settings(eta=1.0, beta=0.1, s=s), "sequential").run(Clusters(MU, 1.0, 50, 0), 300)
        return alignment(network.w.detach().numpy(), MU).mean()

    assert end(-1) > 0.9 and end(1) < -0.9


# ---- real digits, the list, bad input ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kinds", "near"), [((0, 1), 0.02), ((3, 8), 0.03)])
def test_the_flow_of_the_datas_own_covariances_foretells_real_digits(kinds, near):
    stream, rate, steps = DigitPairs(kinds, 20, 0), 0.002, 1000
    network = Crowd(torch.zeros(20, 784), 1.0)
    Learner(network, supervised, plain(rate), "sequential").run(stream, steps)
    told = MeanFlow("supervised", stream.components, 1.0).path(np.zeros(784), [0, rate * steps]).mean[-1]
    found = network.w.detach().numpy().mean(0)
    assert alignment(found, told) > 0.99
    assert abs(stream.right(found[None])[0] - stream.right(told[None])[0]) < near
    wrong = MeanFlow("supervised", DigitPairs((4, 9)).components, 1.0).path(np.zeros(784), [0, rate * steps]).mean[-1]
    assert alignment(found, wrong) < 0.5, "the control: the covariances of other digits"


@pytest.mark.parametrize("name", ["crowd-clusters", "crowd-digits", "crowd-tasks"])
def test_by_name(name):
    for rule in ("supervised", "reinforce"):
        record = experiments.get(name, rule=rule, learners=3).run(20)
        assert float(abs(record.theta[-1] - record.theta[0]).max()) > 0


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Crowd(torch.zeros(3)), "learners, inputs"),
        (lambda: Crowd(torch.zeros(3, 2), decay=-1.0), "decay"),
        (lambda: reinforce("men"), "mean"),
        (lambda: reinforce(math.nan), "baseline"),
        (lambda: crowd_loss("supervise"), "supervised"),
        (lambda: crowd_loss("supervised", 0.5), "reinforce"),
        (lambda: Clusters([1.0, 0.0], -np.eye(2)), "eigenvalue"),
        (lambda: Clusters([1.0, 0.0], np.eye(3)), "symmetric"),
        (lambda: Clusters(np.eye(2), 1.0), "every"),
        (lambda: DigitPairs((1, 1)), "two different"),
        (lambda: MeanFlow("supervised", [], baseline="mean"), "closed"),
        (lambda: slow(Settings(eta=0.0)), "slow time"),
        (lambda: experiments.get("crowd-clusters", stretch=1.0), "stretch"),
        (lambda: experiments.get("crowd-digits", kinds="abc"), "two digits"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()


def test_the_picture_foretells_before_the_first_step_and_the_crowd_arrives():
    from hlcore.lab import Cockpit, CrowdCloud
    from hlcore.runs.run import Run

    panel = Cockpit(Run(experiments.get("crowd-clusters", beta=0.1), width=512), figures=[CrowdCloud])
    picture = panel.figures[-1]
    assert isinstance(picture, CrowdCloud) and "cos = 0.8 at T = 2.57 (foretold)" in picture._told.value
    assert "not yet (the crowd)" in picture._told.value
    panel.step(40)
    assert panel.alarm() == "" and "not yet" not in picture._told.value
    panel.set(eta=0.0).reset()
    assert "no prophecy" in picture._told.value
    panel.close()
