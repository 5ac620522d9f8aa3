"""S10: bounds, shield, guide, and knowledge as a potential (neighbours/S10.md, T-a to T-f)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hlcore import HLError, Learner, Sample, experiments
from hlcore.learners.reinforce import Reinforce, ReinforceSettings
from hlcore.networks import Lifted, OutputNetwork
from hlcore.streams import worlds
from hlcore.streams.worlds import Rooms, logic, policy_loss, td, td_logic, violation

CASES = json.loads((Path(__file__).parents[1] / "oracles/lnn_bounds.json").read_text())["cases"]
UP = {"and": logic.both, "or": logic.either, "implies": logic.implies}
DOWN = {"and": logic.both_down, "or": logic.either_down, "implies": logic.implies_down}


# ---- T-a: bounds, as IBM's LNN has them


@pytest.mark.parametrize("kind", ["and", "or", "implies"])
def test_Ta_bounds_up_and_down_are_those_of_LNN(kind):
    cases = [c for c in CASES if c["op"] == kind]
    assert len(cases) == 60
    off, moved, plain = 0.0, 0, 0.0
    for c in cases:
        p, w, bias = np.array(c["operands"]), np.array(c["weights"]), c["bias"]
        up, down = UP[kind](p, w, bias), DOWN[kind](c["connective"], p, w, bias)
        off = max(off, np.abs(up - c["up"]).max(), np.abs(down - c["down"]).max())
        plain = max(plain, np.abs(UP[kind](p, np.ones(2), bias) - c["up"]).max())
        moved += bool(np.abs(down - p).max() > 0.01)
    assert off < 1e-12
    assert plain > 0.05 and moved > 15, "the controls: weights matter, and there is something to infer"


def test_Ta_crisp_rules_say_what_is_forbidden_recommended_and_free():
    found, visited = np.repeat([[1.0], [1], [0], [0]], 2, 1), np.repeat([[0.0], [1], [0], [0]], 2, 1)
    coin = np.zeros(2)
    told = worlds.action_bounds(found, visited, coin, ["shield", "guide"])
    assert told.tolist() == [[1, 1], [0, 1], [0, 0], [0, 0], [0, 0]]
    assert worlds.action_bounds(found, visited, coin, ["never back"])[:, 1].tolist() == [1, 0, 1, 1, 1]
    assert worlds.action_bounds(found, visited, coin, []).tolist() == [[0, 1]] * 5
    assert worlds.action_bounds(found, visited, coin + 1, ["guide"])[4].tolist() == [1, 1]
    unheard = np.tile([0.0, 1.0], (4, 1))
    assert worlds.action_bounds(unheard, visited, coin, ["shield"])[:4, 1].tolist() == [1] * 4, "[0, 1] forbids nothing"
    half = worlds.action_bounds(np.tile([0.2, 0.6], (4, 1)), visited * 0, coin, ["shield", "guide"])
    assert half[0] == pytest.approx([0.2, 0.6]), "truth between 0 and 1 bounds as much"
    with pytest.raises(HLError, match="never back"):
        worlds.action_bounds(found, visited, coin, ["never bak"])


# ---- T-b, T-c, T-d: what V is, what a shield does, and what it must not forget


def test_Tb_the_potential_is_the_chance_of_a_forbidden_action():
    rng = np.random.default_rng(0)
    for _ in range(3):
        policy, up = torch.from_numpy(rng.dirichlet(np.ones(5))), torch.from_numpy(rng.integers(0, 2, 5).astype(float))
        V = violation(policy, torch.zeros(5), up)
        drawn = rng.choice(5, 200_000, p=policy.numpy())
        often = (up.numpy()[drawn] == 0).mean()
        assert float(V) == pytest.approx(often, abs=0.005)
    forbidden = policy[up == 0].sum()
    assert float(V) == pytest.approx(float(forbidden), abs=1e-15)


def test_Tb_two_recommended_actions_are_one_wish():
    policy, both = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([1.0, 1.0, 0.0])
    assert float(violation(policy, both, torch.ones(3))) == 0
    assert float(violation(policy, torch.tensor([0.0, 0, 1]), torch.ones(3))) == 1
    assert float(violation(policy, torch.zeros(3), torch.ones(3))) == 0, "nothing said, nothing owed"


def played(moves, seed=0, **options):
    """(network, moves against U, moves) of a run of coin-rooms."""
    learner, world = experiments.get("coin-rooms", seed=seed, dtype="float64", **options).learner(seed)
    rules = Rooms(rules=["shield"])
    against = 0
    for _ in range(moves):
        up = rules.bounds(world.now)[:, 1]
        world.act(learner.step(world[world.k]).output)
        against += up[world.last.action] < 0.5
    return learner, against


def test_Tc_a_hard_shield_never_acts_against_a_bound():
    assert played(250, knowledge="shield")[1] == 0
    soft, none = played(250, knowledge="potential")[1], played(250, knowledge="none")[1]
    assert 0 < soft < 0.25 * 250 and none > 0.4 * 250, "the controls"


def test_Td_a_shield_masks_the_bootstrap():
    y = torch.tensor([[[0.0, 0.0, 0.0], [9.0, 2.0, 1.0]]], requires_grad=True)
    told = torch.tensor([[1.0, 0.5, 1.0, 0, 0, 0, 0, 1, 1]])  # U of action 0 is 0: its value 9 is never corrected
    assert float(td(0.9, mask=True)(y, told).detach()) == pytest.approx(0.5 * (0.5 + 0.9 * 2) ** 2)
    assert float(td(0.9)(y, told).detach()) == pytest.approx(0.5 * (0.5 + 0.9 * 9) ** 2)
    told[0, 6:] = 0  # all forbidden: stands still, and is worth what it says
    assert float(td(0.9, mask=True)(y, told).detach()) == pytest.approx(0.5 * (0.5 + 0.9 * 9) ** 2)
    ended = torch.tensor([[1.0, 0.5, 0.0, 0, 0, 0, 0, 1, 1]])
    assert float(td(0.9, mask=True)(y, ended).detach()) == pytest.approx(0.125), "no bootstrap after an end"
    assert float(td(0.9)(y, torch.tensor([[1.0, 0.5, -1.0]])).detach()) == 0, "no loss before the first move"


def test_the_bootstrap_is_held_still_and_the_potential_is_not():
    y = torch.tensor([[[0.0, 0.1], [0.3, 0.2]]], requires_grad=True)
    told = torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]])
    td(0.9)(y, told).backward()
    assert torch.equal(y.grad[0, 1], torch.zeros(2)) and y.grad[0, 0, 0] == pytest.approx(-1.27)
    y.grad = None
    td_logic(0.9, 0.3, 1.0)(y, told).backward()
    assert y.grad[0, 1, 0] > 0 > y.grad[0, 1, 1], "κV pushes the forbidden action down"
    plain = y.grad.clone()
    y.grad = None
    td_logic(0.9, 0.6, 1.0)(y, told).backward()
    assert torch.allclose(y.grad[0, 1], 2 * plain[0, 1]) and torch.equal(y.grad[0, 0], plain[0, 0])


LOSSES = {
    "td": td(0.9), "masked": td(0.9, mask=True), "logic": td_logic(0.9, 0.3, 0.5), "policy": policy_loss(0.2)
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_slopes_by_hand_are_those_of_autograd_and_a_learner_takes_them(loss):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 2, (30, 5))
    t = np.c_[rng.integers(0, 5, 30), rng.normal(size=30), rng.integers(-1, 2, 30), low, np.maximum(low, low[::-1])]
    y, t = torch.tensor(rng.normal(size=(30, 2, 5)), requires_grad=True), torch.tensor(t)
    L = loss(y, t)
    (g,) = torch.autograd.grad(L, y)
    for xp, at, told in ((np, y.detach().numpy(), t.numpy()), (torch, y.detach(), t)):
        value, slope = loss.slope(xp, at, told)
        assert float(value) == pytest.approx(float(L.detach()), rel=1e-14)
        assert torch.allclose(torch.as_tensor(slope), g, rtol=1e-13, atol=1e-15) and g.abs().max() > 0.1
    network = OutputNetwork(torch.nn.Linear(5, 5, dtype=torch.float64))
    found = []
    for judge in (loss, loss.function):  # a bare function is left to autograd
        judge = judge if judge is loss else lambda y, t: loss.function(y, t).clone()
        judge.own_shapes = True
        learner = Learner(network, judge)
        found.append((learner.law.read(y.detach(), {}, t).loss, learner.gradient(Sample(y.detach(), t))))
    (by_hand, mine), (by_graph, theirs) = found
    assert not isinstance(by_hand, torch.Tensor) and by_graph.requires_grad, "the control"
    assert all(torch.allclose(mine[name], g, rtol=1e-12, atol=1e-14) for name, g in theirs.items())


# ---- T-e: wrong knowledge


def test_Te_soft_logic_is_overruled_by_reward_hard_logic_is_not():
    """ "Never go back" is false where there are dead ends; the whole table: docs/neighbours.md."""
    found = {}
    for name, options in (("hard", {"knowledge": "shield"}), ("soft", {"knowledge": "potential", "strength": 0.03})):
        told = {"dead_ends": True, "never_back": True, "dtype": "float64"}
        learner, world = experiments.get("coin-rooms", **options, **told).learner(0)
        ends = []
        while world.k < 600:
            world.act(learner.step(world[world.k]).output)
            ends += [] if world.last.alive else [world.last.reward]
        found[name] = np.mean(ends[-10:])
    assert found["hard"] <= 0.3 and found["soft"] >= 0.7, found


# ---- T-f: one rule for all directions


def test_Tf_the_rule_is_learned_and_read():
    experiment = experiments.get("coin-rules", dtype="float64")
    learner, world = experiment.learner(0)
    module = learner.network.module
    before = module.weights()
    assert len(torch.cat([p.flatten() for p in module.parameters()])) == 8
    learner.run(world, 1200)
    go = module.weights()["go x"]
    assert "go x ← found x ∧ ¬visited x" in module.rule() and "take ← coin" in module.rule()
    assert go["found x"] > 2 * before["go x"]["found x"] and go["¬found x"] < before["go x"]["¬found x"]


def test_Tf_the_control_clip_with_its_zero_slope_learns_nothing():
    learner, world = experiments.get("coin-rules", clipped=True, dtype="float64").learner(0)
    start = [p.detach().clone() for p in learner.network.parameters()]
    learner.run(world, 150)
    assert all(torch.equal(a, b.detach()) for a, b in zip(start, learner.network.parameters(), strict=True))


def test_reinforce_is_the_policy_gradient_of_the_episode():
    """∇ of -Σ_k G_k log π(a_k), G_k = γ^{n-k} r, by autograd over the whole episode."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(10, 5, bias=False)
    start = layer.weight.detach().clone()
    world = Rooms(3, temperature=0.2, seed=2)
    learner = Reinforce(OutputNetwork(layer), policy_loss(0.2), ReinforceSettings(beta=0.1, discount=0.9))
    moves = []
    while not moves or moves[-1].alive:
        world.act(learner.step(world[world.k]).output)
        moves.append(world.last)
    learner.step(world[world.k])
    assert moves[-1].reward == 1 and len(moves) > 3
    weight = start.clone().requires_grad_()
    total = 0.0
    for k, move in enumerate(moves):
        x = torch.from_numpy(world.features(move.state))
        total = total - 0.9 ** (len(moves) - 1 - k) * torch.log_softmax(weight @ x / 0.2, 0)[move.action]
    (g,) = torch.autograd.grad(total, weight)
    assert torch.allclose(layer.weight.detach(), start - 0.1 * g, atol=1e-13) and g.abs().max() > 0.1
    assert not learner.memory["trace"].any(), "a new episode, a new trace"


