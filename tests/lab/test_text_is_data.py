"""Text that comes from outside is shown as text and read as data: never HTML, never code."""

import ast
import html
import json
from pathlib import Path

import ipywidgets as W
import pytest
import torch

import hlcore
from hlcore import HLError, experiments, learners, streams
from hlcore.lab import Cockpit, Doctor, Exercise, Figure, doctor
from hlcore.learners.terms import Regime
from hlcore.records import export
from hlcore.runs import state_string
from hlcore.runs.run import Run

EVIL = "<img src=x onerror=alert(1)>"
CODE = "') or __import__('pathlib').Path('broken').touch() or ('"
HOUSE = Path(hlcore.__file__).parent


class Named(hlcore.Network):
    """Weights with a name that is HTML."""

    def __init__(self):
        super().__init__()
        self.register_parameter(EVIL.replace(".", ""), torch.nn.Parameter(torch.ones(1)))

    def output(self, u, h):
        return u * next(self.parameters())


class Loud(Figure):
    """A figure whose title and whose error are HTML."""

    title = EVIL

    def frame(self, run, view):
        raise RuntimeError(EVIL)


@pytest.fixture
def experiment(monkeypatch):
    monkeypatch.setattr(experiments.registry, "_ENTRIES", experiments.registry.listed())
    sgd = learners.get("sgd")
    monkeypatch.setattr(sgd, "title", EVIL)
    monkeypatch.setattr(sgd, "regime", classmethod(lambda cls, s: Regime(EVIL, EVIL, True, EVIL, EVIL)))

    @experiments.register(EVIL, EVIL, {"good": {}, EVIL: {"eta": 0.1}})
    def evil(seed, word="good"):
        """An experiment whose every word is HTML."""
        return experiments.Setup(
            Named(), streams.Signal(lambda t: t), lambda y, t: (y - t).square().mean(), hlcore.Settings()
        )

    return experiments.get(EVIL)


def shown(widget):
    """Every text that a browser takes for HTML."""
    if isinstance(widget, (W.HTML, W.HTMLMath)):
        yield widget.value
    for child in getattr(widget, "children", ()):
        yield from shown(child)


def harmless(panel):
    texts = list(shown(panel))
    assert texts and not any("<img" in text for text in texts), [text for text in texts if "<img" in text]
    return html.unescape(" ".join(texts))


def test_wherever_the_panel_shows_text(experiment):
    panel = Cockpit(experiment, figures=[Loud])
    assert EVIL in harmless(panel), "the control: the title is shown"
    panel.step(3)
    assert "RuntimeError" in harmless(panel) or EVIL in harmless(panel)
    panel._choose(EVIL)
    panel.race("sgd")
    panel.pin()
    panel._loop.post("load", f"hl1:{EVIL}")
    assert EVIL[:20] in harmless(panel)
    panel.warn(EVIL)
    harmless(panel)
    panel._loop.fail(RuntimeError(EVIL))
    harmless(panel)
    panel.close()
    other = Cockpit(experiments.get(EVIL, learner="sgd"))
    assert EVIL in harmless(other)
    other.close()


def test_the_doctor_and_the_exercises(monkeypatch):
    monkeypatch.setattr(doctor, "report", lambda: (EVIL, False))
    panel = Doctor()
    assert EVIL in harmless(panel)
    panel.close()
    assert isinstance(Exercise(EVIL, lambda answer: EVIL).check(1), str)


@pytest.mark.parametrize("where", ["experiment", "options", "settings", "changes", "seed", "steps", "preset"])
@pytest.mark.parametrize("text", [EVIL, CODE, "__import__('os')"])
def test_a_state_string_is_data(where, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = json.loads(Run(experiments.get("iris-linear")).state_string().removeprefix(state_string.STATE))
    spoilt = {"options": {text: 1}, "settings": {text: 1}, "changes": [[0, {text: 1}]]}.get(where, text)
    with pytest.raises(HLError):
        Run.from_state(state_string.STATE + json.dumps(parts | {where: spoilt}))
    with pytest.raises(HLError):
        Run.from_state(state_string.STATE + json.dumps(parts | {"options": {"dtype": text}}))
    assert list(tmp_path.iterdir()) == []


def test_the_code_of_a_run_quotes_its_words(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run(experiments.get(EVIL, word=CODE))
    run.step(2)
    program = run.code()
    names = {
        node.func.id for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call) and hasattr(node.func, "id")
    }
    assert names == {"print"} and repr(CODE) in program
    exec(program, {})
    assert not (tmp_path / "broken").exists()


def test_a_file_name_stays_in_its_folder(experiment, tmp_path):
    record = experiment.run(3)
    assert export.write(record, EVIL, ".csv", tmp_path).parent == tmp_path
    for name in ("../outside", "/outside", "a/b", ""):
        with pytest.raises(HLError):
            export.write(record, name, ".csv", tmp_path)
    with pytest.raises(HLError):
        export.write(record, "a", EVIL, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_cells_of_a_table_are_numbers_or_told(tmp_path):
    for cell in (EVIL, "=1+1", "__import__('os')", "1_000", "0x10"):
        (tmp_path / "a.csv").write_text(f"x,y\n1,2\n2,3\n{cell},4\n5,6\n")
        with pytest.raises(HLError) as caught:
            streams.from_csv(tmp_path / "a.csv", columns="x")
        assert cell in str(caught.value) and "row 2" in str(caught.value)
    (tmp_path / "b.csv").write_text(f"{EVIL},y\n1,2\n2,3\n3,4\n")
    assert streams.from_csv(tmp_path / "b.csv").columns == [EVIL, "y"]


UNSAFE = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def unsafe(text):
    """What in a program reads data as code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in UNSAFE)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE:
            yield node.module
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"eval", "exec", "compile", "__import__", "os.system", "torch.load", "yaml.load"}:
                yield name
            given = {k.arg: k.value for k in node.keywords}
            if name == "np.load" and not (
                isinstance(x := given.get("allow_pickle"), ast.Constant) and x.value is False
            ):
                yield name
            if isinstance(x := given.get("shell"), ast.Constant) and x.value:
                yield f"{name}(shell=True)"


def test_nothing_in_the_house_reads_data_as_code():
    found = {str(path.relative_to(HOUSE)): list(unsafe(path.read_text())) for path in HOUSE.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}
    assert not [p for p in HOUSE.rglob("*.js") if "innerHTML" in p.read_text() or "eval(" in p.read_text()]
    bad = "import pickle\neval('1')\nnp.load(f)\nsubprocess.run('ls', shell=True)"
    assert len(list(unsafe(bad))) == 4, "the control"
