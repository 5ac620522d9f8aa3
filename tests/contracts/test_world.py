"""A world: sample k is a function of the seed and of the moves before k, and of nothing else."""

import itertools
import json

import numpy as np
import pytest
import torch

from hlcore import HLError, Learner, OutputNetwork, Settings, streams
from hlcore.streams import World

GAMMA, ALPHA = 0.9, 0.2


class Ring(World):
    """n rooms in a ring, actions: on and back, one in ten fails; entering room 0 gives 1 and ends the episode."""

    n = 6

    def begin(self, rng):
        return (int(rng.integers(1, self.n)),)

    def move(self, state, action, rng):
        to = (state[0] + (1 if action == 0 else -1)) % self.n if rng.random() < 0.9 else state[0]
        return float(to == 0), (to,), to == 0

    def features(self, state):
        return np.eye(self.n)[state[0]]


def td(y, t):
    """½ (Q(s)[a] - r - γ max Q(s'))², the goal held still; 0 before the first move."""
    a, r, alive = t[0, 0].long(), t[0, 1], t[0, 2]
    goal = r + GAMMA * alive.clamp(min=0) * y[0, 1].detach().max()
    return 0.5 * (alive >= 0) * (y[0, 0, a] - goal).square()


td.own_shapes = True


def learner():
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 2, bias=False)
    torch.nn.init.zeros_(layer.weight)
    return Learner(OutputNetwork(layer), td, Settings(tau=1.0, eta=1.0, beta=ALPHA), "sequential")


def weights(of):
    return of.network.module.weight.detach().numpy().T.copy()


def played(steps, seed=0, of=None, world=None):
    of, world, moves = of or learner(), world or Ring(seed), []
    for _ in range(steps):
        world.act(of.step(world[world.k]).output)
        moves.append(world.last)
    return of, world, moves


def test_q_learning_of_the_textbook_on_the_same_moves():
    """Watkins 1989: Q(s,a) += α (r + γ max Q(s') - Q(s,a)); the last move is still to be learned from."""
    of, _, moves = played(1500)
    table = np.zeros((6, 2))
    for move, following in itertools.pairwise(moves):
        (s,), (to,) = move.state, following.state
        goal = move.reward + GAMMA * move.alive * table[to].max()
        table[s, move.action] += ALPHA * (goal - table[s, move.action])
    assert np.abs(weights(of) - table).max() < 1e-12 and np.abs(table).max() > 0.1
    assert {m.alive for m in moves} == {0.0, 1.0} and {m.action for m in moves} == {0, 1}
    bootless = np.zeros((6, 2))
    for move in moves[:-1]:
        bootless[move.state[0], move.action] += ALPHA * (move.reward - bootless[move.state[0], move.action])
    assert np.abs(weights(of) - bootless).max() > 0.1, "negative control: without the next state's value"


def test_a_world_is_replayed_to_the_bit():
    one, two, other = played(400), played(400), played(400, seed=1)
    assert one[2] == two[2] and np.array_equal(weights(one[0]), weights(two[0]))
    assert one[2] != other[2], "the seed matters"


def test_a_restored_world_goes_on_to_the_bit():
    of, world, _ = played(700)
    state = json.loads(json.dumps(world.state()))
    kept, there = weights(of), (world.k, world.now, world.last)
    _, _, on = played(300, of=of, world=world)
    assert world.k == 1000
    fresh, again = learner(), Ring(seed=99)
    again.restore(state)
    assert (again.k, again.now, again.last) == there and again.seed == 0
    with torch.no_grad():
        fresh.network.module.weight.copy_(torch.from_numpy(kept.T))
    assert played(300, of=fresh, world=again)[2] == on, "η τ = 1: ω is the last gradient, so θ is all there is to keep"
    begun = Ring(seed=0)
    assert played(300, world=begun)[2] != on, "negative control: another state, other moves"


def test_a_sample_tells_the_move_and_the_two_states():
    world = Ring(3, explore=0.0)
    first = world[0]
    assert first.u.shape == (1, 2, 6) and first.target.tolist() == [[0.0, 0.0, -1.0]], "no move yet"
    assert torch.equal(first.u, world[0].u) and torch.equal(first.u[0, 0], first.u[0, 1])
    before = world.now
    world.act(torch.tensor([[[9.0, 0.0], [0.0, 1.0]]]))  # row 1 is acted on: action 1, back
    found = world[1]
    assert found.target[0, 0] == 1 and found.u[0, 0].argmax() == before[0] and found.u[0, 1].argmax() == world.now[0]
    while world.last.alive:
        world.act(torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]))
    end = world[world.k]
    assert end.target.tolist() == [[0.0, 1.0, 0.0]] and end.u[0, 1, 0] == 0, "after an end: a fresh start, not room 0"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_dtype_is_torchs_default(dtype):
    torch.set_default_dtype(dtype)
    of, world, _ = played(20)
    assert world[20].u.dtype == world[20].target.dtype == dtype == of.point.theta["module.weight"].dtype


