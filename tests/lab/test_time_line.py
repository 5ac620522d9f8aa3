"""The time cursor and its forks, without a browser."""

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Figure
from hlcore.runs.run import Run

from .test_cockpit import plan
from .test_runs_table import ask


class Steps(Figure):
    """What it was shown."""

    def frame(self, run, view):
        self.steps, self.theta = run.learner.steps, run.recorder.window("theta", 1).copy()


@pytest.fixture
def panel():
    return Cockpit(experiments.get("tracker-sinusoid", units=5), figures=[Steps]).step(300)


def test_all_figures_stand_where_the_cursor_stands(panel):
    shown = panel.figures[-1]
    panel.time.cursor.set_state({"value": 12.0 / panel.run.learner.t})  # as the browser does
    other = Run(panel.run.experiment)
    other.step(120)
    assert shown.steps == 120 and np.array_equal(shown.theta, other.recorder.window("theta", 1))
    assert panel._rows.widget.picked == pytest.approx(12.0) and "t = 12" in panel._law.value
    assert f"L = {other.report.loss:.3g}" in panel._law.value, "the equations have the numbers of that moment"
    assert panel.run.learner.steps == 300
    panel.step(10)
    assert shown.steps == 120, "the cursor stays while the run goes on"
    panel.at(31.0)
    assert shown.steps == 310 and panel._rows.widget.picked is None and "L = " not in panel._law.value
    with pytest.raises(HLError, match="time between"):
        panel.at(32.0)


def test_what_the_slider_sends_back_moves_nothing(panel):
    panel.at(12.0)
    shown = panel.time.cursor.value
    panel.command("picked", None)
    panel.command("walk", shown)  # late
    assert panel.time.past is None
    panel.command("walk", shown)  # and now a person
    assert panel.time.past.learner.steps == 120


def test_a_dial_that_is_turned_in_the_past_waits_for_fork(panel):
    panel.at(12.0)
    panel._controls.dials["eta"].field.set_state({"value": 3.5})
    assert panel.run.settings.eta != 3.5 and panel.time._fork.description == "Fork: η = 3.5"
    panel.time._fork.click()
    panel.time.tree.catch_up(9.0)  # a busy machine
    (name,) = panel.forks()
    fork = panel.forks()[name]
    assert name == "η = 3.5" and fork.settings.eta == 3.5 and fork.learner.steps == 300
    apart = panel.compare(name)
    assert int(apart.step[apart.gap > 0][0]) == 121
    lines = {row["symbol"]: [line["name"] for line in row["lines"]] for row in plan(panel)["rows"]}
    assert name in lines["y"] and name in lines["L"]
    text = panel.state_string()
    again = Cockpit.from_state(text)
    assert again.state_string() == text
    (theirs,) = again.forks().values()
    for x, y in zip(theirs.learner.law.theta, fork.learner.law.theta, strict=True):
        assert torch.equal(x, y)
    ask(panel, "pin", name)
    assert panel.time.tree.made[name].pinned
    ask(panel, "delete", name)
    assert not panel.forks() and name not in [line["name"] for row in plan(panel)["rows"] for line in row["lines"]]
    panel.fork(beta=0.01)
    panel.reset()
    assert not panel.forks()
