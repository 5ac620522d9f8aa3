"""S8: temporal differences with momentum, a target network, a spring, second order (neighbours/S8.md, T-a to T-h)."""

import numpy as np
import pytest
import torch

from hlcore import Diverged, HLError, Learner, OutputNetwork, Sample, Settings, experiments
from hlcore.learners import SecondOrder
from hlcore.learners.second_order import SecondOrderSettings
from hlcore.networks import ActionValues, Targeted
from hlcore.streams import worlds
from hlcore.streams.worlds import Sweep, td
from hlcore.studies import td_stability as stability
from hlcore.studies.policy_replay import replayed

PLAIN = Settings(tau=1.0, eta=1.0, beta=0.1)
STAR = [1.0, 1, 1, 1, 1, 1, 10, 1]
ON = [[1, 0]] * 7  # the star's policy: to the seventh state


def swept(sweep, discount, settings, steps, order="sequential", every=1, start=()):
    """(steps + 1, d): θ on the way of hlcore's own Learner."""
    module = ActionValues(1, sweep.world.X.shape[2])
    with torch.no_grad():
        module.theta[: len(start)] = torch.tensor(start)
    network = OutputNetwork(Targeted(module, every) if every > 1 else module)
    learner = Learner(network, td(discount), settings, order)
    way = [module.theta.detach().numpy().copy()]
    for _ in range(steps):
        learner.step(sweep[0])
        way.append(module.theta.detach().numpy().copy())
    return np.array(way)


def predicted(M, start, steps):
    """The same by a power of the map, ω = 0 at first."""
    at, way = np.r_[np.zeros(len(start)), start], [np.array(start)]
    for _ in range(steps):
        at = M @ at
        way.append(at[len(start) :])
    return np.array(way)


# ---- T-a: no η saves the star


def test_Ta_the_eigenvalues_of_the_star():
    mean = Sweep(worlds.star(), ON).mean
    found = np.sort(np.linalg.eigvals(mean.A(0.99)[:8, :8]).real)
    assert found == pytest.approx([-0.2393, -0.0222, 0] + [4 / 7] * 5, abs=5e-5)
    assert stability.border(mean.A(0.99)) == np.inf
    tame = np.linalg.eigvals(Sweep(worlds.star(), ON).mean.G)
    assert tame.real.min() > -1e-12, "the control: without a bootstrap A = G"


@pytest.mark.parametrize(
    ("tau", "eta", "beta", "order", "told"),
    [
        (0.1, 1.0, 1.0, "sequential", 0.020089),
        (0.1, 0.2, 0.5, "sequential", 0.026097),
        (0.1, 3.0, 1.0, "sequential", 0.007802),
        (0.1, 1.0, 1.0, "euler", 0.019750),
    ],
)
def test_Ta_its_growth_is_foretold(tau, eta, beta, order, told):
    sweep, settings = Sweep(worlds.star(), ON), Settings(tau=tau, eta=eta, beta=beta)
    A = sweep.mean.A(0.99)
    assert stability.growth(A, settings, order) == pytest.approx(told, abs=1e-6)
    foretold = predicted(stability.step_map(A, settings, order), np.r_[STAR, np.zeros(7)], 2000)
    size = np.linalg.norm(sweep._x @ foretold.T, axis=0)
    assert np.log(size[-1] / size[-201]) / 200 == pytest.approx(told, abs=1e-6)
    way = swept(sweep, 0.99, settings, 200, order, start=STAR)
    assert np.abs(way - foretold[:201]).max() < 1e-13 * np.abs(foretold[:201]).max()
    other = {"euler": "sequential", "sequential": "euler"}[order]
    assert abs(stability.growth(A, settings, other) - told) > 5e-5, "the control: the other order's map"


def test_Ta_no_friction_helps():
    A = Sweep(worlds.star(), ON).mean.A(0.99)
    assert all(stability.growth(A, Settings(tau=0.01, eta=eta)) > 0 for eta in np.geomspace(0.01, 90, 25))


# ---- T-b: the parabola


