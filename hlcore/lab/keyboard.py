"""The keys of a panel, words for those who listen, and rest for those who want no motion."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets

from ..words import language
from .jupyter import ECHO, FrameGate

KEYS = {  # key: (message, its value, what it does); a panel has those whose message it knows
    " ": ("toggle", None, "play or pause"),
    "ArrowRight": ("step", 1, "a step on"),
    "ArrowLeft": ("step back", 1, "a step back"),
    "Home": ("first", None, "to the beginning"),
    "End": ("last", None, "on to where it was"),
}
SPOKEN = 5.0  # seconds between two sentences that are read out while something plays


class Keyboard(FrameGate):
    """A frame gate that hears keys too, while the focus is in its panel and in no field: `hear(key)` is called then.

    keymap  {key: what it does}, as the map on "?" tells it     within  the selector of what has to have the focus
    said    what is read out
    """

    _esm = ECHO + Path(__file__).with_name("keyboard.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("keyboard.css")
    keymap = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    within = traitlets.Unicode(".hl-panel").tag(sync=True)
    about = traitlets.Unicode("").tag(sync=True)
    lang = traitlets.Unicode("").tag(sync=True)  # of its words

    def __init__(self, hear: Callable[[str], Any], **more: Any) -> None:
        super().__init__(**more)
        self._told, self._playing = -SPOKEN, False
        self.lang = language()
        self.on_msg(lambda _, content, __: hear(str(content.get("key"))))

    def say(self, text: str, playing: bool) -> None:
        """Let this be read out: at once when play begins or ends, else now and then."""
        now = time.monotonic()
        if playing != self._playing or not playing or now - self._told >= SPOKEN:
            self.said, self._told, self._playing = text, now, playing
