"""Every lab is executed, clean, small and true to its outputs; its exercises can be solved, and their stubs fail."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

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
        "--nbval-cell-timeout=1200",
        "--import-mode=importlib",
        *map(str, paths),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```", re.S)
PREDICTIONS = """# NBVAL_IGNORE_OUTPUT
import contextlib
from hlcore.lab.predict import NotYet, Predict
for question in {id(x): x for x in list(globals().values()) if isinstance(x, Predict)}.values():
    choices = list(question._choices)
    question.answer(choices[0] if choices else [0.0, 1.0])
    with contextlib.suppress(NotYet):
        question.reveal()
        assert question.right in (True, False) and question.why"""


def solved(book):
    """The lab, and behind its last cell each solution with its check, and an answer to each prediction."""
    check, behind = "", []
    for cell in book.cells:
        if cell.cell_type == "code":
            check = next((line for line in cell.source.splitlines()[::-1] if ".check(" in line), check)
        elif found := SOLUTION.search(cell.source):
            asked = check.removeprefix("print(").removesuffix(")")
            behind.append(f"# NBVAL_IGNORE_OUTPUT\n{found[1]}\nassert 'solved' in str({asked}), {asked}")
    return [*behind, PREDICTIONS]


@pytest.mark.slow
@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_outputs_are_repeated_solutions_are_accepted_and_predictions_judged(lab, tmp_path):
    book = nbformat.read(lab, as_version=4)
    book.cells += [nbformat.v4.new_code_cell(source) for source in solved(book)]
    nbformat.write(book, tmp_path / lab.name)
    result = nbval(tmp_path / lab.name)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]


@pytest.mark.slow
def test_another_output_and_a_wrong_solution_are_noticed(tmp_path):
    one = "from hlcore.lab import Exercise, close_to\nexercise = Exercise('One', close_to(1.0))"
    code = [nbformat.v4.new_code_cell(x) for x in ("print(1 + 1)", one, "answer = ...\nprint(exercise.check(answer))")]
    for count, cell in enumerate(code, 1):
        cell.execution_count = count
    code[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="3\n")]
    for answer, failed in ((1, 2), (2, 3)):  # the output and the stub's, which is not stored; then the answer, too
        told = nbformat.v4.new_markdown_cell(f"<details>\n```python\nanswer = {answer}\n```")
        book = nbformat.v4.new_notebook(cells=[*code, told])
        book.cells += [nbformat.v4.new_code_cell(source) for source in solved(book)[:1]]
        nbformat.write(book, tmp_path / "a.ipynb")
        result = nbval(tmp_path / "a.ipynb")
        assert result.returncode == 1 and f"{failed} failed" in result.stdout, result.stdout[-2000:]


@pytest.mark.parametrize("lab", LABS, ids=lambda p: p.stem)
def test_each_exercise_has_a_solution_and_greets_its_stub(lab):
    book = nbformat.read(lab, as_version=4)
    stubs = [c for c in book.cells if c.cell_type == "code" and "print(" in c.source and ".check(" in c.source]
    for cell in stubs:
        told = "".join(o.get("text", "") for o in cell.outputs)
        assert "not begun" in told or "not yet" in told, told
        assert "Traceback" not in told and "rror" not in told
    assert len(solved(book)) - 1 == json.dumps(book).count("<summary>Solution") >= 3
