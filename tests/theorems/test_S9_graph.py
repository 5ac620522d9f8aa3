"""S9, clients on a graph: the dual as a state is the primal-dual method, and its limit is GTVMin; springs, copies."""

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from hlcore import Diverged, HLError, Learner, Sample, Settings, experiments
from hlcore.experiments.graph_clients import LOSS, curvature, settings
from hlcore.networks import Copies, Graph, Springs, TotalVariation, coupled
from hlcore.networks.graph import incidence, laplacian_norm
from hlcore.runs.run import Run
from hlcore.streams import Clients

LAM = 6.0
ENOUGH = 300  # steps, with σ|D|² = L_f/2
TV = Settings(tau=1.0, eta=1.0, eta_z=1.0)


@pytest.fixture(scope="module")
def clients():
    """Ten nodes, all labelled, n = 2."""
    torch.set_default_dtype(torch.float64)
    return Clients(3, (5, 5), 2, p_in=0.9, p_out=0.2, labelled=1.0, tokens=12, noise=3.0, fresh=False)


def graph(stream, kind=TotalVariation, **options):
    return kind(len(stream.cluster), stream.inputs, stream.edges, **options)


def normal_equations(stream):
    """X_iᵀX_i and X_iᵀy_i of every node, zero where nothing is known."""
    (x, mask), target = stream[0].u, stream[0].target
    y, x = target.reshape(mask.shape[1], -1), mask[0][:, None, None] * x[0]
    return (x.transpose(1, 2) @ x).numpy(), torch.einsum("nmk,nm->nk", x, y).numpy()


def objective(stream, theta, lam):
    (x, mask), target = stream[0].u, stream[0].target
    told = (mask[..., None] * (x * theta[:, None]).sum(-1)).reshape(1, -1)
    i, j = stream.edges.T
    return float(((told - target) ** 2).sum() + lam * (theta[i] - theta[j]).abs().sum())


def exact(stream, lam):
    """(θ, u, gap) by the dual: least squares in a box, min |½ G^-½ Dᵀu - G^-½ b|² over |u| ≤ λ."""
    G, b = normal_equations(stream)
    D = incidence(graph(stream)).numpy()
    half = np.stack([np.linalg.inv(np.linalg.cholesky(g)) for g in G])  # half G halfᵀ = 1
    N, n = b.shape
    A = np.einsum("nab,en->naeb", half, D).reshape(N * n, -1) / 2
    r = np.einsum("nab,nb->na", half, b).ravel()
    u = lsq_linear(A, r, (-lam, lam), method="bvls", tol=1e-15, max_iter=1000).x.reshape(-1, n)
    theta = torch.from_numpy(np.linalg.solve(G, (b - D.T @ u / 2)[..., None])[..., 0])
    constant = float((stream[0].target ** 2).sum())
    dual = constant - float(((A @ u.ravel() - r) ** 2).sum())
    return theta, torch.from_numpy(u), objective(stream, theta, lam) - dual


def run(network, stream, steps, step, order="sequential", **more):
    learner = Learner(network, LOSS, (TV if not more else TV.replace(**more)).replace(beta=step), order)
    sample = stream[0]
    for _ in range(steps):
        learner.step(sample)
    return learner


def pace(stream, L_f=None):
    """(σ, γ) with σ|D|² = L_f/2, and γ just below its bound 1/(L_f/2 + σ|D|²)."""
    L_f = curvature(stream) if L_f is None else L_f
    return L_f / 2 / laplacian_norm(graph(stream)), 0.99 / L_f


def slope(stream, theta, u):
    """∇L + Dᵀu, zero at the minimiser."""
    G, b = (torch.from_numpy(a) for a in normal_equations(stream))
    return 2 * (torch.einsum("nab,nb->na", G, theta) - b) + incidence(graph(stream)).T @ u


def far(a, b):
    return float((a - b).abs().max())


# ---- the oracle, and the authors' own iteration --------------------------------------------------------------------


