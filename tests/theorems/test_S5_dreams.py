"""S5: memories made by day and unmade by night (Hopfield, Feinstein and Palmer 1983, and after); theorems U1 to U8.

Hebb and unlearning are one term of H' with two signs. Each bound has a control that breaks it.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hlcore import HLError, Learner, OutputNetwork, Sample, Settings, experiments
from hlcore.networks.hopfield import Hopfield, energy, fall, hebb, random_spins
from hlcore.streams.nights import Nights, digit_memories, memories
from hlcore.studies.retrieval import dream_life, pseudo_inverse, retrieval_map, stabilities

EPS = 0.01


@pytest.fixture(autouse=True)
def _doubles():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def learner(patterns: Tensor, s: int | object = 1, eps: float = EPS, **more) -> Learner:
    return Learner(Hopfield(hebb(patterns), **more), energy, Settings(eta=1.0, beta=2 * eps, s=s), "sequential")


def off_diagonal(x: Tensor) -> Tensor:
    return x - torch.diag(x.diagonal())


# ---- the rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("s", "days"), [(-1, 1), (1, 0)])
def test_U1_U4_hebb_and_unlearning_are_one_term_with_two_signs_and_the_energy_is_paid_exactly(s, days):
    """J⁺ = J - s ε/N hhᵀ off the diagonal, and E(h)/N goes up by s ε (N-1)/2N."""
    patterns, N = memories(18, 60), 60
    one = learner(patterns, s)
    stream, bare = Nights(patterns, days=days, nights=1 - days), hebb(patterns)
    for k in range(300):
        before = one.network.J.detach().clone()
        one.step(stream[k])
        h = one.traced()["h"]["spins"]
        bare = bare - s * EPS / N * off_diagonal(h.T @ h)
        change = -0.5 * ((h @ (one.network.J.detach() - before)) * h).sum() / N
        assert float(change) == pytest.approx(s * EPS * (N - 1) / (2 * N), rel=1e-9)
    assert (one.network.J.detach() - bare).abs().max() <= 1e-15
    assert (bare - hebb(patterns)).abs().max() > 0.01, "it moved"


def test_U1_the_sign_in_the_target_and_s_as_a_schedule_are_the_same_bits():
    patterns = memories(12, 40)

    def at_the_end(s, flipped):
        torch.manual_seed(1)
        one = learner(patterns, s)
        one.run(Nights(patterns, days=1, nights=1, batch=3, flipped=flipped), 80)
        return one.network.J.detach().clone()

    in_target, by_schedule = at_the_end(-1, True), at_the_end(lambda t: -1 if int(t) % 2 == 0 else 1, False)
    assert torch.equal(in_target, by_schedule)
    assert not torch.allclose(in_target, at_the_end(-1, False)), "the control: no sign is flipped"
    with pytest.raises(HLError, match="s\\(0\\)"):
        at_the_end(lambda t: 0, False)


def test_U1_dreams_that_are_kept_make_it_worse():
    patterns = memories(18, 60)
    least = {}
    for s in (1, -1):
        one = learner(patterns, s)
        one.run(Nights(patterns, days=0, batch=10), 60)
        least[s] = float(stabilities(one.network.J.detach(), patterns).min())
    start = float(stabilities(hebb(patterns), patterns).min())
    assert least[-1] < start - 0.3 and least[1] > start + 0.3


def noise_step(J: Tensor, xi: Tensor, S: Tensor, lam: float) -> Tensor:
    """Gardner's training with noise, symmetric: J + (λ/N)(a Sᵀ + S aᵀ), a = ξ where ξ (J S) < 0 (ours)."""
    a = torch.where(xi * (J @ S) < 0, xi, torch.zeros_like(xi))
    return J + lam / len(xi) * (torch.outer(a, S) + torch.outer(S, a))


