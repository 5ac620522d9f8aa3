"""Small worlds known whole, worlds of gymnasium, moves by hand: exact values, replay, and bad input."""

import itertools
import json

import numpy as np
import pytest
import torch

from hlcore import HLError, Learner, OutputNetwork, Settings, experiments
from hlcore.streams import worlds
from hlcore.streams.worlds import MDP, Sweep, best_values, policy_values, td, visits
from hlcore.studies.policy_replay import plain, replayed


def test_values_are_exact():
    ring = worlds.ring(6, ways=2, slip=0.1, ends=True)
    best = best_values(ring, 0.9)
    tried = [policy_values(ring, np.eye(2)[list(p)], 0.9) for p in itertools.product(range(2), repeat=6)]
    assert np.abs(best - np.max(tried, 0)).max() < 1e-12, "against every policy there is"
    lock = worlds.lock()
    assert best_values(lock)[0] == 1 and policy_values(lock, np.full((8, 4), 0.25))[0] == pytest.approx(0.0375 + 4**-6)
    low = worlds.low_rank(states=5, actions=2, levels=2)
    gain = (low.P * low.r).sum(2)
    assert best_values(low)[0] == pytest.approx((gain + low.P @ gain.max(1)).max(1))


def test_visits_are_the_frequencies_of_a_long_walk():
    world = worlds.ring(4, ways=2, slip=0.2, ends=True, seed=3, explore=1.0)
    told = visits(world, np.full((4, 2), 0.5))
    found = np.zeros((4, 2))
    for _ in range(1500):
        found[world.now[0]] += 0.5
        world.act(torch.zeros(1, 2, 2))
    assert np.abs(told - found / found.sum()).max() < 0.03 and told.sum() == pytest.approx(1)


def test_a_low_rank_world_is_of_low_rank_and_mixing_keeps_what_it_spans():
    world, mixed = worlds.low_rank(), worlds.low_rank(condition=100.0)
    assert np.linalg.matrix_rank(world.P.reshape(120, 30)) == 4
    assert np.linalg.matrix_rank(worlds.low_rank(noise=0.2).P.reshape(120, 30)) > 4
    assert np.array_equal(world.P, mixed.P) and np.linalg.cond(mixed.X.reshape(120, 4)) > 50
    both = np.hstack([world.X.reshape(120, 4), mixed.X.reshape(120, 4)])
    assert np.linalg.matrix_rank(both, tol=1e-8) == 4


def test_Tg_scaling_cannot_hurt_second_order():
    ends = {}
    for condition in (1.0, 100.0):
        for rate in (0.0, 0.5):
            ends[condition, rate] = [
                p.regret for p in replayed(worlds.low_rank(condition=condition, code=1), 4, 6, 0, rate=rate)
            ]
    assert ends[1.0, 0.0] == pytest.approx(ends[100.0, 0.0], rel=0.06)
    assert abs(ends[1.0, 0.5][-1] - ends[100.0, 0.5][-1]) > 0.05 * ends[1.0, 0.5][-1], "the control: a rate feels it"


