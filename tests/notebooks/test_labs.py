"""Every lab is executed, clean, small and true to its outputs; its exercises can be solved, and their stubs fail."""

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from hlcore.lab import Predict
from hlcore.lab.predict import NotYet

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "labs").glob("*.ipynb"))
TAGS = {"hide-input", "raises-exception"}


def complaints(path):
    """What the guard has against a notebook; strict nbval alone passes cells that were never executed."""
    book = nbformat.read(path, as_version=4)
    code = [c for c in book.cells if c.cell_type == "code"]
    found = []
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        found.append("not executed from top to bottom")
    found += [f"error in cell {c.execution_count}" for c in code for o in c.outputs if o.output_type == "error"]
    if "widgets" in book.metadata:
        found.append("stores the state of widgets")
    if path.stat().st_size > 200_000:
        found.append("larger than 200 kB")
    if book.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("wants another kernel than python3")
    found += [f"unknown tag {t}" for c in book.cells for t in c.metadata.get("tags", []) if t not in TAGS]
    judges = [c for c in code if ("= Exercise(" in c.source and ".check(" not in c.source) or "Predict(" in c.source]
    hidden = [
        c for c in judges if c.metadata.get("jupyter", {}).get("source_hidden") and "hide-input" in c.metadata.tags
    ]
    found += ["answers in plain view: tag the cell hide-input"] * (len(hidden) < len(judges))
    found += ["no prediction"] * (not any("Predict(" in c.source for c in code))
    plain = [c for c in book.cells if c.cell_type == "markdown" and ("**Predict" in c.source or "Reveal</" in c.source)]
    found += ["a prediction that nobody keeps: ask it with Predict"] * bool(plain)
    try:
        nbformat.validate(book)
    except nbformat.ValidationError as error:
        found.append(str(error).splitlines()[0])
    return found


def test_there_are_labs():
    assert LABS


@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_the_guard_passes(lab):
    assert complaints(lab) == [], "python -m tests.notebooks.execute makes labs anew"


@pytest.mark.parametrize(
    "harm", ["unexecuted", "out of order", "error", "widgets", "tag", "kernel", "large", "answers"]
)
def test_the_guard_notices(harm, tmp_path):
    book = nbformat.read(LABS[0], as_version=4)
    code = [c for c in book.cells if c.cell_type == "code"]
    if harm == "unexecuted":
        code[1].execution_count = None
    elif harm == "out of order":
        code[0].execution_count, code[1].execution_count = 2, 1
    elif harm == "error":
        code[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    elif harm == "widgets":
        book.metadata["widgets"] = {}
    elif harm == "tag":
        code[0].metadata["tags"] = ["skip"]
    elif harm == "kernel":
        book.metadata["kernelspec"]["name"] = "julia"
    elif harm == "answers":
        next(c for c in code if "= Exercise(" in c.source).metadata.pop("jupyter")
    else:
        book.cells[0].source += " " * 200_000
    nbformat.write(book, tmp_path / "a.ipynb")
    assert len(complaints(tmp_path / "a.ipynb")) == 1


def nbval(*paths):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.notebooks.nbval_rules"]
    command += [
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=120",
        "--import-mode=importlib",
        *map(str, paths),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_strict_nbval(lab):
    result = nbval(lab)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


@pytest.mark.slow
def test_strict_nbval_notices_another_output(tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1 + 1)", execution_count=1)])
    book.cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="3\n")]
    nbformat.write(book, tmp_path / "a.ipynb")
    result = nbval(tmp_path / "a.ipynb")
    assert result.returncode == 1 and "1 failed" in result.stdout


def run(source, names):
    """What a piece of a lab prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(source, "lab", "exec"), names)
    return told.getvalue()


@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_exercises_greet_the_stub_and_accept_the_solution(lab):
    names, check, solved = {}, "", 0
    for cell in nbformat.read(lab, as_version=4).cells:
        if cell.cell_type == "code":
            told = run(cell.source, names)
            checks = [line for line in cell.source.splitlines() if ".check(" in line]
            if checks:
                check = checks[-1]
                assert "not begun" in told or "not yet" in told, told
                assert "Traceback" not in told and "rror" not in told
        solution = (
            re.search(r"<details>.*?```python\n(.*?)```", cell.source, re.S) if "markdown" in cell.cell_type else None
        )
        if solution:
            run(solution[1], names)
            assert "solved" in run(check, names), solution[1]
            solved += 1
    for question in [x for x in names.values() if isinstance(x, Predict)]:
        choices = list(question._choices)
        question.answer(choices[0] if choices else [0.0, 1.0])
        with contextlib.suppress(NotYet):
            question.reveal()
            assert question.right in (True, False) and question.why
    assert solved >= 3 and solved == json.dumps(nbformat.read(lab, as_version=4)).count("<summary>Solution")