@pytest.mark.parametrize(("rooms", "discount", "told"), [(3, 0.9, 0.3737), (5, 0.95, 0.4807), (8, 0.99, 0.4519)])
def test_Tb_the_border_of_a_ring(rooms, discount, told):
    """For five rooms the notes have .4807, which is γ = .95's; γ = .9 has .4505."""
    A = Sweep(worlds.ring(rooms)).mean.A(discount)
    assert stability.border(A) == pytest.approx(told, abs=5e-5)
    for settings in (Settings(eta=told * 1.01), Settings(eta=told * 2.02, beta=2.0, phi=2.0)):
        assert len(stability.outside(A, settings)) == 0
    for settings in (Settings(eta=told * 0.99), Settings(eta=told * 1.98, beta=2.0, phi=2.0)):
        assert len(stability.outside(A, settings)) > 0


def test_Tb_stable_inside_unstable_outside():
    """30,000 mean steps by the map, which is hlcore's to 4e-16; the roots of λ² + ηλ + a say the same."""
    sweep = Sweep(worlds.ring(3))
    A, V = sweep.mean.A(0.9), worlds.policy_values(sweep.world, np.ones((3, 1)), 0.9)
    star, ends = stability.border(A), []
    for ratio in (0.8, 0.95, 1.05, 1.25):
        settings = Settings(tau=0.02, eta=ratio * star)
        M = stability.step_map(A, settings)
        way = V + predicted(M, -V, 300)
        assert np.abs(swept(sweep, 0.9, settings, 300) - way).max() < 2e-14
        ends.append(np.abs(np.linalg.matrix_power(M, 30_000)[3:, 3:] @ V).max())
        roots = [np.roots([1, settings.eta, a]).real.max() for a in np.linalg.eigvals(A)]
        assert (max(roots) < 0) == (ratio > 1) == (len(stability.outside(A, settings)) == 0)
    assert ends[0] > 1e7 and ends[1] > 10 and ends[2] < 5e-3 and ends[3] < 1e-10, ends
    assert np.abs(V).max() == pytest.approx(3.69, abs=0.01)


def test_Tb_the_control_a_symmetric_A_has_no_border():
    sweep = Sweep(worlds.ring(3))
    assert stability.border(sweep.mean.G) == 0
    settings = Settings(tau=0.02, eta=0.01)
    assert stability.radius(stability.step_map(sweep.mean.G, settings)) < 1
    assert stability.radius(stability.step_map(sweep.mean.A(0.9), settings)) > 1
    assert np.linalg.eigvals(sweep.mean.A(0.9)).real.min() > 0, "plain TD surely learns it"


# ---- T-c, T-d: what a target network does, and what it does not


def test_Tc_the_smallest_K_that_saves_the_star_is_9():
    mean = stability.felt(Sweep(worlds.star(), ON).mean)
    told = {1: 1.0239, 6: 1.0159, 8: 1.0013, 9: 0.9922, 12: 0.9609, 40: 0.988, 200: 0.99}
    for every, radius in told.items():
        assert stability.radius(stability.sync_map(mean, 0.99, PLAIN, every)) == pytest.approx(radius, abs=5e-5), every
    for settings, order in ((Settings(tau=0.5, eta=0.7, beta=0.3), "sequential"), (PLAIN, "euler")):
        A = mean.A(0.99)
        one = stability.sync_map(mean, 0.99, settings, 1, order)
        assert np.abs(one - stability.step_map(A, settings, order)).max() < 1e-12, "K = 1: none"


@pytest.mark.parametrize("order", ["sequential", "euler"])
def test_Tc_hlcore_is_the_map(order):
    sweep, settings = Sweep(worlds.star(), ON), Settings(tau=0.5, eta=1.2, beta=0.4)
    start = np.r_[STAR, np.zeros(7)]
    way = swept(sweep, 0.99, settings, 63, order, every=9, start=STAR)
    M = stability.sync_map(sweep.mean, 0.99, settings, 9, order)
    assert np.abs(way[::9] - predicted(M, start, 7)).max() < 9e-14
    assert np.abs(way[::9] - swept(sweep, 0.99, settings, 63, order, start=STAR)[::9]).max() > 0.1, "the control"