def test_G1_the_oracle_closes_the_duality_gap(clients):
    theta, u, gap = exact(clients, LAM)
    assert abs(gap) < 1e-10 and float(u.abs().max()) <= LAM + 1e-12
    assert far(theta, exact(clients, LAM / 4)[0]) > 0.1, "the control: another λ has another minimiser"


def test_G2_the_authors_iteration_comes_to_the_oracle(clients):
    """θ_i⁺ = prox(θ_i - τ_i (Dᵀu)_i), u⁺ = clip(u + σ D(2θ⁺ - θ)), τ_i = 1/degree, σ = .45."""
    G, b = normal_equations(clients)
    D = incidence(graph(clients)).numpy()
    tau = 1 / np.abs(D).sum(0)
    theta, u, away, best = np.zeros_like(b), np.zeros((len(D), 2)), [], exact(clients, LAM)[0].numpy()
    M = np.linalg.inv(np.eye(2) + 2 * tau[:, None, None] * G)
    for _ in range(2000):
        old = theta
        at = theta - tau[:, None] * (D.T @ u)
        theta = np.einsum("nab,nb->na", M, at + 2 * tau[:, None] * b)
        u = np.clip(u + 0.45 * D @ (2 * theta - old), -LAM, LAM)
        away.append(np.abs(theta - best).max())
    assert away[-1] < 1e-10 < away[100]


# ---- (c) the dual as a state ---------------------------------------------------------------------------------------


def condat_vu(stream, lam, sigma, gamma, steps):
    G, b = (torch.from_numpy(a) for a in normal_equations(stream))
    D = incidence(graph(stream))
    theta, last, u = torch.zeros(b.shape), torch.zeros(b.shape), torch.zeros(len(D), 2)
    for _ in range(steps):
        u = (u + sigma * D @ (2 * theta - last)).clamp(-lam, lam)
        last, slope = theta, 2 * (torch.einsum("nab,nb->na", G, theta) - b)
        theta = theta - gamma * (slope + D.T @ u)
    return theta


def test_G3_the_learner_is_the_primal_dual_method_and_comes_to_the_oracle(clients):
    sigma, gamma = pace(clients)
    learner = run(graph(clients, lam=LAM, sigma=sigma), clients, ENOUGH, gamma)
    theta = learner.point.theta["theta"]
    assert far(theta, condat_vu(clients, LAM, sigma, gamma, ENOUGH)) < 1e-12
    assert far(theta, exact(clients, LAM)[0]) < 1e-12
    assert far(theta, condat_vu(clients, LAM / 2, sigma, gamma, ENOUGH)) > 0.05


def test_G3_how_large_a_step_may_be():
    """γ ≤ 1/(L_f/2 + σ|D|²) suffices (Condat); the last step that settles is 1/(L_f/2 + ¾σ|D|²).

    Ours: with equal curvature and no bound every mode is z² - (2 - γL_f - 2γσμ)z + 1 - γL_f - γσμ, which leaves the
    unit circle at z = -1.
    """
    stream = Clients(3, (5, 5), 2, p_in=0.9, p_out=0.2, labelled=1.0, tokens=2, noise=1.0, fresh=False)
    same = torch.eye(2).expand(1, 10, 2, 2), torch.ones(1, 10)
    sample, mu = Sample(same, stream[0].target, end=False), laplacian_norm(graph(stream))
    for strength in (0.2, 1.0, 3.0):  # σ|D|² beside L_f/2 = 1
        size = []
        for factor in (0.98, 1.02):
            step = TV.replace(beta=factor / (1 + 0.75 * strength))
            learner = Learner(graph(stream, lam=None, sigma=strength / mu), LOSS, step, "sequential")
            for _ in range(300):
                learner.step(sample)
            size.append(float(learner.network.difference().detach().abs().max()))
        assert size[0] < 1e-2 and size[1] > 1e3


