"""The map of two settings, without a browser: it is the sweep, its border is the theory's, a visit is the run there."""

import time

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.lab import Cockpit
from hlcore.lab.aside import Aside
from hlcore.lab.survey import levels
from hlcore.studies.stability_border import border
from hlcore.studies.td_stability import border as friction
from hlcore.studies.td_stability import mean_now

from .test_cockpit import press


@pytest.fixture
def panel():
    return Cockpit(experiments.get("tracker-sinusoid", units=5, dtype="float64", eta=0.5))


def test_a_click_lets_the_run_of_its_cell_play_beside(panel):
    panel.step(60).set(phi=0.7)
    table = panel.map(steps=100, points=5)
    panel.set(phi=0.2)  # the map is of the settings that were
    cells = np.frombuffer(panel.survey.picture.cells, np.float32).reshape(5, 5)
    known = table.mean_loss.values[..., 0]
    assert np.allclose(cells, known.clip(max=np.finfo(np.float32).max), rtol=1e-6) and known.max() > 1e90
    panel.survey.picture.set_state({"spot": [1, 2, 1]})  # as the browser does
    ((name, run),) = panel.forks().items()
    x, y = float(table.eta[1]), float(table.beta[2])
    assert name == f"η = {x:.3g}, β = {y:.3g}" and (run.settings.eta, run.settings.beta, run.settings.phi) == (
        x,
        y,
        0.7,
    )
    panel.step(40)
    panel.time.tree.catch_up(9.0)
    assert run.learner.steps == panel.run.learner.steps == 100
    assert run.report.loss == pytest.approx(float(table.loss[1, 2, 0]), rel=1e-10)
    assert run.report.loss != pytest.approx(float(table.loss[1, 3, 0]), rel=1e-3), "the control: another cell"
    assert panel.survey.picture.plan["visited"] == [[x, y, 1]] and len(panel.survey.picture.plan["now"]) == 2
    assert Cockpit.from_state(panel.state_string()).forks()[name].settings == run.settings
    panel.visit(eta=x, beta=y)
    assert len(panel.forks()) == 1, "again is no second one"


def test_the_menus_choose_other_settings_and_colours(panel):
    panel.map("tau", "phi", steps=30, points=3)
    assert panel.survey.names == ("tau", "phi")
    plan = panel.survey.picture.plan
    assert (plan["x"]["letter"], plan["y"]["letter"], plan["told"]) == ("τ", "φ", "mean loss")
    panel.survey._shown.set_state({"index": 2})
    assert panel.survey.picture.plan["told"] == "step of divergence"
    for names, words in (("eta", "eta"), "two settings"), (("eta", "s"), "setting"), (("eta", "nothing"), "setting"):
        with pytest.raises(HLError, match=words):
            panel.map(*names)
    other = Cockpit(experiments.get("tracker-sinusoid", units=5, learner="rtrl"))
    assert "η_z" not in dict(other.survey._menus[0].options)


def test_the_border_of_the_weights_costate_is_at_2_over_tau():
    """E*4: ω⁺ = (1 - τη) ω + …, unstable from τη = 2 on."""
    experiment = experiments.get("tracker-sinusoid", units=5)
    words, pieces = border(experiment, "tau", np.geomspace(0.01, 1, 7), "eta", np.geomspace(0.3, 300, 8))
    assert words and len(pieces) >= 7
    assert np.allclose(pieces[..., 0] * pieces[..., 1], 2, rtol=1e-3)
    assert border(experiment, "phi", [0.1, 1], "beta", [0.1, 1])[0] == "", "the control: none there"


def test_the_border_of_mean_td_is_the_parabolas():
    """η*² p = βφ q² (ours) holds for the flow; the exact map of a step has its border there as τ goes to 0."""
    experiment = experiments.get("ring-td", tau=1e-4, phi=1.0)
    learner, stream = experiment.learner()
    limit = friction(mean_now(learner, stream).A(learner.loss.discount))
    _, pieces = border(experiment, "eta", np.geomspace(limit / 9, limit * 9, 6), "beta", np.geomspace(0.1, 10, 5))
    assert len(pieces)
    assert np.allclose(pieces[..., 0], limit * np.sqrt(pieces[..., 1]), rtol=1e-2)


def test_in_a_process_of_its_own_the_map_comes_coarse_first(monkeypatch):
    came = []
    aside = Aside("map", lambda message, part: came.append((message, part)))
    experiment = experiments.get("tracker-sinusoid", units=3).replace(seed=0)  # nothing of it is built
    aside.begin(levels, experiment, ("eta", "beta"), 3)
    assert aside.working
    end = time.monotonic() + 300
    while not (came and came[-1][0] == "map done") and time.monotonic() < end:
        time.sleep(0.05)
    assert [part.table.sizes["eta"] for _, part in came[:-1]] == [9, 17, 33] and not aside.working
    (_, first), *_ = came
    panel = Cockpit(experiment)
    assert np.array_equal(panel.map(steps=3, points=9).loss, first.table.loss)
    with pytest.raises(HLError, match="pickled"):
        aside.begin(lambda: ())
    aside.begin(levels, experiment, ("eta", "nothing"), 3)
    while came[-1][0] != "map failed" and time.monotonic() < end:
        time.sleep(0.05)
    assert "nothing" in came[-1][1]
    with pytest.raises(HLError, match="nothing"):
        panel.command(*came[-1])
    aside.stop()


def test_a_map_whose_end_is_told_at_once_is_not_lost(panel):
    """A notebook's mailbox keeps the latest of a name: the end has one of its own."""
    found = panel.map(steps=5, points=3)
    level, panel.survey.found = panel.survey.found, None
    panel._loop._mailbox |= {("map", 0): level, ("map done", 0): None}
    panel._loop.read()
    assert panel.survey.found is level and level.table is found


def test_a_stopped_map_is_not_heard_of_again(panel):
    press(panel, "Map")
    assert panel.survey.aside.working
    press(panel, "Stop")
    assert not panel.survey.aside.working and panel.survey.found is None
    before = torch.get_rng_state()
    panel.step(3)
    assert torch.equal(before, torch.get_rng_state())