def test_policy_replay_opens_a_short_lock_and_counts_what_it_plays():
    world = worlds.lock(digits=3, levels=3)
    told = list(replayed(world, 3, 6, seed=0))
    assert [p.episodes for p in told] == [9 * k * (k + 1) // 2 for k in range(1, 7)] and min(p.gap for p in told) == 0
    assert told == list(replayed(world, 3, 6, seed=0)), "the same bits"
    learner, world = experiments.get("lock-q", digits=2, bonus=1.0).learner(0)
    assert min(p.gap for p in plain(learner, world, 400)) == 0


def test_a_bonus_is_paid_for_what_is_new_and_remembered_through_ends():
    world = worlds.ring(3, ends=True, bonus=1.0)
    paid = []
    for _ in range(12):
        world.act(torch.zeros(1, 2, 1))
        paid.append(world.last.reward - (world.last.state[0] == 2))
    assert max(paid) == 1 and paid[-1] < 0.5 and world.now[2].sum() == 12
    other = worlds.ring(3, ends=True, bonus=1.0)
    other.restore(json.loads(json.dumps(world.state())))
    assert np.array_equal(other.now[2], world.now[2])


def test_levels_end_an_episode_and_have_features_of_their_own():
    world = worlds.low_rank(levels=3)
    lengths, begun = [], 0
    for k in range(9):
        x = world[k].u[0, 1].view(4, 3, 4)
        assert (x.abs().sum((0, 2)) > 0).tolist() == [level == k - begun for level in range(3)]
        world.act(torch.zeros(1, 2, 4))
        if not world.last.alive:
            lengths.append(world.k - begun)
            begun = world.k
    assert lengths == [3, 3, 3]


def test_a_person_may_make_the_moves():
    world = worlds.ring(6, ways=2)
    way = [0, 0, 1, 0]
    for a in way:
        world.take(a)
    told = [world.last.action, world.k]
    again = worlds.ring(6, ways=2)
    for a in way:
        again.take(a)
    assert told == [0, 4] and again.state() == world.state(), "replayed by seed and moves"


def test_expected_moves_are_the_mean_of_sampled_ones():
    world = worlds.ring(3, ways=2, slip=0.2)
    sweep = Sweep(world, np.full((3, 2), 0.5))
    theta = torch.randn(6)
    sample = sweep[0]
    y = (sample.u @ theta)[..., None].requires_grad_()
    td(0.9)(y, sample.target).backward()
    g = torch.einsum("nd,n->d", sample.u[:, 0], y.grad[:, 0, 0]).numpy()
    mean = sweep.mean
    assert np.abs(g - (mean.A(0.9) @ theta.numpy() - mean.b)).max() < 1e-14
    assert mean.G.trace() == pytest.approx(1) and sweep[0].u.shape == (12, 2, 6)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: MDP(np.ones((2, 1, 2)), 0), "sums to 1"),
        (lambda: MDP(np.ones((2, 1, 1)), 0), "states, actions, states"),
        (lambda: MDP(np.eye(2)[:, None], np.ones(3)), "broadcasts"),
        (lambda: MDP(np.eye(2)[:, None], 0, np.ones((2, 2))), "features"),
        (lambda: MDP(np.eye(2)[:, None], 0, start=[1, 1]), "start"),
        (lambda: MDP(np.eye(2)[:, None], 0, bonus=-1), "bonus"),
        (lambda: worlds.ring(1), "rooms"),
        (lambda: worlds.ring(3, ways=3), "ways"),
        (lambda: worlds.ring(3, slip=2), "slip"),
        (lambda: Sweep(worlds.ring(3), np.ones((2, 2))), "policy"),
        (lambda: policy_values(worlds.ring(3), np.ones((2, 1))), "policy"),
        (lambda: td(2.0), "discount"),
    ],
)
def test_bad_worlds_are_told(make, word):
    with pytest.raises(HLError, match=word):
        make()


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1"])
def test_a_world_of_gymnasium_is_replayed_by_seed_and_moves(name):
    pytest.importorskip("gymnasium", reason="the extra `worlds` is not installed")

    def run(world, until):
        told = []
        while world.k < until:
            told.append(world[world.k].u[0, 1].tolist())
            world.act(torch.zeros(1, 2, world.actions))
        return told

    whole, cut = worlds.Gymnasium(name, seed=2), worlds.Gymnasium(name, seed=2)
    told = run(whole, 60)
    run(cut, 33)
    state = json.loads(json.dumps(cut.state()))
    run(cut, 50)
    cut.restore(state)
    other = worlds.Gymnasium(name, seed=9)
    other.restore(state)
    assert run(cut, 60) == told[33:] == run(other, 60), "rewound, and in another process"
    assert run(worlds.Gymnasium(name, seed=3), 60) != told
    layer = torch.nn.Linear(len(told[0]), whole.actions)
    learner = Learner(OutputNetwork(layer), td(0.95), Settings(tau=1.0, eta=1.0, beta=0.01), "sequential")
    before = layer.weight.detach().clone()
    learner.run(worlds.Gymnasium(name), 40)
    assert name == "FrozenLake-v1" or not torch.equal(before, layer.weight.detach())


def test_what_gymnasium_cannot_make_is_told():
    pytest.importorskip("gymnasium", reason="the extra `worlds` is not installed")
    for name in ("CartPol-v1", "Pendulum-v1"):
        with pytest.raises(HLError, match=name if name == "CartPol-v1" else "finite choice"):
            worlds.Gymnasium(name)