def test_U2_noise_that_rests_is_unlearning_and_a_cross_term_that_is_zero_on_the_mean():
    patterns, N = memories(18, 60), 60
    J = hebb(patterns)
    S = fall(J, random_spins(2000, N, J.dtype), 200)
    still = ((S @ J) * S > 0).all(1)
    assert still.double().mean() > 0.9
    gap, cross, part = 0.0, torch.zeros_like(J), torch.zeros_like(J)
    for s in S[still]:
        xi = patterns[int(torch.randint(len(patterns), ()))]
        other = 0.5 * (torch.outer(xi, s) + torch.outer(s, xi)) / N
        gap = max(gap, float((noise_step(J, xi, s, EPS) - (J - EPS / N * torch.outer(s, s) + EPS * other)).abs().max()))
        cross, part = cross + other / still.sum(), part + torch.outer(s, s) / N / still.sum()
    assert gap <= 1e-14
    assert off_diagonal(cross).norm() < 0.25 * off_diagonal(part).norm()
    xi, s = patterns[0], random_spins(1, N, J.dtype)[0]
    told = J - EPS / N * torch.outer(s, s) + EPS * 0.5 * (torch.outer(xi, s) + torch.outer(s, xi)) / N
    assert (noise_step(J, xi, s, EPS) - told).abs().max() > 1e-5, "the control: noise that does not rest"


def test_U3_training_with_noise_is_sgd_on_the_perceptron_loss():
    """J_i ← J_i + (λ/N) a_i Sᵀ is the gradient of Σ relu(-ξ_i y_i)/N, y = J S."""
    patterns, N, lam = memories(18, 60), 60, 0.05
    linear = torch.nn.Linear(N, N, bias=False)
    linear.weight.data.copy_(hebb(patterns) + 1e-3 * torch.randn(N, N))  # no ties
    start = linear.weight.detach().clone()
    bare = linear.weight.detach().clone()
    perceptron = Learner.like_sgd(OutputNetwork(linear), lambda y, xi: torch.relu(-xi * y).sum() / N, lr=lam)
    for k in range(100):
        xi = patterns[k % 18]
        S = torch.where(torch.rand(N) < 0.3, -xi, xi)
        a = torch.where(xi * (bare @ S) < 0, xi, torch.zeros_like(xi))
        perceptron.step(Sample(S[None], xi[None]))
        bare = bare + lam / N * torch.outer(a, S)
    assert (linear.weight.detach() - bare).abs().max() <= 1e-15 < (bare - start).abs().max()
    assert not torch.allclose(bare, start + lam / N * patterns.T @ patterns), "the control: Hebb's own step"


# ---- one life, N = 100 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def life():
    return dream_life(100, 0.3, 0.02, seed=1, batch=10, sweeps=6)


def at(life, dreams):
    return life.J[int((life.dreams - dreams).abs().argmin())]


def test_U5_the_memories_are_spent_when_as_much_was_taken_as_hebb_laid_down(life):
    start, top, fin = life.window
    assert 0.95 <= fin * 0.02 / 30 <= 1.2
    assert 0 < start < top < fin and float(life.stable[-1]) < 0.9
    greedy = dream_life(100, 0.5, 0.2, batch=1, sweeps=6)
    assert math.isnan(greedy.window[0]), "the control: bites too large leave no window"


def test_U6_dreams_flatten_the_spectrum_and_leave_its_axes(life):
    _, top, fin = life.window
    span = torch.linalg.qr(life.patterns.T)[0]

    def seen(J):
        values, axes = torch.linalg.eigh(J)
        inside = (span.T @ axes[:, -30:]).square().sum() / 30
        spread = (values[-30:].max() - values[-30:].min()) / (values[-30] - values[-31])
        other = pseudo_inverse(life.patterns)
        return float(inside), float(spread), float((J * other).sum() / (J.norm() * other.norm()))

    first, best, last = seen(life.J[0]), seen(at(life, top)), seen(at(life, 1.25 * fin))
    assert min(first[0], best[0]) > 0.98 and best[1] < 0.6 * first[1] and best[2] > 0.96 > first[2] + 0.05
    assert last[0] < 0.9 and last[2] < 0.5, "the control: past the cliff"


