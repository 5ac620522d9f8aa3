"""What a person does to a run by hand is kept with it: the moves in a world, and a point put somewhere else."""

import pytest
import torch

from hlcore import HLError, experiments
from hlcore.runs.run import Run

MOVES = {0: 0, 1: 0, 2: 1, 5: 0, 6: 0, 7: 4}


def driven(name="coin-rooms", moves=MOVES, steps=12, **options):
    run = Run(experiments.get(name, dtype="float64", **options))
    while run.learner.steps < steps:
        move = moves.get(run.learner.steps)
        run.step() if move is None else run.drive(move)
    return run


def theta(run):
    return run.trajectory().theta.values.tobytes()


def test_the_world_makes_the_moves_that_a_person_takes():
    run = driven("ring-q", {0: 1, 1: 1, 2: 0}, 3, slip=0.0)
    states = run.trajectory()
    assert states.sizes["time"] == 3 and run.moves == {0: 1, 1: 1, 2: 0}
    world = run.stream
    assert (world.last.state[0], world.last.action) != (None, 1) and world.last.action == 0
    free = Run(experiments.get("ring-q", dtype="float64", slip=0.0))
    free.step(3)
    assert free.stream.now != world.now or free.stream.last.action != world.last.action


@pytest.mark.parametrize(("name", "moves"), [("coin-rooms", MOVES), ("ring-q", {0: 1, 3: 1, 9: 0})])
def test_moves_are_replayed_rewound_and_told_to_the_bit(name, moves):
    run = driven(name, moves)
    same, other = driven(name, moves), driven(name, {})
    assert theta(run) == theta(same) and run.stream.state() == same.stream.state()
    assert theta(run) != theta(other), "the control: without these moves it goes elsewhere"
    again = Run.from_state(run.state_string())
    assert theta(again) == theta(run) and again.stream.state() == run.stream.state() and again.moves == run.moves
    names = {}
    exec(run.code().replace("print(", "record = ("), names)
    assert names["record"].theta.values.tobytes() == theta(run) and names["stream"].state() == run.stream.state()
    run.back(6)
    assert set(run.moves) == {at for at in moves if at < 6}
    for at in range(6, 12):
        run.drive(moves[at]) if at in moves else run.step()
    assert theta(run) == theta(same) and run.stream.state() == same.stream.state()
    run.reset()
    assert run.moves == {} and run.stream.by_hand is run.moves


def test_a_fork_has_the_moves_before_it_and_its_own_after_it():
    run = driven()
    fork = run.fork(6)
    assert fork.moves == {0: 0, 1: 0, 2: 1, 5: 0} and fork.stream.state() == driven(steps=6).stream.state()
    fork.drive(3)
    assert run.moves == MOVES and fork.moves != MOVES and theta(run) == theta(driven())
    assert theta(fork) == theta(driven(moves={0: 0, 1: 0, 2: 1, 5: 0, 6: 3}, steps=7))
    point = tracked({10: (3, {"h": 0.5, "z": -0.25})}, 15)
    assert theta(point.fork(12)) == theta(tracked({10: (3, {"h": 0.5, "z": -0.25})}, 12))
    assert theta(point.fork(10)) == theta(tracked({}, 10)) and point.fork(10).placed == {}


def test_a_rewind_far_back_replays_the_moves_before_it():
    run = driven(moves={3: 4, 400: 4, 499: 0, 700: 4}, steps=1210)
    run.back(650)
    fresh = driven(moves={3: 4, 400: 4, 499: 0}, steps=650)
    assert run.stream.state() == fresh.stream.state() and theta(run) == theta(fresh)


def test_a_move_that_cannot_be_made_is_told_and_changes_nothing():
    run = driven(steps=8)
    before, state = theta(run), run.stream.state()
    with pytest.raises(
        HLError, match="move: got 5, expected one that can be made here: north, south, east, west, take"
    ):
        run.drive(5)
    assert theta(run) == before and run.stream.state() == state and 8 not in run.moves
    with pytest.raises(HLError, match="action"):
        run.drive(-1)
    with pytest.raises(HLError, match="a world"):
        Run(experiments.get("iris-linear")).drive(0)
    hard = Run(experiments.get("coin-rooms", knowledge="shield"))
    with pytest.raises(HLError, match="move: got take"):
        hard.drive(4)


def tracked(placed, steps=30):
    run = Run(experiments.get("tracker-sinusoid", dtype="float64"))
    while run.learner.steps < steps:
        if run.learner.steps in placed:
            entry, values = placed[run.learner.steps]
            run.start_from(entry, **values)
        run.step()
    return run


def test_a_run_starts_from_where_it_is_put():
    run = tracked({10: (3, {"h": 0.5, "z": -0.25})}, 10)
    point = run.learner.point.clone()
    run.start_from(3, h=0.5, z=-0.25)
    run.step()
    other = Run(experiments.get("tracker-sinusoid", dtype="float64"))
    other.step(10)
    h, z = point.h["h"].clone(), point.z["h"].clone()
    assert not torch.equal(h, other.learner.point.h["h"] + 1), "shapes as they were"
    h[0, 3], z[0, 3] = 0.5, -0.25
    learner = other.learner
    learner.point = type(point)(point.t, {"h": h}, point.theta, {"h": z}, point.omega)
    learner.step(other.stream[10])
    assert torch.equal(learner.point.h["h"], run.learner.point.h["h"])
    assert torch.equal(learner.point.z["h"], run.learner.point.z["h"])


def test_a_point_that_was_put_is_told_and_rewound():
    placed = {10: (3, {"h": 0.5, "z": -0.25}), 20: (0, {"theta": 1.0})}
    run, without = tracked(placed), tracked({})
    assert theta(run) != theta(without)
    assert theta(Run.from_state(run.state_string())) == theta(run)
    names = {}
    exec(run.code().replace("print(", "record = ("), names)
    assert names["record"].theta.values.tobytes() == theta(run)
    run.back(15)
    run.step(15)
    assert theta(run) == theta(tracked({10: placed[10]})) and set(run.placed) == {10}
    run.back(10)
    run.step(20)
    assert theta(run) == theta(without), "before it, nothing was put"


@pytest.mark.parametrize(
    ("entry", "values", "word"),
    [
        (99, {"h": 0.0}, "entry of h"),
        (0, {"hh": 0.0}, "hh"),
        (0, {"h": float("nan")}, "finite"),
        (-1, {"h": 0.0}, "entry"),
    ],
)
def test_a_bad_place_is_told(entry, values, word):
    run = tracked({}, 3)
    with pytest.raises(HLError, match=word):
        run.start_from(entry, **values)
    assert run.placed == {}


def test_a_damaged_state_is_told():
    text = driven().state_string()
    for wrong in (text.replace("[0,0]", '[0,"a"]'), text.replace('"moves":', '"movez":')):
        assert wrong != text
        with pytest.raises(HLError, match="state string"):
            Run.from_state(wrong)