def test_another_index_than_the_present_one_is_told():
    world = Ring()
    with pytest.raises(HLError, match="act"):
        world[1]
    with pytest.raises(HLError, match="act"):
        list(zip(range(2), world, strict=False))
    played(5, world=world)
    with pytest.raises(HLError, match="reset"):
        world[4]
    for wrong in (-1, 1.0, True):
        with pytest.raises(HLError):
            world[wrong]
    assert torch.equal(next(iter(world)).u, world[5].u), "a walk goes on from where the world is"
    assert world.length is None and world[5].end
    world.reset()
    assert torch.equal(world[0].u, Ring()[0].u)
    world.reset(seed=4)
    assert (world.k, world.last, world.seed) == (0, None, 4)


def actions(world, row, n=600):
    found = []
    for _ in range(n):
        world.act(torch.tensor([[[0.0] * len(row), row]]))
        found.append(world.last.action)
    return np.bincount(found, minlength=len(row)) / n


class Still(World):
    """One state, four actions, of which the mask forbids some."""

    mask = None

    def begin(self, rng):
        return ()

    def move(self, state, action, rng):
        return 0.0, (), False

    def features(self, state):
        return [1.0]

    def allowed(self, state):
        return self.mask


def test_the_best_action_is_taken_and_ties_are_broken_by_chance():
    assert actions(Still(explore=0.0), [0.0, 3.0, 1.0, 2.0]).tolist() == [0, 1, 0, 0]
    tied = actions(Still(explore=0.0), [1e9, 0.0, 1e9, 0.0])
    assert tied[1] == tied[3] == 0 and abs(tied[0] - 0.5) < 0.1, "equal, not nearly equal"
    assert actions(Still(explore=0.0), [1.0, 1.0 - 1e-12, 0.0, 0.0])[1] == 0
    exploring = actions(Still(explore=0.4), [0.0, 3.0, 1.0, 2.0])
    assert exploring == pytest.approx([0.1, 0.7, 0.1, 0.1], abs=0.06)


def test_what_is_not_allowed_is_never_done():
    for explore in (0.0, 1.0):
        world = Still(explore=explore)
        world.mask = [True, False, False, True]
        found = actions(world, [1.0, 9.0, 9.0, 1.0])
        assert found[1] == found[2] == 0 and abs(found[0] - 0.5) < 0.1


def told(**parts):
    return type("Odd", (Still,), parts)()


@pytest.mark.parametrize(
    ("world", "output", "word"),
    [
        (Still(), torch.zeros(1, 2), "(1, 2, actions)"),
        (Still(), torch.zeros(2, 2, 4), "(1, 2, actions)"),
        (Still(), torch.zeros(1, 1, 4), "(1, 2, actions)"),
        (Still(), torch.zeros(1, 2, 0), "(1, 2, actions)"),
        (Still(), torch.full((1, 2, 4), torch.nan), "inf or nan"),
        (Still(), torch.full((1, 2, 4), torch.inf), "inf or nan"),
        (told(mask=[False] * 4), torch.zeros(1, 2, 4), "no action at all"),
        (told(mask=[True] * 3), torch.zeros(1, 2, 4), "one entry per action"),
        (told(move=lambda self, s, a, rng: (np.nan, s, False)), torch.zeros(1, 2, 4), "finite reward"),
        (told(move=lambda self, s, a, rng: s), torch.zeros(1, 2, 4), "finite reward"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_and_nothing_moves(world, output, word):
    before = world.state()
    with pytest.raises(HLError) as caught:
        world.act(output)
    assert word in str(caught.value) and world.state() == before


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Still(seed=-1), "seed"),
        (lambda: Still(explore=1.5), "explore"),
        (lambda: Still(explore=-0.1), "explore"),
        (lambda: told(features=lambda self, s: [[1.0]])[0], "features"),
        (lambda: told(features=lambda self, s: [np.nan])[0], "features"),
        (lambda: told(begin=lambda self, rng: object())[0], "object"),
        (lambda: Ring().restore(None), "state()"),
        (lambda: Ring().restore({"k": 1}), "state()"),
        (lambda: streams.Held(Ring(), 2), "Held"),
        (lambda: streams.Late(Ring(), 2), "Late"),
        (lambda: streams.Reversed(Ring()), "Reversed"),
        (lambda: streams.Clock(Ring(), 0.1), "Clock"),
    ],
)
def test_bad_worlds_are_told(make, word):
    with pytest.raises(HLError) as caught:
        make()
    assert word in str(caught.value)


def test_a_state_of_arrays_comes_back_as_it_was():
    class Walk(Still):
        def begin(self, rng):
            return (rng.normal(size=3), {"lives": 3, "name": "x"}, [np.float32(0.1), True, None])

        def move(self, state, action, rng):
            state[0][:] += rng.normal(size=3)  # in place: the state before is not touched
            return float(state[0][0]), state, False

        def features(self, state):
            return state[0]

    world = Walk(5)
    for _ in range(3):
        before = world.now[0].copy()
        world.act(torch.zeros(1, 2, 4))
        assert np.array_equal(world[world.k].u[0, 0].numpy(), before) and not np.array_equal(world.now[0], before)
    again = Walk(0)
    again.restore(json.loads(json.dumps(world.state())))
    assert np.array_equal(again.now[0], world.now[0]) and again.now[1:] == world.now[1:]
    assert type(again.now[2][0]) is np.float32 and again.now[2][0] == np.float32(0.1)
    assert torch.equal(again[3].u, world[3].u)


def test_other_streams_do_not_feel_an_act():
    stream = streams.iris()
    stream.act(torch.zeros(3))
    stream.restore(stream.state())
    assert stream.state() is None and not stream.answers and World.answers
