"""The recital: exams that follow a Cockpit, what is shown, and what is heard."""

import io
import wave

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Recital
from hlcore.studies.signal_school import SIGNALS, grades


def school(**options):
    panel = Cockpit(experiments.get("signal-school", **({"rounds": 1, "steps": 200} | options)))
    return panel, Recital(panel)


def test_the_exams_follow_the_lectures_and_are_the_schools():
    panel, recital = school()
    before = dict(recital.grades)
    panel.step(600)
    lines = next(row["lines"] for row in panel._rows.widget.plan["rows"] if row["symbol"] == "y")
    assert [one["name"] for one in lines] == ["output", "target"], "a choir's seven channels are no classes"
    assert recital.grades == pytest.approx(grades(panel.run.learner.network), abs=1e-6)
    assert recital.grades != before and "after 600 steps" in recital._status.value
    panel.reset()
    assert recital.grades == before and "before the first lecture" in recital._status.value
    assert repr(recital) == "Recital()"


def test_an_exam_leaves_no_trace_in_the_run():
    alone = Cockpit(experiments.get("signal-school", rounds=1, steps=200)).step(300)
    panel, _ = school()
    for _ in range(3):
        panel.step(100)
    assert np.array_equal(panel.trajectory().theta.values, alone.trajectory().theta.values)


def test_what_is_heard_is_what_was_sung():
    panel, recital = school()
    panel.step(700)
    sounds = {}
    for whose in ("student", "target"):
        with wave.open(io.BytesIO(recital.sound("squHfHa", whose))) as file:
            assert (file.getframerate(), file.getnchannels()) == (44_100, 1)
            x = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        middle = x[20_000 : 20_000 + 1000]
        sounds[whose] = middle
        source = recital._sung if whose == "student" else recital._target
        wanted = source[:, list(SIGNALS).index("squHfHa")].clip(-1.5, 1.5)
        assert np.corrcoef(middle, wanted)[0, 1] > 0.999
    assert np.abs(sounds["student"] - sounds["target"]).max() > 100
    recital._which.value = "squHfHa"
    for button in (b for b in recital.children[0].children if getattr(b, "description", "") == "Hear the target"):
        button.click()
    assert bytes(recital._audio.value) == recital.sound("squHfHa", "target")


def test_the_end_of_school_is_told_and_nothing_is_lost():
    panel, recital = school()
    with pytest.raises(HLError, match="end after 1,400 samples"):
        panel.step(2000)
    assert panel.run.learner.steps == 1400 and "school is over" in recital._status.value
    assert "Reset begins anew" in panel._alarm.value


def test_a_beta_per_weight_survives_state_string_and_presets():
    panel, _ = school()
    panel.step(50)
    twin = Cockpit.from_state(panel.step(50).state_string())
    assert np.array_equal(panel.trajectory().theta.values, twin.trajectory().theta.values)
    panel._controls.preset.set_state({"index": 1})
    assert panel.run.changes == [], "the same settings are no change"
    panel.set(beta={"readout.M": 0.1})
    assert "per weight" in str(panel.step(10)._rows.widget.plan["marks"])


def test_another_experiment_has_no_recital():
    with pytest.raises(HLError, match="signal school"):
        Recital(Cockpit(experiments.get("iris-linear")))
