"""Time that can be walked: a jump and a fork are, to the bit, a run that never jumped."""

import json

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.records.snapshots import History
from hlcore.runs import forks as trees
from hlcore.runs.forks import Forks
from hlcore.runs.run import Run

from .test_run import noisy


def walked(steps=620, **options):
    run = Run(experiments.get("tracker-sinusoid", units=5, **options), capacity=400)
    run.step(510)
    run.set(eta=0.9)
    run.step(steps - 510)
    return run


def weights(run):
    return torch.cat([x.flatten() for x in run.learner.traced()["theta"].values()])


@pytest.mark.parametrize("learner", ["hamiltonian", "sgd", "bptt", "rtrl"])
def test_T12_a_jump_is_the_run_that_never_jumped(learner):
    """Also to a time that the record (the last 400 steps) has forgotten."""
    run = walked() if learner == "hamiltonian" else walked_as(learner)
    before, record = weights(run).clone(), run.recorder.window("theta").tobytes()
    other, changes = Run(run.experiment), dict(run.changes)
    for steps in (0, 1, 250, 251, 510, 511, 620):
        while other.learner.steps < steps:
            other.set(**changes.get(other.learner.steps, {}))
            other.step()
        there = run.at(steps)
        assert there.learner.steps == steps and torch.equal(weights(there), weights(other))
        if steps:
            assert (there.report.loss, there.report.hamiltonian) == (other.report.loss, other.report.hamiltonian)
            assert there.recorder.window("step")[-1] == steps
            assert there.recorder.window("loss")[-1] == other.report.loss
        assert torch.equal(weights(run), before) and run.recorder.window("theta").tobytes() == record, "the run stays"
        assert run.learner.steps == 620 and (steps == 620 or not torch.equal(weights(there), before)), "the control"


def walked_as(learner):
    run = Run(experiments.get("tracker-sinusoid", units=5, learner=learner), capacity=400)
    run.step(620)
    return run


def test_T12_a_fork_without_a_change_is_the_run_and_with_one_it_is_not():
    for run in (walked(), noise(620)):
        same, other = run.fork(300), run.fork(300, beta=0.03)
        for fork in (same, other):
            for at, change in run.changes:
                if at >= 300:
                    fork.step(at - fork.learner.steps)
                    fork.set(**change)
            fork.step(620 - fork.learner.steps)
        assert torch.equal(weights(same), weights(run)) and not torch.equal(weights(other), weights(run))
        apart = trees.difference(run, other)
        first = int(apart.step[apart.gap > 0][0])
        assert first == 301 and bool((apart.gap[apart.step <= 300] == 0).all()), "one past, then another"
        assert not bool((trees.difference(run, same).gap > 0).any())


def noise(steps):
    run = Run(noisy(), capacity=400)
    run.step(steps)
    return run


def test_the_difference_is_that_of_the_records():
    run = walked()
    fork = run.fork(400, phi=0.5)
    fork.step(100)
    apart = trees.difference(run, fork)
    assert int(apart.step[-1]) == 500
    a, b = (r.trajectory().swap_dims(time="step").sel(step=470) for r in (run, fork))
    here = apart.swap_dims(time="step").sel(step=470)
    for name in ("loss", "theta", "h", "output"):
        assert np.array_equal(here[name], b[name] - a[name])
    assert float(here.gap) == float(abs(b.theta - a.theta).max()) > 0


def test_a_tree_grows_is_cut_and_comes_back_from_its_state_string():
    tree = Forks(walked())
    one = tree.grow(300, beta=0.03)
    tree.catch_up(60)
    two = tree.grow(450, of=one.name, name="slow", eta=3.0)
    tree.catch_up(60)
    assert (one.name, two.of, two.at) == ("β = 0.03", "β = 0.03", 450) and not tree.behind()
    tree.pin("slow")
    text = tree.state_string()
    again = Forks.from_state(text)
    assert again.state_string() == text and again.made["slow"].pinned
    for name in ("run", one.name, "slow"):
        assert torch.equal(weights(again.run(name)), weights(tree.run(name)))
    assert Run.from_state(text).learner.steps == 620, "a run alone reads it too"
    moved = Forks.from_state(text.replace('"beta":0.03', '"beta":0.04'))
    assert not torch.equal(weights(moved.run("slow")), weights(tree.run("slow"))), "negative control"
    tree.delete(one.name)
    assert list(tree.made) == ["slow"] and two.of == "run"
    assert float(tree.compare("slow").gap.max()) > 0