def test_the_basins_are_largest_when_the_memories_first_rest_not_when_they_rest_best(life):
    start, top, fin = life.window
    reach = {
        name: float(retrieval_map(J, life.patterns, [0.5], cues=20)[0])
        for name, J in zip(
            ("hebb", "in", "top", "dead"), (at(life, D) for D in (0, start, top, 1.25 * fin)), strict=True
        )
    }
    assert reach["in"] > reach["top"] + 0.02 and reach["in"] > reach["hebb"] + 0.2 and reach["dead"] < 0.2


def test_U7_there_is_a_window_up_to_a_load_and_none_beyond():
    assert [dream_life(100, 0.5, 0.02, seed, 4, 1.1, 8).window[0] > 0 for seed in (0, 1)] == [True, True]
    assert math.isnan(dream_life(100, 0.8, 0.02, 0, 10, 1.1, 8).window[0])


def test_U8_the_dose_sets_the_clock_alone_while_it_is_small(life):
    slower = dream_life(100, 0.3, 0.01, seed=1, batch=10, sweeps=6)
    for one, other in zip(slower.window, life.window, strict=True):
        assert one * 0.01 == pytest.approx(other * 0.02, rel=0.2)
    hasty = dream_life(100, 0.3, 0.1, seed=1, batch=1, sweeps=6)
    assert hasty.window[2] * 0.1 < 0.85 * life.window[2] * 0.02, "the control: a large one"


def test_random_states_teach_nothing_a_few_sweeps_do():
    lives = {sweeps: dream_life(80, 0.3, 0.02, 0, 10, 1.1, sweeps).least for sweeps in (0, 4)}
    assert float(lives[0].max()) < float(lives[0][0]) + 0.1 and float(lives[4].max()) > 0.2


def test_who_dreams_by_night_and_learns_by_day_never_dies():
    patterns = memories(18, 60)
    spent = round(2 * 18 / 0.02 / 10)
    both = learner(patterns, -1, 0.02, sweeps=6)
    both.run(Nights(patterns, days=1, nights=1, batch=10, flipped=True), 2 * spent)
    alone = learner(patterns, 1, 0.02, sweeps=6)
    alone.run(Nights(patterns, days=0, batch=10), spent)
    stable = [float((stabilities(x.network.J.detach(), patterns) > 0).double().mean()) for x in (both, alone)]
    assert stable[0] > 0.995 and stable[1] < 0.8


def test_real_digits_that_hebb_confuses_are_told_apart():
    patterns = digit_memories(10)
    one = learner(patterns, -1, sweeps=8)
    before = retrieval_map(one.network.J.detach(), patterns, [0.8], cues=5)
    one.run(Nights(patterns, days=1, nights=1, batch=10, flipped=True), 250)
    assert float(before) < 0.7 and float(retrieval_map(one.network.J.detach(), patterns, [0.8], cues=5)) > 0.9
    assert len({tuple(row.tolist()) for row in patterns}) == 10


# ---- a Boltzmann machine's own dream (ours), and continuous spins ------------------------------------------------


def test_the_slope_of_our_regulariser_is_a_dream_and_when_cold_the_whole_is_daydreaming():
    """R = log Z(bJ)/b - log Z(J): dR/dJ = <ss>_b - <ss>_1; ascent on likelihood - R, b → ∞, is data - ground state."""
    n = 6
    states = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * n)
    J = torch.randn(n, n)
    J = off_diagonal(J + J.T)

    def log_Z(J, b):
        return torch.logsumexp(0.5 * b * ((states @ J) * states).sum(1), 0)

    def mean(J, b):
        p = torch.softmax(0.5 * b * ((states @ J) * states).sum(1), 0)
        return (states * p[:, None]).T @ states

    A = J.clone().requires_grad_()
    slope = torch.autograd.grad(log_Z(A, 3.0) / 3 - log_Z(A, 1.0), A)[0]
    assert (slope - 0.5 * (mean(J, 3.0) - mean(J, 1.0))).abs().max() < 1e-12 < slope.abs().max()
    data = torch.eye(n)
    whole = data - mean(J, 1.0) - (mean(J, 1000.0) - mean(J, 1.0))
    ground = states[(0.5 * ((states @ J) * states).sum(1)).argmax()]
    assert (whole - (data - torch.outer(ground, ground))).abs().max() < 1e-9


