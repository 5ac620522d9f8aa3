"""A class: labs handed out without solutions, work that stays, a report for the teacher, no clone made dirty."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import hlcore
from hlcore.__main__ import main
from hlcore.lab import Cockpit, Exercise, close_to, folder, with_settings

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "labs").glob("*.ipynb"))


def test_the_labs_handed_out_have_no_solutions_and_all_the_rest(tmp_path, capsys):
    assert main(["class", "--out", str(tmp_path / "a class" / "ü")]) == 0
    assert f"{len(LABS)} labs" in capsys.readouterr().out
    for lab in LABS:
        text = (tmp_path / "a class" / "ü" / lab.name).read_text(encoding="utf-8")
        given, source = nbformat.reads(text, as_version=4), nbformat.read(lab, as_version=4)
        nbformat.validate(given)
        assert "<summary>Solution" not in text and "<summary>Solution" in lab.read_text(encoding="utf-8")
        code = [[c.source for c in book.cells if c.cell_type == "code"] for book in (given, source)]
        assert code[0] == code[1], "nothing else is lost: every cell of code stays"
        words = [sum(c.source.count("##") for c in b.cells if c.cell_type == "markdown") for b in (given, source)]
        assert words[0] == words[1] and text.count("<summary>Reveal") == lab.read_text().count("<summary>Reveal")


def test_work_that_is_there_is_never_written_over(tmp_path):
    folder.hand_out(tmp_path)
    (tmp_path / LABS[3].name).write_text("mine")
    (tmp_path / LABS[5].name).unlink()
    assert folder.hand_out(tmp_path, solutions=False) == [tmp_path / LABS[5].name]
    assert (tmp_path / LABS[3].name).read_text() == "mine"
    assert (tmp_path / LABS[0].name).read_bytes() == LABS[0].read_bytes()


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["class", "--out", str(tmp_path / "file")]) == 1
    assert "folder" in capsys.readouterr().err


def test_the_lab_is_opened_without_a_shell(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        subprocess, "run", lambda line, check: lines.append(line) or subprocess.CompletedProcess(line, 3)
    )
    place = tmp_path / "my labs & 'more'"
    assert main(["lab", "--folder", str(place), "--", "--no-browser"]) == 3
    assert lines == [
        [sys.executable, "-m", "jupyter", "lab", "--ip=127.0.0.1", "--no-browser", str(place / LABS[0].name)]
    ]
    assert (place / LABS[-1].name).exists()


def test_an_exercise_reports_what_a_teacher_needs():
    exercise = Exercise("E", close_to(2.0))
    assert json.loads(exercise.report()) == {"exercise": "E", "solved": False, "tries": 0, "state": ""}
    for answer in (..., 1.0, "two", 2.0):
        exercise.check(answer)
    assert json.loads(exercise.report()) == {"exercise": "E", "solved": True, "tries": 3, "state": ""}


def test_the_report_opens_the_panel_that_solved_it():
    cockpit = Cockpit(hlcore.experiments.get("iris-linear"))
    exercise = Exercise("E", with_settings(lambda s: None if s.eta == 0.3 else "not yet."))
    exercise.check(cockpit)
    assert json.loads(exercise.report())["state"] == ""
    cockpit.set(eta=0.3)
    cockpit.step(7)
    exercise.check(cockpit)
    again = Cockpit.from_state(json.loads(exercise.report())["state"])
    assert again.settings == cockpit.settings and again.run.learner.steps == 7
    assert all((again.run.learner.point.theta[k] == x).all() for k, x in cockpit.run.learner.point.theta.items())


@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_every_lab_is_in_the_teachers_guide(lab):
    guide = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    assert f"## {lab.name[:2]} " in guide


def test_the_folders_of_work_are_none_of_gits_business():
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"hl-labs/", "class/", "wheelhouse/", ".hl-autosave/"} <= set(ignored)