# ---- the rooms


def test_maps_are_new_each_episode_and_can_be_walked():
    world, seen = Rooms(6, dead_ends=True, moves=3), []
    for _ in range(40):
        if world.last is None or not world.last.alive:
            seen.append(world.now["places"].tolist())
        state = world.now
        assert len(np.unique(state["places"], axis=0)) == len(state["places"]) <= 11
        for a, way in zip(*np.nonzero(state["behind"] >= 0), strict=True):
            b = state["behind"][a, way]
            assert state["behind"][b, [1, 0, 3, 2][way]] == a, "a door has two sides"
        world.act(torch.zeros(1, 2, 5))
    assert len(seen) > 10 and seen[0] != seen[1]
    again = Rooms(6, dead_ends=True, moves=3)
    for _ in range(3):
        again.act(torch.zeros(1, 2, 5))
    assert again.now["places"].tolist() == seen[1], "replayed by seed and moves"
    back = Rooms(6)
    back.restore(json.loads(json.dumps(world.state())))
    assert torch.equal(back[40].u, world[40].u)


def test_a_shield_that_forbids_everything_stands_still():
    world = Rooms(4, dead_ends=True, rules=["shield", "never back"], hard=True, explore=0.0)
    state = world.begin(np.random.default_rng(0))
    state["at"] = 5
    state["seen"][:] = True
    assert world.allowed(state) is None and not (world.bounds(state)[:, 1] > 0.5).any()
    there = [world.move(json_copy(state), a, None)[1]["at"] for a in range(5)]
    assert there == [5] * 5
    free = Rooms(4, dead_ends=True, explore=0.0)
    assert {free.move(json_copy(state), a, None)[1]["at"] for a in range(5)} != {5}


def json_copy(state):
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Rooms(1), "length"),
        (lambda: Rooms(guidance=2), "guidance"),
        (lambda: Rooms(rules=["gude"]), "guide"),
        (lambda: Rooms(temperature=0), "temperature"),
        (lambda: td_logic(0.9, -1), "strength"),
        (lambda: td_logic(1.5, 0), "discount"),
        (lambda: policy_loss(0), "temperature"),
        (lambda: Lifted().rule(-1), "threshold"),
        (lambda: experiments.get("coin-rooms", knowledge="sheild"), "shield"),
    ],
)
def test_bad_input_is_told(make, word):
    with pytest.raises(HLError, match=word):
        make()
