"""The labs as a folder of one's own: copied once, so that working in them touches no clone and no package."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import bad
from ..words import language
from .translation import translated, words_of

SOLUTION = re.compile(r"\n*<details><summary>(?:Solution|解答)</summary>.*?</details>\n*", re.S)


def sources() -> list[Path]:
    """The notebooks that came with this package: inside it, or beside it in a clone."""
    inside = Path(__file__).parents[1] / "labs"
    found = sorted((inside if inside.is_dir() else inside.parents[1] / "labs").glob("*.ipynb"))
    if not found:
        raise bad("labs", f"none beside {inside.parent}", "the notebooks", "install hlcore's wheel, or work in a clone")
    return found


def hand_out(out: Path, solutions: bool = True) -> list[Path]:
    """The labs that are not yet in folder `out`, written there; what is there already is somebody's work and stays.

    With HL_LANG=ja those that have Japanese words have them.
    """
    spoken = language()
    try:
        out.mkdir(parents=True, exist_ok=True)
        fresh = [lab for lab in sources() if not (out / lab.name).exists()]
        for lab in fresh:
            text, words = lab.read_text(encoding="utf-8"), words_of(lab, spoken)
            text = translated(text, words.read_text(encoding="utf-8")) if words.exists() else text
            (out / lab.name).write_text(text if solutions else without_solutions(text), encoding="utf-8", newline="\n")
    except OSError as error:
        raise bad("out", str(out), "a folder that can be written", str(error)) from error
    return [out / lab.name for lab in fresh]


def without_solutions(text: str) -> str:
    """A notebook's text with the folds called Solution taken out, and the cells that held nothing else."""
    book = json.loads(text)
    kept = []
    for cell in book["cells"]:
        before = "".join(cell["source"])
        after = SOLUTION.sub("\n\n", before).strip("\n") if cell["cell_type"] == "markdown" else before
        if after or after == before:
            kept.append(cell | ({} if after == before else {"source": after.splitlines(keepends=True)}))
    return json.dumps(book | {"cells": kept}, indent=1, ensure_ascii=False) + "\n"


def open_lab(folder: Path, arguments: Sequence[str]) -> int:
    """JupyterLab on the first lab of a folder; its exit status. No shell reads the line: any path, on any system."""
    command = [sys.executable, "-m", "jupyter", "lab", "--ip=127.0.0.1", *arguments]
    return subprocess.run([*command, str(folder / sources()[0].name)], check=False).returncode
