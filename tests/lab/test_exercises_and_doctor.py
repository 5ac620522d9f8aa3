"""Exercises are friendly and never wrong about a right answer; the doctor finds what is broken."""

from importlib import metadata

import pytest

from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Doctor, Exercise, close_to, doctor, learns, with_settings


def test_hints_come_in_stages_and_a_right_answer_is_right():
    exercise = Exercise("A", close_to(3.0, tolerance=0.01), ["first", "second"])
    assert "not begun" in exercise.check(...) and "not begun" in exercise.check(None)
    told = [exercise.check(9), exercise.check(1), exercise.check("x")]
    assert "too large" in told[0] and "first" in told[0] and "second" not in told[0]
    assert "too small" in told[1] and "second" in told[1] and "number" in told[2] and "second" in told[2]
    assert exercise.check(3.02) == exercise.check(3) == "A: solved ✓"
    assert "first" in exercise.check(2), "hints begin again"


def test_an_answer_that_raises_is_no_traceback():
    def judge(answer):
        raise ZeroDivisionError("by zero")

    assert "ZeroDivisionError" in Exercise("A", judge).check(1)
    with pytest.raises(HLError):
        Exercise("A", 3)


def test_a_cockpit_can_be_the_answer():
    sluggish = experiments.get("iris-linear", beta=1e-6)
    patient, exercise = Cockpit(sluggish), Exercise("B", learns(below=0.6, steps=400, last=100))
    assert "loss comes down to" in exercise.check(patient)
    patient.set(beta=0.02)
    assert "solved" in exercise.check(patient)
    assert "Cockpit" in exercise.check(3)
    by_eta = Exercise("C", with_settings(lambda s: None if s.eta == 0.5 else "η is not there yet."))
    assert "not there" in by_eta.check(patient) and "solved" in by_eta.check(patient.set(eta=0.5))
    assert "Cockpit" in by_eta.check(0.5)


def test_the_doctor_finds_nothing_here():
    text, fine = doctor.report()
    assert fine and "wrong" not in text and "ipywidgets" in text and "restart the kernel" in text


@pytest.mark.parametrize(("version", "word"), [("7.4.0", "7.3.0"), ("5.0", "at least 6.31")])
def test_the_doctor_finds_a_bad_version(version, word, monkeypatch):
    true = metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version if name == "ipykernel" else true(name))
    text, fine = doctor.report()
    assert not fine and "wrong" in text and word in text


def test_the_doctor_finds_a_missing_package(monkeypatch):
    monkeypatch.setitem(doctor.NEEDED, "no-such-package", "1.0")
    text, fine = doctor.report()
    assert not fine and "no-such-package is missing: pip install" in text


def test_the_doctors_panel_waits_for_the_browser():
    panel = Doctor()
    panel.children[1].children[0].click()
    assert "press the button" in panel._answer.value
    panel._gate.set_state({"pong": panel._gate.ping})
    assert "acknowledged frame 1" in panel._answer.value and repr(panel) == "Doctor()"