def test_the_oldest_that_is_not_pinned_goes():
    tree = Forks(walked(520))
    first = tree.grow(300).name
    tree.pin(first)
    for beta in range(1, trees.MOST + 1):
        tree.grow(300, beta=beta / 100)
    assert len(tree) == trees.MOST and first in tree.made and "β = 0.01" not in tree.made
    for name in tree.made:
        tree.pin(name)
    with pytest.raises(HLError, match="pinned"):
        tree.grow(300)


def test_a_fork_that_diverges_stands_still_and_the_others_go_on():
    tree = Forks(walked())
    wild, tame = tree.grow(300, eta=1e6), tree.grow(300, eta=0.5)
    tree.catch_up(60)
    assert wild.error is not None and wild.run.learner.steps < 620 == tame.run.learner.steps
    assert np.isfinite(wild.run.recorder.window("loss")).all()


@pytest.mark.parametrize(
    "wrong",
    [lambda t: t.grow(621), lambda t: t.grow(3, etta=1), lambda t: t.grow(3, of="x"), lambda t: t.grow(3, name="run"),
     lambda t: t.delete("x"), lambda t: t.pin("x"), lambda t: t.compare("x"), lambda t: t.trunk.at(-1)],
)  # fmt: skip
def test_bad_input_is_told_and_changes_nothing(wrong):
    tree = Forks(walked())
    with pytest.raises(HLError):
        wrong(tree)
    assert not tree.made and tree.trunk.learner.steps == 620


@pytest.mark.parametrize(
    "forks", [3, [3], [["a", "run", 1, False, 3]], [["a", "run", -1, False, 3, []]], [["a", "no", 1, False, 3, []]]]
)
def test_damaged_forks_are_told(forks):
    good = {"experiment": "iris-linear", "options": {}, "seed": 0, "settings": {}, "changes": [], "steps": 2}
    with pytest.raises(HLError):
        Forks.from_state("hl1:" + json.dumps(good | {"forks": forks}))
    assert Forks.from_state("hl1:" + json.dumps(good)).trunk.learner.steps == 2


def test_a_history_is_bounded_and_reaches_back_to_the_beginning(monkeypatch):
    monkeypatch.setattr("hlcore.records.snapshots.MOST", 8)
    run = Run(experiments.get("iris-linear"), capacity=100)
    run.step(4100)
    kept = [m.snapshot.steps for m in run._history._moments]
    assert len(kept) <= 8 and kept[0] == 0 and run._history.every > 250 and set(np.diff(kept)) == {run._history.every}
    there = run.at(1234)
    other = Run(run.experiment)
    other.step(1234)
    assert torch.equal(weights(there), weights(other)) and isinstance(run._history, History)


def test_what_was_undone_is_no_longer_jumped_to():
    run = Run(experiments.get("tracker-sinusoid", units=5))
    run.step(600)
    run.back(300)
    run.set(beta=0.5)
    run.step(300)
    other = Run(experiments.get("tracker-sinusoid", units=5))
    other.step(300)
    other.set(beta=0.5)
    other.step(250)
    there = run.at(550)
    assert torch.equal(weights(there), weights(other))
    assert not torch.equal(weights(there), weights(run)), "the control"


def test_how_far_apart_they_are_now_is_the_last_of_the_difference():
    tree = Forks(walked())
    name = tree.grow(300, eta=3.0).name
    assert np.isnan(tree.apart(name)), "it is still behind"
    tree.catch_up(60.0)
    assert tree.apart(name) == pytest.approx(float(tree.compare(name).gap[-1]), rel=1e-6) and tree.apart(name) > 1e-4
