"""Every learner on the list plays in the Cockpit with its own dials, equations and rows; so does one made up here."""

import html
import json
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from hlcore import HLError, experiments, learners
from hlcore.declared import BaseSettings, positive, setting
from hlcore.lab import Cockpit
from hlcore.learners import BaseLearner, Quantity, Regime, Step, catalogue

NAMES = ("hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river")


@dataclass(frozen=True)
class DriftSettings(BaseSettings):
    """Two numbers."""

    tau: float = setting(1.0, "τ", "step", "time per step", positive)
    gust: float = setting(0.5, "κ", "strength of the wind", "1/step", scale="linear", span=(0.0, 2.0))


class Drift(BaseLearner):
    """The weights drift with a wind of their own: a learner that knows nothing of ω, and has a wind."""

    title = "Drift"
    settings_type = DriftSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "theta": Quantity("θ", "weights", "weight"),
        "wind": Quantity("w", "the wind", "weather"),
    }
    equations = ("θ ← θ - {gust} w",)

    @classmethod
    def regime(cls, settings):
        return Regime("storm", "κ > 1: nothing stays", True) if settings.gust > 1 else Regime("calm", "κ ≤ 1")

    def propose(self, sample):
        y = self.law.output(sample.u, {})
        wind = self.memory.get("wind", torch.zeros(2)) + self.settings.gust
        found = [torch.full_like(p, float(wind[0])) * 1e-3 for p in self.law.theta]
        return Step({}, None, y, float(wind[0]), 1.0, found, memory={"wind": wind})

    def traced(self):
        return {"theta": super().traced()["theta"], "wind": {"wind": self.memory.get("wind", torch.zeros(2))}}


@pytest.fixture
def drift():
    learners.register("drift")(Drift)
    yield
    del catalogue._LEARNERS["drift"]


def rows(panel):
    return [row["symbol"] for row in panel._rows.widget.plan["rows"]]


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def text(widget):
    """What is read of it."""
    return html.unescape(re.sub("<[^>]*>", "", widget.value))


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_plays_with_what_it_declares(name):
    panel = Cockpit(experiments.get("tracker-sinusoid", learner=name))
    kind = learners.get(name)
    assert set(panel._controls.dials) == set(kind.settings_type.about())
    assert rows(panel) == ["y", *(q.symbol for q in kind.quantities.values()), "L", "H'"]
    panel.step(60)
    there = [q.symbol for n, q in kind.quantities.items() if panel.run.recorder.names(n)]
    assert rows(panel) == ["y", *there, "L", "H'"] and len(there) > 0
    assert panel._phase.widget.plan["points"] == 60
    for law in kind.equations:
        for plain in law.replace("{", "}").split("}")[::2]:
            assert plain.strip() in text(panel._law)
    setting_name, dial = next(iter(panel._controls.dials.items()))
    dial.field.set_state({"value": 0.9 * getattr(panel.settings, setting_name)})
    assert "background" in panel._law.value, "the touched symbol is lit"
    panel.step(20)
    assert len(panel._rows.widget.plan["marks"]) == 1
    again = Cockpit.from_state(panel.state_string())
    assert again.trajectory().identical(panel.trajectory()) and type(again.run.learner) is kind
    whole = panel.trajectory().isel(time=slice(0, 40))
    panel.back(float(whole.time[-1]))
    assert panel.trajectory().equals(whole)


@pytest.mark.parametrize("leader", ["hamiltonian", "rtrl"])
@pytest.mark.parametrize("rival", ["sgd", "rtrl", "bptt", "hamiltonian"])
def test_any_two_race(leader, rival):
    alone = Cockpit(experiments.get("tracker-sinusoid", learner=leader)).step(60)
    panel = Cockpit(experiments.get("tracker-sinusoid", learner=leader)).race(rival).step(60)
    title = learners.get(rival).title
    plan = {row["symbol"]: row for row in panel._rows.widget.plan["rows"]}
    assert [(line["name"], line["quiet"]) for line in plan["θ"]["lines"][2:]] == [(title, False), (title, True)]
    assert title in plan["|Δθ|"]["what"] and plan["L"]["lines"][2]["name"] == title
    sent = np.frombuffer(panel._rows.widget.frame, np.float32).reshape(-1, 60)
    names = [line["name"] for row in panel._rows.widget.plan["rows"] for line in row["lines"]]
    theirs = sent[1 + names.index("mean of 100") + 2]
    assert theirs[-1] == pytest.approx(panel.run.rival.recorder.window("loss").mean())
    assert (theirs == sent[1 + names.index("mean of 100")]).all() == (leader == rival)
    assert f"raced by {title}" in panel._title.value and f"from {title}" in panel._summary.value
    assert (panel.gap == 0) == (leader == rival), "one of its own kind is the same run"
    assert panel.trajectory().identical(alone.trajectory()), "a rival disturbs nothing"
    assert "raced" not in panel.race(None)._title.value


def test_a_rival_that_diverges_is_told_and_the_run_goes_on():
    panel = Cockpit(experiments.get("iris-linear", eta=4.5)).step(2).race("sgd").set(eta=0.5)
    panel.step(400)
    assert panel.gap == np.inf and "which diverged" in panel._summary.value and panel.run.learner.steps == 402


def test_a_learner_of_ones_own_brings_its_rows_dials_and_words(drift):
    panel = Cockpit(experiments.get("iris-linear", learner="drift")).step(30)
    assert rows(panel) == ["y", "θ", "w", "L", "H'"]
    assert [line["name"] for line in panel._rows.widget.plan["rows"][2]["lines"]] == ["wind[0]", "wind[1]"]
    assert list(panel._controls.dials) == ["tau", "gust"] and "strength of the wind" in " ".join(
        w.value for w in every(panel) if type(w).__name__ == "HTML"
    )
    assert panel._controls.units["wind"].options == ("wind[0]", "wind[1]")
    assert "<b>calm</b>" in panel._law.value and "θ ← θ - κ w" in text(panel._law)
    panel._controls.dials["gust"].slider.set_state({"value": 1.5})
    assert panel.settings.gust == 1.5 and "<b>storm</b>" in panel._law.value and "D55E00" in panel._law.value
    assert "largest |w| 15" in panel.step(1)._summary.value or "largest |w| 16.5" in panel._summary.value
    assert panel.figures[:2] == [panel._rows, panel._phase], "nothing broke"
    state = json.loads(panel.state_string().removeprefix("hl1:"))
    assert state["changes"] == [[30, {"gust": 1.5}]]


def test_a_state_string_of_another_learner_brings_other_dials():
    panel = Cockpit(experiments.get("iris-linear")).step(3)
    text = Cockpit(experiments.get("iris-linear", learner="sgd")).step(5).state_string()
    panel._loop.post("load", text)
    assert list(panel._controls.dials) == list(learners.get("sgd").settings_type.about())
    assert "torch.optim.SGD" in panel._title.value and rows(panel) == ["y", "θ", "b", "L", "H'"]
    panel._controls.dials["lr"].field.set_state({"value": 0.003})
    assert panel.settings.lr == 0.003 and panel.run.learner.steps == 5
    panel._rows.widget.set_state({"picked": 1.0})
    assert not panel._controls.back.disabled
    with pytest.raises(HLError, match="eta"):
        panel.set(eta=1.0)
