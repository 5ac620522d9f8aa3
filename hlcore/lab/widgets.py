"""Buttons, rows, sliders, menus and alarms as all panels have them, and how the loop writes to them unheard."""

import html
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as W
import traitlets

from ..palette import FLAG
from ..words import language, of_scripts, tr

STYLE = {"description_width": "initial"}  # or labels are cut off


def button(label: str, tip: str, press: Callable[[], Any], style: str = "") -> W.Button:
    """A button with words on it."""
    layout = W.Layout(width="auto", min_width="64px")
    made = W.Button(description=tr(label), tooltip=tr(tip), button_style=style, layout=layout)
    made.on_click(lambda _: press())
    return made


def slider(kind: Any, value: Any, low: Any, high: Any, label: str, width: str = "300px", **more: Any) -> Any:
    """A slider of the given kind with its label."""
    layout = W.Layout(width=width, min_width="200px")
    return kind(value=value, min=low, max=high, description=tr(label), style=STYLE, layout=layout, **more)


def menu(options: Iterable[Any], label: str = "", width: str = "240px", tooltip: str = "", **more: Any) -> Any:
    """A drop-down menu with its label."""
    look = {"description": tr(label), "tooltip": tr(tooltip), "style": STYLE, "layout": W.Layout(width=width)}
    return W.Dropdown(options=named(options), **look, **more)


def named(options: Iterable[Any]) -> list[Any]:
    """What can be chosen, values or (words, value), in the language asked for."""
    given = list(options)
    pairs = [one if isinstance(one, tuple) else (str(one), one) for one in given]
    return given if language() == "en" else [(tr(words), value) for words, value in pairs]


def row(widgets: Iterable[W.Widget], **layout: Any) -> W.HBox:
    """Side by side, and below each other where there is no room."""
    given = {"flex_flow": "row wrap", "align_items": "center", "min_width": "0"} | layout
    return W.HBox(list(widgets), layout=W.Layout(**given))


def column(widgets: Iterable[W.Widget], **layout: Any) -> W.VBox:
    """Below each other."""
    return W.VBox(list(widgets), layout=W.Layout(**{"min_width": "0"} | layout))


def within(top: W.Widget, but: type | tuple[type, ...] = ()) -> list[W.Widget]:
    """A widget and all of which it consists, looks, layouts and what it hides; but what is of the kind `but` in it."""
    found: dict[int, W.Widget] = {}
    ahead = [top, *(part for part in vars(top).values() if isinstance(part, W.Widget))]
    while ahead:
        one = ahead.pop()
        if id(one) not in found and (one is top or not isinstance(one, but)):
            found[id(one)] = one
            for value in one.trait_values(sync=True).values():
                held = value if isinstance(value, (list, tuple)) else (value,)
                ahead += [part for part in held if isinstance(part, W.Widget)]
    return list(found.values())


def end(top: W.Widget) -> None:
    """Close a widget and all of which it consists: ipywidgets keeps what is open, and what that refers to."""
    for one in within(top):
        one.close()


def alarmed(text: str) -> str:
    """The text as an alarm, in HTML."""
    return f'<span role="alert" style="{FLAG};font-weight:600">⚠ {html.escape(tr(text))}</span>' if text else ""


class Named:
    """Its repr is its name, the same every time."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class OwnScript(Named, anywidget.AnyWidget):
    """A widget with a script of its own, `_esm`, and a style, `_css`: texts or files."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Read the files: a path would be watched, and the watch keeps every widget that was ever made."""
        for name in ("_esm", "_css"):
            file = vars(cls).get(name)
            if isinstance(file, Path):
                setattr(cls, name, file.read_text(encoding="utf-8"))
        super().__init_subclass__(**more)


class Scripted(OwnScript):
    """A widget whose script says some words, each as `words` has it."""

    words = traitlets.Dict().tag(sync=True)

    @traitlets.default("words")
    def _words(self) -> dict[str, str]:
        return of_scripts()


class Quiet:
    """Lets the loop write to a widget without hearing its own voice."""

    def __init__(self) -> None:
        self._thread: int | None = None

    def __enter__(self) -> None:
        self._thread = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self._thread = None

    def observe(self, widget: W.Widget, hear: Callable[[Any], None], trait: str = "value") -> None:
        """Call hear(value) when someone else than the loop itself moves the widget."""

        def handle(change: Any) -> None:
            if self._thread != threading.get_ident():
                hear(change.new)

        widget.observe(handle, trait)
