"""S7, few shots: the state on a held sample is the ISTA iterate, its settled costate the implicit gradient."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from hlcore import Diverged, HLError, Learner, Sample, Settings, experiments
from hlcore.experiments.few_shots import started
from hlcore.learners.one_shot import one_shot, scanned
from hlcore.networks import Recurrent, Shrink
from hlcore.streams import Blurred
from hlcore.studies.typical_sets import coverage, entropy, typical

LAM = 0.1


def sparse(units=12, inputs=16):
    """A tall dictionary, a sample that it explains, and the cell."""
    torch.manual_seed(1)
    D = torch.randn(inputs, units) / inputs**0.5
    code = torch.relu(torch.randn(units) - 0.7)
    u = (D @ code + 0.02 * torch.randn(inputs))[None]
    return D, u, Shrink.from_dictionary(D, LAM)


def held(cell, u, steps, order="euler", eta_z=0.0, target=None):
    """A learner whose weights stand, after `steps` of one sample."""
    torch.manual_seed(2)
    network = Recurrent(cell, torch.nn.Linear(cell.hidden_size, 1))
    settings = Settings(tau=0.5, beta=0.0, eta=0.0, eta_z=eta_z)
    learner = Learner(network, torch.nn.functional.mse_loss, settings, order)
    sample = Sample(u, target, end=False)
    path = []
    for _ in range(steps):
        learner.step(sample)
        path.append(learner.point.h["h"][0].clone())
    return learner, sample, path


def energy(D, u, h):
    return float(0.5 * ((u[0] - D @ h) ** 2).sum() + LAM * h.sum())


def test_F1_the_state_on_a_held_sample_is_the_ista_iterate_and_ends_at_the_lasso():
    D, u, cell = sparse()
    c, h = 1.01 * float(torch.linalg.matrix_norm(D, 2)) ** 2, torch.zeros(12)
    _, _, path = held(cell, u, 400)
    energies = [energy(D, u, h)]
    for state in path:
        h = torch.relu(h + D.T @ (u[0] - D @ h) / c - LAM / c)
        assert float((state - h).abs().max()) < 1e-14
        energies.append(energy(D, u, state))
    assert max(np.diff(energies)) < 1e-15, "E never rises"
    L = np.linalg.cholesky((D.T @ D).numpy())
    exact, _ = nnls(L.T, np.linalg.solve(L, (D.T @ u[0] - LAM).numpy()))
    assert float(np.abs(path[-1].numpy() - exact).max()) < 1e-12 and 0 < (exact > 0).sum() < 12
    with torch.no_grad():
        cell.U.add_(0.05 * torch.randn(12, 12))
    assert float(np.abs(held(cell, u, 400)[2][-1].numpy() - exact).max()) > 1e-3, "the control: another U, another end"


@pytest.mark.parametrize(("eta_z", "same"), [(0.0, True), (0.05, False)])
def test_F2_held_and_settled_the_gradient_is_backprop_through_all_iterations(eta_z, same):
    """z = φτ∂L/∂h + Jᵀz at the inner equilibrium: ∂H'/∂θ is the implicit gradient of the sparse code."""
    _, u, cell = sparse()
    target = torch.tensor([[0.7]])
    learner, sample, _ = held(cell, u, 1500, eta_z=eta_z, target=target)
    found = learner.gradient(sample)
    network, h = learner.network, torch.zeros(1, 12)
    for _ in range(1500):
        h = network.cell(u, h)
    loss = torch.nn.functional.mse_loss(network.readout(h), target)
    names = [n for n, _ in network.named_parameters()]
    truth = dict(zip(names, torch.autograd.grad(loss, list(network.parameters())), strict=True))
    gap = max(float((found[n] - truth[n]).abs().max()) for n in names)
    assert max(float(g.abs().max()) for g in truth.values()) > 0.1
    assert gap < 1e-12 if same else gap > 1e-3


def test_F3_the_carried_state_is_a_warm_start():
    """With the shift in U one iteration a token goes on where the last token stopped; a cold start needs about five."""
    stream = Blurred(0)
    u, target = stream.tokens(100, 500)
    network = started(stream, "ista", 0.05, 0, 0)
    hold = Shrink.from_dictionary(stream.dictionary(), 0.05)

    def error(inner, warm):
        return float(((scanned(network, u, inner, warm, hold) - target)[20:] ** 2).mean())

    warm, cold = ({k: error(k, w) for k in (1, 3, 10)} for w in (True, False))
    assert all(warm[k] < 0.8 * cold[k] for k in warm)
    assert warm[1] > warm[3] > warm[10] and warm[10] < error(40, False)
    unshifted = Recurrent(hold, network.readout)
    assert float(((scanned(unshifted, u) - target)[20:] ** 2).mean()) > warm[1], "the control: a start that stays"


