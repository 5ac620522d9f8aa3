"""The table of a session's runs, without a browser: what stands in it, and what a click loads."""

import numpy as np
import pandas as pd
import pytest
import torch

from hlcore import HLError, experiments
from hlcore.experiments import Experiment
from hlcore.lab import Cockpit
from hlcore.runs.forks import Forks

from .test_cockpit import press


def ask(panel, what, name):
    """As the browser does."""
    panel.table._handle_custom_msg({"what": what, "id": name}, [])


def weights(run):
    return torch.cat([x.detach().flatten() for x in run.learner.law.theta]).clone()


@pytest.fixture
def panel():
    return Cockpit(experiments.get("tracker-sinusoid", units=3))


def test_what_was_run_stands_in_the_table(panel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel.step(120).set(eta=0.9)
    name = panel.fork(beta=0.01)
    panel.race("sgd").step(30)
    panel.time.tree.catch_up(9.0)
    panel.refresh_status()
    table = panel.runs()
    assert list(table.index) == ["run", name, "race sgd"]
    assert (
        table.steps.tolist() == [150] * 3 and "η = 0.9" in table.settings["run"] and "β = 0.01" in table.settings[name]
    )
    assert table.loss["run"] == pytest.approx(panel.run.recorder.window("loss", 100).mean())
    assert table["max |Δθ|"][name] == pytest.approx(
        float((weights(panel.forks()[name]) - weights(panel.run)).abs().max())
    )
    assert table["max |Δθ|"]["run"] == 0 < table["max |Δθ|"]["race sgd"]
    rows = {row["id"]: row for row in panel.table.rows}
    assert rows[name]["loads"] and not rows["run"]["loads"] and rows[name]["sort"][1] == 150
    panel.step(5)
    panel.fork(eta=2.0)
    panel.race(None).reset(seed=4)
    assert np.isnan(panel.runs()["max |Δθ|"]["run 1"])
    assert list(panel.runs().index) == ["run", "run 1"] and panel.runs().seed.tolist() == [4, 0]
    press(panel, "CSV table")
    written = pd.read_csv(tmp_path / "tracker-sinusoid-runs.csv", index_col=0)
    assert written.steps.tolist() == [0, 155] and np.isnan(written.loss["run"])


def test_a_run_before_is_loaded_with_its_forks_to_the_bit(panel):
    panel.step(60)
    name = panel.fork(eta=2.0)
    panel.step(20)
    panel.time.tree.catch_up(9.0)
    theta, beside = weights(panel.run), weights(panel.forks()[name])
    panel.reset(seed=1).step(10)
    ask(panel, "load", "run 1")
    assert torch.equal(weights(panel.run), theta) and torch.equal(weights(panel.forks()[name]), beside)
    assert list(panel.runs().index) == ["run", name, "run 2"]
    ask(panel, "delete", "run 2")
    assert list(panel.runs().index) == ["run", name]
    with pytest.raises(HLError, match="run 2"):
        panel.load("run 2")


def test_a_fork_is_loaded_and_the_run_stays_beside_it(panel):
    panel.step(50)
    early, late = panel.visit(eta=2.0), panel.fork(beta=0.01)
    panel.step(30)
    panel.time.tree.catch_up(9.0)
    run, fork = panel.run, panel.forks()[early]
    before = weights(run)
    ask(panel, "load", early)
    assert panel.run is fork and list(panel.forks()) == [f"before {early}", late]
    assert panel.forks()[f"before {early}"] is run and torch.equal(weights(run), before)
    text = panel.state_string()
    again = Forks.from_state(text)
    assert again.state_string() == text
    assert torch.equal(weights(again.trunk), weights(fork)) and torch.equal(
        weights(again.run(f"before {early}")), before
    )
    assert torch.equal(weights(again.run(late)), weights(panel.forks()[late])), "of the run before, at a later step"
    ask(panel, "load", f"before {early}")
    assert panel.run is run


def test_what_no_string_can_tell_is_listed_but_not_loaded():
    known = experiments.get("iris-linear")
    own = Experiment("mine", "Mine", "", known.build, known.loss, known.settings, known.order)
    panel = Cockpit(own).step(10)
    panel.reset()
    (row,) = [row for row in panel.table.rows if row["id"] == "run 1"]
    assert not row["loads"] and "made by hand" in row["why"]
    with pytest.raises(HLError, match="made by hand"):
        panel.load("run 1")


def test_load_and_the_next_kernel_bring_the_forks_back(panel, tmp_path, monkeypatch):
    from hlcore.lab import autosave

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(autosave, "EVERY", 0.0)
    panel.step(30)
    name = panel.fork(eta=2.0)
    panel._keeping.keep()
    text = panel.state_string()
    assert autosave.place(panel.run.experiment).exists()
    monkeypatch.setattr(autosave, "SELF", "a new kernel")
    other = Cockpit(panel.run.experiment)
    other._keeping.again.click()
    assert list(other.forks()) == [name] and other.state_string() == text
    third = Cockpit(panel.run.experiment)
    third._controls.text.value = text
    press(third, "Load")
    assert list(third.forks()) == [name] and third.forks()[name].settings.eta == 2.0
