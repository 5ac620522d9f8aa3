"""Where all of a panel lies: one screen as high as its window, a button that makes it full, and places for more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipywidgets as W

from ..words import tr
from .widgets import Scripted, column


class FullScreen(Scripted):
    """The button *Full screen*; beside that it tells its panel how high the window is, and carries the style sheet."""

    _esm = Path(__file__).with_name("screen.js")
    _css = Path(__file__).with_name("screen.css")


@dataclass
class Parts:
    """The places of a panel. A further part is put into one of them before the panel is built.

    bar     under Play and its kin, a line each
    tabs    {title: what lies there}, one upon the other beside the curves; the first is seen first
    switches  beside the ticks of the rows
    under   right under the curves, as wide as they are
    below   under all, as wide as the panel
    """

    bar: list[W.Widget] = field(default_factory=list)
    tabs: dict[str, W.Widget] = field(default_factory=dict)
    switches: list[W.Widget] = field(default_factory=list)
    under: list[W.Widget] = field(default_factory=list)
    below: list[W.Widget] = field(default_factory=list)


def place(name: str, widgets: Sequence[W.Widget]) -> W.Box:
    """A box that the style sheet knows by its name."""
    box = W.Box(list(widgets), layout=W.Layout(min_width="0"))
    box.add_class(f"hl-{name}")
    return box


def beside(dials: Sequence[W.Widget], tabs: dict[str, W.Widget]) -> list[Any]:
    """The dials, and the tabs under them."""
    return [place("dials", dials), W.Tab(list(tabs.values()), titles=[*map(tr, tabs)])]


def tab(widgets: Sequence[W.Widget], name: str = "tab") -> W.Widget:
    """What lies in one of the tabs."""
    made = column(widgets)
    made.add_class(f"hl-{name}")
    return made