def test_G4_neighbours_agree_across_every_edge_that_is_not_at_its_bound(clients):
    sigma, gamma = pace(clients)
    learner = run(graph(clients, lam=LAM, sigma=sigma), clients, ENOUGH, gamma)
    u, d = learner.point.h["u"][0], learner.network.difference().detach()
    inside = u.abs() < LAM * (1 - 1e-9)
    assert 10 < int(inside.sum()) < inside.numel() - 10, "both kinds are there"
    assert float(d[inside].abs().max()) < 1e-12
    apart = d.abs() > 1e-9
    assert bool((torch.sign(d) == torch.sign(u))[apart].all()) and bool((~inside)[apart].all())
    squared = run(graph(clients, kind=Springs, sigma=1.0), clients, ENOUGH, 0.01, eta_z=0.5)
    assert float(squared.network.difference().detach().abs().min()) > 1e-9, "the control: springs never close a gap"


def test_G4_unlabelled_nodes_and_vector_norm_satisfy_the_conditions_of_optimality():
    """-(Dᵀu)_i = ∇L_i, and u_e in λ∂|(Dθ)_e|, which needs no oracle; both norms."""
    stream = Clients(4, (5, 5), 2, p_in=0.9, p_out=0.2, labelled=0.6, tokens=12, noise=3.0, fresh=False)
    (sigma, gamma), found = pace(stream), []
    for norm in (1, 2):
        learner = run(graph(stream, lam=LAM, sigma=sigma, norm=norm), stream, 1200, gamma)
        theta, u = learner.point.theta["theta"], learner.point.h["u"][0]
        d = learner.network.difference().detach()
        assert float(slope(stream, theta, u).abs().max()) < 1e-9
        size = d.abs().sum(1) if norm == 1 else d.norm(dim=1)
        assert far(LAM * size, (u * d).sum(1)) < 1e-9
        assert float(u.abs().max() if norm == 1 else u.norm(dim=1).max()) <= LAM + 1e-12
        found.append(theta)
    assert far(*found) > 1e-2, "the control: the norms are two problems"


def test_edge_weights_and_a_step_for_each_node(clients):
    """λA_e bounds its own edge; β as a tensor gives every client the step that its own curvature allows."""
    A, sigma = torch.linspace(0.5, 2.0, len(clients.edges)), pace(clients)[0]
    own = torch.linalg.eigvalsh(torch.from_numpy(normal_equations(clients)[0]))[:, -1]
    degree = incidence(graph(clients)).abs().sum(0)
    steps = {"theta": (0.95 / (own + 2 * sigma * degree))[:, None].expand(-1, 2)}
    learner = run(graph(clients, weights=A, lam=LAM, sigma=sigma), clients, 600, steps)
    theta, u, d = learner.point.theta["theta"], learner.point.h["u"][0], learner.network.difference().detach()
    assert float(slope(clients, theta, u).abs().max()) < 1e-9
    assert far((u * d).sum(1), LAM * A * d.abs().sum(1)) < 1e-9
    assert far(theta, exact(clients, LAM)[0]) > 1e-2, "the control: without weights it is another answer"


# ---- waves ---------------------------------------------------------------------------------------------------------


def wave(order, steps, beta=0.1, sigma=0.1):
    stream = Clients(0, (6, 6), 1, p_out=0.2, labelled=0.0)
    network = graph(stream, lam=None, sigma=sigma)
    torch.manual_seed(0)
    network.theta.data.normal_()
    learner = Learner(network, LOSS, TV.replace(beta=beta), order)
    path, energy = [], []
    for _ in range(steps):
        learner.step(stream[0])
        theta, u = learner.point.theta["theta"], learner.point.h["u"][0]
        path.append(theta[:, 0].clone())
        energy.append(float((theta**2).sum() / beta + (u**2).sum() / sigma) / 2)
    return network, torch.stack(path), np.array(energy)


