"""Buttons, rows, sliders, menus and alarms as all panels have them, and how the loop writes to them unheard."""

import html
import threading
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as W

from ..palette import ALARM

STYLE = {"description_width": "initial"}  # or labels are cut off


def button(label: str, tip: str, press: Callable[[], Any], style: str = "") -> W.Button:
    """A button with words on it."""
    layout = W.Layout(width="auto", min_width="64px")
    made = W.Button(description=label, tooltip=tip, button_style=style, layout=layout)
    made.on_click(lambda _: press())
    return made


def slider(kind: Any, value: Any, low: Any, high: Any, label: str, width: str = "300px", **more: Any) -> Any:
    """A slider of the given kind with its label."""
    layout = W.Layout(width=width, min_width="200px")
    return kind(value=value, min=low, max=high, description=label, style=STYLE, layout=layout, **more)


def menu(options: Iterable[Any], label: str = "", width: str = "240px", **more: Any) -> Any:
    """A drop-down menu with its label."""
    return W.Dropdown(options=list(options), description=label, style=STYLE, layout=W.Layout(width=width), **more)


def row(widgets: Iterable[W.Widget], **layout: Any) -> W.HBox:
    """Side by side, and below each other where there is no room."""
    given = {"flex_flow": "row wrap", "align_items": "center", "min_width": "0"} | layout
    return W.HBox(list(widgets), layout=W.Layout(**given))


def column(widgets: Iterable[W.Widget], **layout: Any) -> W.VBox:
    """Below each other."""
    return W.VBox(list(widgets), layout=W.Layout(**{"min_width": "0"} | layout))


def alarmed(text: str) -> str:
    """The text as an alarm, in HTML."""
    return f'<span role="alert" style="color:{ALARM};font-weight:600">⚠ {html.escape(text)}</span>' if text else ""


class Named:
    """Its repr is its name, the same every time."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


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
