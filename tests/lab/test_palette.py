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


def contrast(one, other):
    """Of two colours, WCAG 2.2: (L + .05)/(L' + .05) of their relative luminances, the lighter first."""
    light = []
    for colour in (one, other):
        parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_words_that_alarm_can_be_read():
    told = dict(pair.split(":") for pair in palette.FLAG.split(";"))
    assert contrast(told["background"], told["color"]) >= 4.5 > contrast(palette.ALARM, palette.WHITE)
    assert abs(contrast("#000000", "#FFFFFF") - 21) < 1e-9
    pale = re.compile(r"(?<!-)color:(\{ALARM\}|\s*var\(--alarm\))")
    files = [f for f in HERE.rglob("*") if f.suffix in (".py", ".js", ".css")]
    assert [f.name for f in files if pale.search(f.read_text())] == [] and pale.search("{ color: var(--alarm); }")