def test_Tc_momentum_has_no_border_behind_a_target_network():
    sweep, V = Sweep(worlds.ring(3)), np.array([2.98892989, 3.32103321, 3.6900369])
    left = []
    for ratio in (0.3, 0.8):
        settings = Settings(tau=1.0, eta=ratio * 0.3737)
        M = np.linalg.matrix_power(stability.sync_map(sweep.mean, 0.9, settings, 200), 20)
        left.append(np.abs(M[3:, 3:] @ V).max())
        assert np.abs(np.linalg.matrix_power(stability.step_map(sweep.mean.A(0.9), settings), 4000)).max() > 1e10
    assert left == pytest.approx([3.69 * 0.9**20] * 2, rel=1e-3)


@pytest.mark.parametrize(("end", "discount", "told"), [(0.1, 0.95, 1.064), (0.1, 0.99, 1.1088), (0.01, 0.8, 0.9536)])
def test_Td_a_target_network_is_not_enough(end, discount, told):
    """Least squares itself multiplies by (6 - 4ε)γ/5 a sync."""
    sweep = Sweep(worlds.two_states(end))
    way = swept(sweep, discount, PLAIN, 241, every=120, start=[1.0])[:, 0]
    assert way[240] / way[120] == pytest.approx((6 - 4 * end) * discount / 5, rel=1e-9)
    assert way[240] / way[120] == pytest.approx(told, abs=1e-4)
    table = Sweep(worlds.MDP(sweep.world.P, 0, start=[0.5, 0.5, 0], ends=[2]))
    M = stability.sync_map(stability.felt(table.mean), discount, PLAIN, 2000)
    assert stability.radius(M) <= discount + 1e-9, "the control: features in which the Bellman equation closes"


# ---- T-e: a spring


def test_Te_a_spring_shifts_A():
    for kappa, told in ((0.235, -0.0043), (0.245, 0.0057)):
        sweep = Sweep(worlds.star(), ON, spring=kappa)
        A = sweep.mean.A(0.99)
        assert np.abs(A - Sweep(worlds.star(), ON).mean.A(0.99) - kappa * np.eye(15)).max() < 1e-14
        assert np.linalg.eigvals(A).real.min() == pytest.approx(told, abs=5e-5)
        settings, start = Settings(tau=1.0, eta=1.0, beta=1.0), np.r_[STAR, np.zeros(7)]
        foretold = predicted(stability.step_map(A, settings), start, 1500)
        way = swept(sweep, 0.99, settings, 60, start=STAR)
        assert np.abs(way - foretold[:61]).max() < 1e-12 * np.abs(foretold[:61]).max()
        size = np.abs(foretold).max(1)
        assert (size[-1] < size[0]) == (told > 0) and (size[-1] < size[-400]) == (told > 0)


# ---- T-f: second order


def moves(n=300, width=5):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, width)) * np.geomspace(1, 0.01, width)
    return x, x @ rng.normal(size=width) / np.geomspace(1, 0.01, width).mean() + 0.1 * rng.normal(size=n)


def told(learner, x, r):
    """Steps on moves that end at once: the goal is r."""
    for row, reward in zip(x, r, strict=True):
        u = torch.from_numpy(np.stack([row, 0 * row]))[None]
        learner.step(Sample(u, torch.tensor([[0.0, reward, 0.0]])))
    return learner.network.module.theta.detach().numpy()


def test_Tf_second_order_is_ridge_regression():
    x, r = moves()
    learner = SecondOrder(OutputNetwork(ActionValues(1, 5)), td(0.9), SecondOrderSettings(ridge=0.5))
    ridge = np.linalg.solve(0.5 * np.eye(5) + x.T @ x, x.T @ r)
    assert np.abs(told(learner, x, r) - ridge).max() < 1e-12
    plain = Learner(OutputNetwork(ActionValues(1, 5)), td(0.9), PLAIN.replace(beta=0.2), "sequential")
    assert np.abs(told(plain, x, r) - ridge).max() > 0.1, "the control: a rate in the place of the gain"


def test_Tf_second_order_before_the_first_move_and_with_a_loss_of_zero():
    learner = SecondOrder(OutputNetwork(ActionValues(1, 2)), td(0.9))
    x = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])
    learner.step(Sample(x, torch.tensor([[0.0, 0.0, -1.0]])))
    assert torch.equal(learner.memory["inverse"], torch.eye(2)), "no move, nothing is met"
    learner.step(Sample(x, torch.tensor([[0.0, 0.0, 0.0]])))
    met = torch.eye(2) + torch.outer(x[0, 0], x[0, 0])
    assert torch.allclose(learner.memory["inverse"], met.inverse(), atol=1e-15), "an error of 0 is knowledge, too"


