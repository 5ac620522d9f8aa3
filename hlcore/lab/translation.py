"""Labs in another language: the same cells of code, the words by the id of their cell."""

import hashlib
import json
import re
from pathlib import Path

from ..errors import bad

CELL = re.compile(r"^<!-- ([\w-]+) ([0-9a-f]{8}) -->\n(.*?)(?=^<!-- [\w-]+ [0-9a-f]{8} -->\n|\Z)", re.M | re.S)


def words_of(lab: Path, language: str) -> Path:
    """Where the words of a lab stand in a language: labs/ja/00_start_here.md. Not every lab has them."""
    return lab.parent / language / f"{lab.stem}.md"


def digest(words: str) -> str:
    """Eight letters that change with a cell's words: those that were translated stand beside the translation."""
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def translated(notebook: str, words: str) -> str:
    """A notebook's text with each cell of words in another language.

    words  for each of them `<!-- id digest -->` and the text below it

    Raises HLError for a cell that has none, one that changed since it was translated, and one that is no more.
    """
    told = {name: (of, text.strip("\n")) for name, of, text in CELL.findall(words)}
    book = json.loads(notebook)
    for cell in (cell for cell in book["cells"] if cell["cell_type"] == "markdown"):
        of, text = told.pop(cell["id"], ("none", ""))
        if of != (now := digest("".join(cell["source"]))):
            raise bad(
                f"translation of cell {cell['id']}", of, now, "translate what stands there now, and put its digest"
            )
        cell["source"] = text.splitlines(keepends=True)
    if told:
        raise bad("translation", f"words for {', '.join(told)}", "words for cells that are there")
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"
