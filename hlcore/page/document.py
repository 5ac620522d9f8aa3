"""A page of one file: its scripts and numbers inside it, opened from anywhere, asking for nothing."""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import bad
from ..palette import BLACK, CANVAS, WHITE
from ..words import catalogue

HERE = Path(__file__).parent
CANVAS_JS = HERE.parent / "lab/figures/canvas.js"  # the panel's own
END = "export default "


def document(title: str, scripts: Sequence[Path], data: dict[str, Any]) -> str:
    """The page: each script a room of its own under its file's name, `data` and the words as JSON, the page's style.

    A script ends with `export default …;`, and may name the scripts before it. The browser is told to run nothing but
    these scripts and to load nothing: what is in `data` stays text.
    """
    style = variables() + (HERE / "page.css").read_text(encoding="utf-8")
    script = "'use strict';\n" + "\n".join(map(_room, scripts))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{style}</style></head><body>
<script type="application/json" id="data">{as_json({**data, "theme": CANVAS, "words": catalogue()["page"]})}</script>
<script>{script}</script></body></html>
"""


def as_json(data: Any) -> str:
    """JSON that no HTML can end: < and its kin as escapes. Raises HLError for what JSON has no words for."""
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise bad("page", str(error), "numbers, texts, and lists and dicts of them") from None
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def packed(x: np.ndarray) -> str:
    """The bytes of an array, little-endian, row after row, as text."""
    return base64.b64encode(np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes()).decode()


def variables() -> str:
    """The palette as variables of the style, for light and for dark."""

    def told(side: str, other: str) -> str:
        theme, paper = CANVAS[side], CANVAS[side]["paper"]
        return (
            f":root{{--paper:{paper};--tone:{theme['tone']};--ink:{theme['inks'][0]};--second:{theme['inks'][1]};"
            f"--good:{theme['inks'][2]};--alarm:{CANVAS['mark']};--on-ink:{other};--on-second:{BLACK}}}"
        )

    dark = told("dark", CANVAS["dark"]["paper"])
    return f"{told('light', WHITE)}@media(prefers-color-scheme:dark){{{dark}}}\n"


def _room(file: Path) -> str:
    body, end, name = file.read_text(encoding="utf-8").rpartition(END)
    assert end, f"{file} exports nothing"
    return f"const {file.stem} = (() => {{\n{body}return {name.strip()}\n}})();"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