def test_Tf_second_order_takes_any_network_and_is_taken_back():
    torch.manual_seed(1)
    body = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    learner, world = (
        SecondOrder(OutputNetwork(body), td(0.9)),
        worlds.ring(6, ways=2, features=np.eye(6)[:, None].repeat(2, 1)),
    )
    world.X = world.X[:, :1]
    learner.run(world, 60)
    kept, there = learner.snapshot(), world.state()
    learner.run(world, 40)
    once = [p.detach().clone() for p in body.parameters()]
    learner.restore(kept)
    world.restore(there)
    learner.run(world, 40)
    assert all(torch.equal(a, b.detach()) for a, b in zip(once, body.parameters(), strict=True))


# ---- T-h: a kernel that is not quite of low rank


def test_Th_what_is_lost_grows_gently_as_the_kernel_leaves_low_rank():
    """c = .1: with c = 1 six epochs are too few, at any rank. V* is about .5 in these worlds."""
    first, last = {}, {}
    for noise in (0.0, 0.2, 0.8):
        gaps = [[p.gap for p in replayed(worlds.low_rank(code=s, noise=noise), 4, 6, s, bonus=0.1)] for s in range(4)]
        first[noise], last[noise] = np.mean(gaps, 0)[[0, -1]]
    assert last[0.0] < 0.004 and last[0.2] < 0.006 and last[0.8] < 0.015
    assert all(last[noise] < first[noise] / 8 for noise in first), "the control: what has not learned misses far more"


# ---- on the moves of a world


def test_the_sampled_ring_breaks_and_holds_where_the_mean_does():
    ends = {}
    for ratio in (0.5, 3.0):
        world = worlds.ring(3, seed=1)
        module = ActionValues(1, 3)
        learner = Learner(OutputNetwork(module), td(0.9), Settings(tau=0.5, eta=ratio * 0.3737), "sequential")
        learner.run(world, 1200)
        ends[ratio] = np.abs(module.theta.detach().numpy() - [2.98892989, 3.32103321, 3.6900369]).max()
    assert ends[0.5] > 20 and ends[3.0] < 0.05, ends


def test_a_target_network_holds_still_between_syncs_and_comes_back():
    experiment = experiments.get("ring-q", every=50, dtype="float64")
    learner, world = experiment.learner(0)
    module = learner.network.module
    copies = []
    for _ in range(200):
        report = learner.step(world[world.k])
        world.act(report.output)
        copies.append(module.copy_theta.clone())
    changes = [k for k in range(1, 200) if not torch.equal(copies[k], copies[k - 1])]
    assert changes == [50, 100, 150]
    kept, there = learner.snapshot(), world.state()
    learner.run(world, 130)
    once = module.copy_theta.clone(), module.module.theta.detach().clone()
    learner.restore(kept)
    world.restore(there)
    learner.run(world, 130)
    assert torch.equal(once[0], module.copy_theta) and torch.equal(once[1], module.module.theta.detach())


def test_the_experiments_are_what_they_say():
    ring = experiments.get("ring-td", dtype="float64")
    assert float(ring.run(400).loss[-1]) < 1e-3
    ice = ring.replace(settings=ring.settings.replace(**ring.presets["ring on ice"])).run(600).theta
    assert np.abs(ice[-100:]).max() > 3 * np.abs(ice[:100]).max()
    held = experiments.get("ring-td", dtype="float64", every=200, eta=0.3).run(600).theta
    assert np.abs(held).max() < 4
    grows = experiments.get("star-td").run(300).loss
    assert grows[-1] > 100 * grows[0]
    assert experiments.get("star-td", every=60).run(300).loss[-1] < 10
    assert np.abs(experiments.get("two-states-td", every=100, dtype="float64").run(650).theta[-1]) > 1.3
    with pytest.raises(Diverged):
        experiments.get("star-q", rate=3.0).run(20_000, capacity=10)
    with pytest.raises(HLError, match="every"):
        experiments.get("ring-q", every=0)