def test_G5_without_data_the_graph_swings_at_the_frequencies_of_its_laplacian():
    """Each eigenvector of DᵀD swings by itself, a⁺ = p a - q a₋ with |ω| = √(βσμ_k) for small steps."""
    beta, sigma = 0.02, 0.02
    network, path, _ = wave("sequential", 1500, beta, sigma)
    D = incidence(network)
    mu, modes = torch.linalg.eigh(D.T @ D)
    for k in (1, 4, 11):
        a = (path @ modes[:, k]).numpy()
        x = beta * sigma * float(mu[k])
        p, q = np.linalg.lstsq(np.stack([a[1:-1], -a[:-2]], 1), a[2:], rcond=None)[0]
        angle = np.angle(np.roots([1, -p, q])[0])
        assert abs(abs(angle) / np.sqrt(x) - 1) < 0.02
    assert far(path.sum(1), path[0].sum()) < 1e-9, "the mean stands"


def test_G5_the_midpoint_rule_keeps_the_energy_and_euler_does_not():
    network, path, _ = wave("sequential", 1)
    D = incidence(network)
    K = torch.zeros(len(D) + D.shape[1], len(D) + D.shape[1])
    beta = sigma = 0.1
    K[: D.shape[1], D.shape[1] :], K[D.shape[1] :, : D.shape[1]] = -beta * D.T, sigma * D
    eye, x = torch.eye(len(K)), torch.cat([path[0], torch.zeros(len(D))])
    weigh = torch.cat([torch.full((D.shape[1],), 1 / beta), torch.full((len(D),), 1 / sigma)])
    midpoint, start = torch.linalg.solve(eye - K / 2, eye + K / 2), float((weigh * x**2).sum())
    drift = float((weigh * (torch.linalg.matrix_power(midpoint, 20_000) @ x) ** 2).sum()) / start - 1
    assert abs(drift) < 1e-9
    euler = torch.linalg.matrix_power(eye + K, 2000) @ x
    assert float((weigh * euler**2).sum()) / start > 100


# ---- (a) the reaction force of an edge neuron held at zero ---------------------------------------------------------


@pytest.mark.parametrize("eta_z", [0.5, 1.0])
def test_springs_are_the_squared_penalty_and_z_is_the_dual(clients, eta_z):
    """θ minimises ΣL + α|Dθ|², α = σ/(2η_z), and z = 2αDθ: the dissipation of the edge costate is the penalty."""
    sigma = 0.4
    alpha = sigma / (2 * eta_z)
    learner = run(graph(clients, kind=Springs, sigma=sigma), clients, 500, pace(clients)[1], eta_z=eta_z)
    G, b = (torch.from_numpy(a) for a in normal_equations(clients))
    D = incidence(learner.network)
    theta = learner.point.theta["theta"]
    whole = torch.block_diag(*G) + alpha * torch.kron(D.T @ D, torch.eye(2))
    best = torch.linalg.solve(whole, b.flatten()).view_as(theta)
    assert far(theta, best) < 1e-12
    assert far(learner.point.z["e"][0], 2 * alpha * D @ theta) < 1e-12
    assert float(learner.point.h["e"].abs().max()) == 0.0
    quarter = torch.linalg.solve(torch.block_diag(*G) + alpha / 4 * torch.kron(D.T @ D, torch.eye(2)), b.flatten())
    assert far(theta, quarter.view_as(theta)) > 1e-2, "the control: a quarter of it is another answer"


def test_an_edge_costate_that_forgets_nothing_is_hard_consensus(clients):
    learner = run(graph(clients, kind=Springs, sigma=0.4), clients, 1600, pace(clients)[1], eta_z=0.0)
    theta = learner.point.theta["theta"]
    G, b = (torch.from_numpy(a) for a in normal_equations(clients))
    assert float(learner.network.difference().detach().abs().max()) < 1e-10
    assert far(theta[0], torch.linalg.solve(G.sum(0), b.sum(0))) < 1e-10, "and it is the best single model"


def test_the_original_sign_does_not_learn_forward(clients):
    with pytest.raises(Diverged):
        run(graph(clients, kind=Springs, sigma=0.4), clients, 3000, 0.01, eta_z=0.5, s=1)


