"""The panel in Japanese: every word has one, none is left over, and nothing English is left but names and symbols."""

import ast
import html
import json
import re
from pathlib import Path

import ipywidgets as W
import pytest

import hlcore
from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Exercise, Predict, Sketch, Valley, close_to
from hlcore.lab.figures.canvas import Canvas
from hlcore.lab.keyboard import Keyboard
from hlcore.words import LANGUAGES, catalogue, tr

HOUSE = Path(hlcore.__file__).parent
SOURCES = [
    p
    for room in ("lab", "learners", "law", "experiments", "studies", "errors.py")
    for p in (HOUSE / room,)
    if p.exists()
]
FILES = [f for p in SOURCES for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]
LABS = [HOUSE.parent / f"labs/{words.stem}.ipynb" for words in sorted(HOUSE.parent.glob("labs/ja/*.md"))]
SCRIPTS = sorted((HOUSE / "lab").rglob("*.js"))
SAID = re.compile(r'say\("([^"]+)"\)')
NAMES = {
    "SGD",
    "BPTT",
    "RTRL",
    "FPTT",
    "REINFORCE",
    "HL",
    "CSV",
    "PNG",
    "NetCDF",
    "Ctrl",
    "Shift",
    "Esc",
    "rms",
    "dampening",
}
NAMES |= {"torch", "optim", "momentum", "mode", "max", "river", "Cockpit"}
LEARNER = re.compile("|".join(sorted(map(re.escape, hlcore.learners.names()), key=len, reverse=True)))
UNIT = re.compile(r"[\w.]+\[[\d, ]+\]")  # cell.weight[0, 1]


@pytest.fixture
def japanese(monkeypatch):
    monkeypatch.setenv("HL_LANG", "ja")