def test_F4_the_typical_set_is_almost_sure_and_small():
    p, eps = 0.06, 0.1
    H = entropy(p)
    assert pytest.approx(0.3274, abs=1e-4) == H
    probability, bits = typical(p, 1000, eps)
    assert probability >= 1 - eps and np.log2(1 - eps) + 1000 * (H - eps) <= bits <= 1000 * (H + eps)
    assert bits < 450, "of 1000 bits"
    assert typical(p, 100, eps).probability < 0.75, "the control: too short for this ε"
    assert typical(0.5, 50, 0.01) == (pytest.approx(1.0), pytest.approx(50.0)), "a fair coin: everything is typical"


def test_F5_one_trace_covers_most_patterns_where_the_entropy_is_low():
    few = {n: np.mean([coverage(0.06, n, seed) for seed in range(3)]) for n in (300, 1000, 4000)}
    many = {n: np.mean([coverage(0.2, n, seed) for seed in range(3)]) for n in (300, 1000, 4000)}
    assert 0.7 < few[300] < few[1000] < few[4000] and few[4000] > 0.92
    assert all(many[n] < few[n] - 0.2 for n in few)


def test_the_stream_is_what_it_says():
    stream = Blurred(3, jump=(50, 1.9))
    u, target = stream.tokens(40, 30)
    for k in (0, 9, 10, 29):
        one = stream[40 + k]
        assert torch.equal(one.u[0], u[k]) and torch.equal(one.target[0], target[k]) and not one.end
    clean, D = Blurred(3, noise=0.0), Blurred(3).dictionary()
    x, y = clean.tokens(1000, 200)  # over the edge of a block
    code = torch.linalg.lstsq(D, x.T).solution
    assert float((D @ code - x.T).abs().max()) < 1e-12
    spikes = clean.tokens(1000 + clean.delay, 200)[1]  # what happened at ticks 1000 … 1199
    peak = D[:, clean.place].argmax()
    assert int(peak) == clean.window - 1 - clean.delay and float(y.max()) > 0.5
    alone = int((spikes[60:140] > 0).flatten().nonzero()[0]) + 60
    assert float(x[alone + clean.delay, peak]) >= float(spikes[alone]) * float(D[peak, clean.place]) - 1e-12
    jumped = Blurred(3, noise=0.0, jump=(1100, 3.0)).tokens(1000, 200)[0]
    assert torch.equal(jumped[:100], x[:100]) and not torch.equal(jumped[150:], x[150:])
    other = Blurred(4).tokens(40, 30)[0]
    assert not torch.equal(other, u)


def test_a_start_bought_with_one_trace_beats_the_linear_filter_that_saw_it():
    shot, test = Blurred(11), Blurred(12)
    (u, y), (v, w) = shot.tokens(16, 300), test.tokens(16, 1500)

    def bias(x):
        return torch.cat([x, torch.ones(len(x), 1)], 1)

    wiener = float(((bias(v) @ torch.linalg.lstsq(bias(u), y).solution - w) ** 2).mean())
    torch.manual_seed(0)
    network = Recurrent(Shrink(16, 24), torch.nn.Linear(24, 1))
    before = float(((scanned(network, v) - w) ** 2).mean())
    one_shot(network, u, y, steps=120)
    after = float(((scanned(network, v) - w) ** 2).mean())
    assert after < 0.7 * wiener < before
    assert sum(p.numel() for p in network.parameters()) == 1009


def test_an_eager_learner_is_worse_than_none():
    experiment = experiments.get("few-shot-spikes", jump=None, dtype="float64")

    def late(**changes):
        learner, stream = experiment.replace(settings=experiment.settings.replace(**changes)).learner()
        return np.mean([learner.step(stream[k]).loss for k in range(1000)][500:])

    still = late(beta=0.0)
    assert late(**experiment.presets["too eager"]) > 1.2 * still
    assert late() < 1.05 * still
    with pytest.raises(Diverged):
        late(**experiment.presets["diverges"])


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Shrink(0, 3), "inputs"),
        (lambda: Shrink.from_dictionary(torch.zeros(3, 2), 0.1), "some are not zero"),
        (lambda: Shrink.from_dictionary(torch.ones(3, 2), -0.1), "lam"),
        (lambda: Blurred(0, taps=4), "odd"),
        (lambda: Blurred(0, rate=1.2), "chance"),
        (lambda: Blurred(0, width=0.0), "width"),
        (lambda: typical(1.0, 10, 0.1), "chance"),
        (lambda: one_shot(started(Blurred(0), "random", 0.1, 0, 0), *Blurred(0).tokens(0, 30)), "above 40"),
        (lambda: experiments.get("few-shot-spikes", start="ist"), "did you mean 'ista'"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()