# ---- (b) the edge neuron that copies -------------------------------------------------------------------------------


def test_the_costate_of_a_copying_edge_is_the_extreme_subgradient(clients):
    """z/(τφ) = λ sign(Dθ) to the bit, and ∂H'/∂θ = ∇L + λDᵀsign(Dθ) from Euler step 2 on, not at 0 and 1 (T5)."""
    network = graph(clients, kind=Copies, lam=0.7)
    torch.manual_seed(1)
    network.theta.data.normal_()
    learner = Learner(network, LOSS, TV.replace(beta=0.0, eta_z=0.0), "euler")
    G, b = (torch.from_numpy(a) for a in normal_equations(clients))
    D, theta = incidence(network), network.theta.detach()
    force = 2 * (torch.einsum("nab,nb->na", G, theta) - b) + 0.7 * D.T @ torch.sign(D @ theta)
    away = []
    for _ in range(4):
        away.append(far(learner.gradient(clients[0])["theta"], force))
        learner.step(clients[0])
    assert away[0] > 1 and away[1] > 1 and max(away[2:]) < 1e-11
    assert torch.equal(learner.point.z["e"][0], 0.7 * torch.sign(D @ theta))


def test_a_copying_edge_chatters_around_the_minimiser(clients):
    best = exact(clients, LAM)[0]
    away = [
        far(run(graph(clients, kind=Copies, lam=LAM), clients, n, step, eta_z=0.0).point.theta["theta"], best)
        for step, n in ((0.01, 200), (0.001, 1000))
    ]
    assert 1e-4 < away[1] < away[0] / 3


# ---- λ while they learn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", ["tv", "squared", "none"])
def test_a_pull_that_is_turned_is_the_network_s_from_that_step_on(coupling):
    """The learner `coupled` beside `Learner`, whose network is turned by hand at the same step: the same bits."""
    experiment = experiments.get("graph-clients", coupling=coupling, dtype="float64")
    (turned, stream), (still, _), (net, *_) = experiment.learner(), experiment.learner(), experiment.setup(0)
    by_hand, name = Learner(net, LOSS, settings(0.02), "sequential"), {"tv": "lam", "squared": "sigma"}.get(coupling)
    for k in range(120):
        if k in (40, 80):
            turned.settings = turned.settings.replace(lam=0.02 if k == 40 else 0.7)
        if name:
            setattr(by_hand.network, name, turned.settings.lam)
        for learner in (turned, by_hand, still):
            learner.step(stream[k])
    a, b, c = (learner.network.theta.detach() for learner in (turned, by_hand, still))
    assert torch.equal(a, b) and float(a.abs().max()) > 0.1, "weights moved"
    assert torch.equal(a, c) is (coupling == "none"), "to turn it makes a difference where there is a coupling"


def test_a_pull_that_is_turned_is_replayed_and_wants_a_graph():
    run = Run(experiments.get("graph-clients", nodes=5, dtype="float64"))
    run.step(30)
    run.set(lam=0.5)
    run.step(30)
    again = Run.from_state(run.state_string())
    assert torch.equal(again.learner.network.theta, run.learner.network.theta) and again.settings.lam == 0.5
    with pytest.raises(HLError, match="Graph"):
        experiments.get("iris-linear", learner="coupled").learner()
    with pytest.raises(HLError, match="lam"):
        run.set(lam=-1.0)


# ---- what is promised of clusters ----------------------------------------------------------------------------------