def code(lab):
    """A lab's cells of code as one program."""
    cells = [cell for cell in json.loads(lab.read_text())["cells"] if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def constants(programs):
    """Every piece of text in the sources; of an f-string its pieces."""
    found = (node.value for text in programs for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return [text for text in found if isinstance(text, str)]


def told(calls):
    """The texts that are given to these functions as they stand."""
    for file in (HOUSE / "lab").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            for given in node.args[: calls.get(name, 0)] if isinstance(node, ast.Call) else ():
                if isinstance(given, ast.Constant) and given.value:
                    yield given.value


def texts(widget):
    """All that a person reads or hears of a widget and of what is in it."""
    for name in ("description", "tooltip", "placeholder", "value" if isinstance(widget, (W.HTML, W.Label)) else ""):
        yield str(getattr(widget, name, None) or "")
    yield from (str(label) for label in getattr(widget, "_options_labels", ()))
    yield from (str(text) for name in ("tooltips", "titles") for text in getattr(widget, name, ()))
    if isinstance(widget, Keyboard):
        yield from [*widget.keymap.values(), widget.said]
    if isinstance(widget, Canvas):
        plan = widget.plan
        yield from (str(plan.get(name) or "") for name in ("about", "x", "y", "ahead"))
        yield from (row["what"] for row in plan.get("rows", ()))
        yield from (line["name"] for row in plan.get("rows", ()) for line in row["lines"])
    for child in getattr(widget, "children", ()):
        yield from texts(child)


def english(widget):
    """Words of three letters and more that are no names, with the text in which they stand."""
    for text in texts(widget):
        plain = html.unescape(re.sub("<[^>]*>", " ", text))
        for word in re.findall("[A-Za-z]{3,}", LEARNER.sub("", UNIT.sub("", plain))):
            if word not in NAMES:
                yield word, plain


def test_every_text_of_the_panel_is_in_the_catalogue():
    known = catalogue()["panel"] | {entry["en"]: entry for entry in catalogue()["page"].values()}
    missing = {text for text in told({"button": 2, "tr": 1}) if text not in known and re.search("[a-z]{2}", text)}
    assert not missing, f"put them into hlcore/words.json, in Japanese too: {missing}"
    said = {text for script in SCRIPTS for text in SAID.findall(script.read_text())}
    assert said and said == set(catalogue()["scripts"]) - {"Space"}


def test_every_key_has_every_language_with_the_same_names_in_it_and_none_is_stale():
    source = constants([*(file.read_text() for file in FILES), *map(code, LABS)])
    whole, pieces = set(source), "\n".join(source)
    for text, entry in catalogue()["panel"].items():
        assert set(entry) == set(LANGUAGES) - {"en"} and all(entry.values()), text
        for word in entry.values():
            assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", word)), text
        parts = [part.strip(" .,;:()|=<>") for part in re.split(r"\{\w+\}| · |: |; ", text)]
        there = text in whole or all(part in pieces for part in parts if re.search("[a-z]{2}", part))
        assert there, f"nobody says {text!r} any more: take it out of hlcore/words.json"
    assert len(catalogue()["panel"]) > 150


def test_a_text_means_one_thing():
    seen = {}
    for entry in catalogue()["page"].values():
        assert seen.setdefault(entry["en"], entry["ja"]) == entry["ja"] or entry["en"] in catalogue()["panel"], entry


def test_numbers_and_names_stand_where_they_stood(japanese, monkeypatch):
    assert tr("Back to t 3.2") == "t 3.2 へ戻る" and tr("no such text") == "no such text"
    stopped = tr("Stopped: ω became infinite in step 12, after t = 1.1. Everything before is kept; τη > 2: ω grows at "
                 "every step, whatever the data say: lower η or τ, then Reset.")  # fmt: skip
    assert "12 歩目" in stopped and "η か τ を下げる" in stopped and not re.search("[a-z]{3}", stopped)
    assert tr("eta: got -1.0, expected a finite number >= 0.") == "eta：-1.0 は使えない（0 以上の有限の数）。"
    monkeypatch.setenv("HL_LANG", "en")
    assert tr("Back to t 3.2") == "Back to t 3.2"
    monkeypatch.setenv("HL_LANG", "xx")
    with pytest.raises(HLError, match="HL_LANG"):
        tr("Back")


@pytest.mark.parametrize("learner", hlcore.learners.names())
def test_no_dial_row_or_regime_of_any_learner_is_english(learner, japanese):
    try:
        panel = Cockpit(experiments.get("tracker-water-flow", learner=learner))
    except HLError:
        pytest.skip("not for this experiment")
    assert not set(english(panel))


def test_a_run_with_all_its_parts_is_japanese(japanese):
    panel = Cockpit(experiments.get("tracker-water-flow")).race()
    panel.step(450)
    panel.at(20.0)
    panel.fork(eta=1.0)
    panel.set(eta=3.0).pin()
    panel.view.maps = True
    panel.step(5)
    assert not set(english(panel))
    panel._loop.post("set eta", ("field", -1.0))  # bad input is told in the frame of an error
    assert {word for word, _ in english(panel)} == {"eta"}, "a name that a program knows"
    panel.set(eta=21.0)
    with pytest.raises(HLError):
        panel.step(3000)
    assert "無限大" in panel._alarm.value and not set(english(panel))
    panel.close()


def test_the_control_an_english_panel_is_found_out(monkeypatch):
    monkeypatch.setenv("HL_LANG", "en")
    found = {word for word, _ in english(Cockpit(experiments.get("tracker-water-flow")))}
    assert {"Play", "Reset", "dissipation", "prediction", "overdamped", "keep"} - found <= {"keep"} and len(found) > 100


def test_predictions_exercises_and_the_valley_are_japanese(japanese):
    panel = Cockpit(experiments.get("tracker-water-flow"))
    asked = Predict("問い？", ["はい", "いいえ"], "はい", "理由", panel)
    drawn = Predict("問い？", Sketch("t", "L", (0, 1), (0, 1)), ([0, 1], [0, 1]))
    for one, said in ((asked, "はい"), (drawn, [0.0, 1.0])):
        assert not set(english(one)) and not set(english(panel))
        assert not set(english(one.answer(said))) and not set(english(one.reveal()))
    exercise = Exercise("Exercise 1", close_to(2.0), ["考える"])
    assert not re.search("[A-Za-z]{3}", "".join(exercise.check(x) for x in (..., 1, 3, 2.0)))
    assert json.loads(exercise.report())["exercise"] == "Exercise 1", "what a program reads stays as it is"
    valley = Valley()
    assert not set(english(valley)) and "一つの道" in valley._status.value
    assert "二つの道" in valley.set(eta=1.0).step(3)._status.value


def asked(program):
    """What the predictions and exercises of a lab say: their first arguments and lists of texts."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Predict", "Exercise"):
            given = [each for one in node.args for each in (one.elts if isinstance(one, ast.List) else [one])]
            yield from (one.value for one in given if isinstance(one, ast.Constant))


@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_what_a_japanese_lab_asks_is_japanese(lab, japanese):
    texts = set(asked(code(lab)))
    assert len(texts) > 10 and not {text for text in texts if tr(text) == text}