# ---- the list, time, bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dreams", "daydreams", "dream-digits"])
def test_by_name_and_again(name):
    one, two = (experiments.get(name).run(30, seed=3) for _ in range(2))
    assert one.theta.equals(two.theta) and float(abs(one.theta[-1] - one.theta[0]).max()) > 0
    other = experiments.get(name).run(30, seed=4)
    assert not one.theta.equals(other.theta)


def test_a_refused_night_leaves_the_dice():
    patterns = memories(6, 20)
    one = learner(patterns)
    one.run(Nights(patterns, days=0), 5)
    before, J = torch.get_rng_state(), one.network.J.detach().clone()
    with pytest.raises(HLError):
        one.step(Sample(torch.zeros(1, 20), torch.full((1, 1), math.nan)))
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(one.network.J, J)
    one.step(Nights(patterns, days=0)[0])
    assert not torch.equal(torch.get_rng_state(), before)


def test_all_wrong_spins_at_once_end_in_cycles_half_of_them_do_not():
    J = hebb(memories(18, 60))
    spins = random_spins(200, 60, J.dtype)
    unsettled = [float((((s := fall(J, spins, 100, part)) @ J) * s < 0).any(1).double().mean()) for part in (1.0, 0.5)]
    assert unsettled[0] > 0.1 and unsettled[1] == 0


def test_endless_new_memories_are_never_the_same_and_noise_flips_its_share():
    ever = Nights(None, days=1, nights=0, units=400)
    assert not torch.equal(ever[0].u, ever[1].u) and torch.equal(ever[0].u, ever[0].u)
    xi = memories(1, 10_000)
    noisy = Nights(xi, days=1, nights=0, flip=0.2)
    assert np.mean([float((noisy[k].u != xi).double().mean()) for k in range(3)]) == pytest.approx(0.2, abs=0.01)


def test_forgetting_takes_its_share():
    one = Learner(Hopfield(hebb(memories(6, 20)), decay=0.3), energy, Settings(eta=1.0, beta=0.2, s=-1), "sequential")
    J = one.network.J.detach().clone()
    one.step(Sample(torch.ones(1, 20), torch.zeros(1, 1)))
    assert torch.allclose(one.network.J, (1 - 0.2 * 0.3) * J, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Hopfield(torch.randn(3, 3)), "symmetric"),
        (lambda: Hopfield(torch.zeros(3, 3), part=1.5), "share or a chance"),
        (lambda: Hopfield(torch.zeros(3, 3), decay=-1), "decay"),
        (lambda: Nights(torch.zeros(2, 3)), "spins"),
        (lambda: Nights(None), "neither"),
        (lambda: Nights(memories(2, 3), flip=1.5), "share"),
        (lambda: Nights(memories(2, 3), days=0, nights=0), "days"),
        (lambda: experiments.get("dreams", eps=-1), "eps"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()


def test_the_picture_is_drawn_and_goes_back_in_time():
    from hlcore.lab import Cockpit, Dreaming

    for name in ("dreams", "dream-digits"):
        panel = Cockpit(experiments.get(name, dtype="float64"), figures=[Dreaming])
        panel.step(20).step(20)
        picture = panel.figures[-1]
        assert isinstance(picture, Dreaming) and panel.alarm() == ""
        assert [each[0] for each in picture._kept] == [0, 200, 400] if name == "dreams" else [0, 100, 200]
        panel.back(20.0)
        assert len(picture._kept) == 2
        panel.close()
