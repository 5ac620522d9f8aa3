"""One palette: what Python and the canvas draw takes its colours from one place, and can be told apart."""

import re
from pathlib import Path

import hlcore
from hlcore import palette
from hlcore.lab import Canvas

HERE = Path(hlcore.__file__).parent
COLOUR = re.compile(r"""#[0-9a-fA-F]{6}\b|["'(:]#[0-9a-fA-F]{3}\b|rgba?\(\s*\d|hsla?\(""")


def test_no_colour_stands_elsewhere():
    files = [f for f in HERE.rglob("*") if f.suffix in (".py", ".js") and f.name != "palette.py"]
    assert len(files) > 60
    assert [(f.name, x) for f in files for x in COLOUR.findall(f.read_text())] == []
    assert len(COLOUR.findall((HERE / "palette.py").read_text())) > 10, "the pattern finds colours"


def test_the_canvas_is_given_the_palette():
    theme = Canvas().theme
    assert theme == palette.CANVAS and theme["light"]["inks"] == [ink for ink, _ in palette.INK]


def test_inks_differ_in_colour_and_in_dash():
    inks, dashes = zip(*palette.INK, strict=True)
    assert len(set(inks)) == len(set(dashes)) == len(palette.INK)
    for side in ("light", "dark"):
        assert len(set(palette.CANVAS[side]["inks"])) == len(palette.CANVAS["dashes"]) == 6
