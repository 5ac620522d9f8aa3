"""The moves of a world by hand: a button for each, and keys; the learner watches."""

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as W
import torch

from ..words import tr
from .figures.figure import Figure, View
from .keyboard import Keyboard
from .widgets import button, row

KEYS = {"north": "ArrowUp", "south": "ArrowDown", "east": "ArrowRight", "west": "ArrowLeft", "take": "T"} | {
    "on": "ArrowRight", "back": "ArrowLeft",
}  # fmt: skip


class Drive(Figure):
    """Buttons for the actions of a world: `post("drive", action)` is a step with this move. And what HL would do.

    Keys, while the focus is here: arrows where an action is a way, else its number.
    """

    title = "you drive, HL watches"
    first = True

    def __init__(self, post: Callable[[str, Any], None]) -> None:
        self._post = post
        self._names: tuple[str, ...] = ()
        self._would = W.HTML()
        self._keys = Keyboard(self._pressed, within=".hl-drive", about=tr("the moves of the world"))
        self.widget: Any = row([])
        self.widget.add_class("hl-drive")

    def frame(self, run: Any, view: View) -> None:
        """Say what the learner would do where the world is."""
        here = run.stream.answers
        self.widget.layout.display = "" if here else "none"
        if not here or (run.report is None and run.stream.names == self._names):
            return
        values = None
        if run.report is not None:
            with torch.no_grad():
                values = run.learner.law.output(run.stream[run.learner.steps].u, {})[0, 1]
        count = len(run.stream.names) or getattr(run.stream, "actions", 0) or (0 if values is None else len(values))
        self._offer(run.stream.names or tuple(f"move {a}" for a in range(count)))
        if values is not None:
            self._would.value = tr(f"HL would take: <b>{self._names[int(values.argmax())]}</b>")

    def _offer(self, names: tuple[str, ...]) -> None:
        if names == self._names:
            return
        self._names = names
        self._keys.keymap = {KEYS.get(name, str(a)): tr(name) for a, name in enumerate(names)}
        tip = "Make this move; key: {}"
        buttons = [
            button(name, tip.format(KEYS.get(name, a)), partial(self._post, "drive", a)) for a, name in enumerate(names)
        ]
        self.widget.children = [*buttons, self._would, self._keys]

    def _pressed(self, key: str) -> None:
        if key in self._keys.keymap:
            self._post("drive", list(self._keys.keymap).index(key))