def test_G6_clusters_of_the_squared_penalty_hold_the_bound_of_the_authors():
    """Σ_C |θ_i - mean|² ≤ [ε + 2α|∂C|(|w_C|² + R²)]/(αλ₂) (Jung), with ε the loss of w_C on C and R the largest |θ|."""
    used = []
    for seed in range(12):
        stream = Clients(seed, (6, 6), 2, p_in=0.8, p_out=0.1, labelled=0.7, tokens=4, noise=0.3, fresh=False)
        network = graph(stream)
        D = incidence(network)
        G, b = (torch.from_numpy(a) for a in normal_equations(stream))
        (x, mask), target = stream[0].u, stream[0].target.reshape(12, -1)
        for alpha in (0.1, 1.0):
            whole = torch.block_diag(*G) + alpha * torch.kron(D.T @ D, torch.eye(2))
            theta = torch.linalg.lstsq(whole, b.flatten()[:, None], driver="gelsd").solution.view(12, 2)
            R2 = float((theta**2).sum(1).max())
            for c in (0, 1):
                C = torch.from_numpy(stream.cluster == c)
                inside = (C[stream.edges].sum(1) == 2).double()
                border = int((C[stream.edges].sum(1) == 1).sum())
                second = float(torch.linalg.eigvalsh((D.T @ (inside[:, None] * D))[C][:, C])[1])
                if second < 1e-9:
                    continue
                w = stream.truth(0)[C][0]
                eps = float((mask[0][C][:, None] * ((x[0][C] @ w) - target[C]) ** 2).sum())
                left = float(((theta[C] - theta[C].mean(0)) ** 2).sum())
                right = (eps + 2 * alpha * border * (float(w @ w) + R2)) / (alpha * second)
                used.append(left / right)
    assert len(used) > 30 and max(used) <= 1 and max(used) > 1e-4, "it holds, and says something"


def test_G9_logistic_clients_meet_the_conditions_of_optimality():
    stream = Clients(5, (5, 5), 2, p_in=0.9, p_out=0.2, labelled=0.6, tokens=12, noise=3.0, fresh=False)
    (x, mask), target = stream[0].u, stream[0].target
    sample = Sample((x, mask), (target > 0).double(), end=False)

    def crossed(y, goal):
        return torch.nn.functional.binary_cross_entropy_with_logits(y, goal, reduction="sum")

    L_f = 0.25 * float(torch.linalg.eigvalsh(x[0].transpose(1, 2) @ x[0])[..., -1].max())
    (sigma, gamma), lam = pace(stream, L_f), 0.6
    network = graph(stream, lam=lam, sigma=sigma)
    learner = Learner(network, coupled(crossed), TV.replace(beta=gamma), "sequential")
    for _ in range(1500):
        learner.step(sample)
    theta, u, d = network.theta.detach(), learner.point.h["u"][0], network.difference().detach()
    wrong = torch.sigmoid((x[0] * theta[:, None]).sum(-1)) - sample.target.view(10, -1)
    force = mask[0][:, None] * torch.einsum("nm,nmk->nk", wrong, x[0]) + incidence(network).T @ u
    assert float(force.abs().max()) < 1e-9 and far((u * d).sum(1), lam * d.abs().sum(1)) < 1e-9
    assert float(theta.abs().max()) > 0.1, "weights moved"


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Graph(3, 2, [[0, 3]]), "nodes 0 to 2"),
        (lambda: Graph(3, 2, [[1, 1]]), "different"),
        (lambda: Graph(3, 2, [0, 1]), "whole numbers"),
        (lambda: Graph(3, 2, [[0, 1]], [0.0]), "> 0"),
        (lambda: TotalVariation(3, 2, [[0, 1]], lam=-1.0), "lam"),
        (lambda: TotalVariation(3, 2, [[0, 1]], sigma=0.0), "sigma"),
        (lambda: TotalVariation(3, 2, [[0, 1]], norm=3), "norm"),
        (lambda: Clients(0, ()), "cluster"),
        (lambda: Clients(0, p_in=1.5), "share"),
        (lambda: experiments.get("graph-clients", coupling="tvv"), "did you mean"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()


def test_a_graph_refuses_other_tokens(clients):
    learner = Learner(graph(clients), LOSS, settings(0.01), "sequential")
    with pytest.raises(HLError):
        learner.step(Sample((torch.zeros(1, 3, 5, 2), torch.ones(1, 3)), torch.zeros(1, 15), end=False))
    assert learner.steps == 0
