"""What every panel is: one in a cell, Play and its kin, a status line, an alarm, a loop, and an end."""

import math
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import ipywidgets as W

from ..errors import HLError
from ..words import tr
from .jupyter import leave, settle
from .keyboard import KEYS, Keyboard
from .loop import LiveLoop
from .widgets import Named, Quiet, alarmed, button, within

NOTICE = 6.0  # seconds for which a warning stays


class Panel(Named, W.VBox):
    """The shell of a panel. What it holds says what `commands` there are, how it goes on, is drawn, and told in words.

    commands  {message of a control: what carries it out}; `button(...)` makes a control that posts one
    `play`, `pause`, `wait` and `close` are twins of what a person does.
    """

    _owned: tuple[Any, ...] = ()  # what ends with the panel; none while it is half built

    def __init__(self) -> None:
        super().__init__(layout=W.Layout(width="100%", min_width="0"))
        self.add_class("hl-panel")
        self._gate = Keyboard(self.pressed, about=type(self).__name__)
        self._loop = LiveLoop(self, self._gate)
        self._owned = (self._loop, self._gate)
        self._status, self._alarm = W.HTML(), W.HTML()
        self._warned, self._warning = -math.inf, ""
        self._questions: list[Any] = []  # a prediction each, without whose answer nothing plays
        self._quiet = Quiet()  # what a control is told by the panel is no message of the control
        self.commands: dict[str, Callable[[Any], Any]] = {"toggle": lambda _: self.toggle()}
        self._play = self.button("Play", "Go on by itself, until paused", "toggle", style="success")
        settle(self)

    # ---- what a panel says of itself ---------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Go on for about so long."""

    def draw(self) -> None:
        """Show a frame."""

    def status(self) -> str:
        """The state of things in words, as HTML."""
        return ""

    def alarm(self) -> str:
        """What is wrong, in words; "" if nothing is."""
        error = self._loop.error
        if error is not None:
            return str(error) if isinstance(error, HLError) else repr(error)
        return self._warning if time.perf_counter() - self._warned <= NOTICE else ""

    def play_word(self) -> str:
        """What the button says that begins."""
        return "Play"

    def words(self) -> str:
        """The state of things for those who listen."""
        return re.sub("<[^>]*>", "", tr(self.status()))

    def hotkeys(self) -> dict[str, tuple[str, Any, str]]:
        """{key: (message, its value, what it does)}."""
        return {key: told for key, told in KEYS.items() if told[0] in self.commands}

    @property
    def asked(self) -> bool:
        """True while a prediction about what will be seen is open."""
        return any(one.came is None for one in self._questions)

    @property
    def waiting(self) -> str:
        """Why nothing plays yet: a prediction that has no answer; "" if there is none."""
        asked = next((one.question for one in self._questions if one.said is None), "")
        return f"Play waits: got no answer to {asked!r}, expected a prediction first." if asked else ""

    # ---- what a program calls ----------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """True between Play and Pause."""
        return self._loop.playing

    def ask(self, question: Any) -> None:
        """Do not play before this `Predict` has an answer."""
        self._questions.append(question)
        self.refresh_status()

    def play(self) -> Self:
        """Go on until `pause`, in the notebook's own event loop; HLError before a prediction that was asked for."""
        if self.waiting:
            raise HLError(self.waiting)
        self._loop.play()
        return self

    def pause(self) -> Self:
        """Stop."""
        self._loop.pause()
        self.refresh_status()
        return self

    def toggle(self) -> Self:
        """Pause what plays, play what rests."""
        return self.pause() if self.playing else self.play()

    async def wait(self) -> None:
        """Wait until the panel rests; raises what stopped it."""
        await self._loop.wait()

    def close(self) -> None:
        """End the task and the widgets."""
        leave(self)
        owned, self._owned = self._owned, ()
        parts = [part for part in within(self, Panel) if part is not self] if owned else []
        if owned:  # views go while their models can still be told: a Tab says so when it goes
            self.children: Sequence[Any] = ()
        for part in (*owned, *parts):  # a widget that is not closed is kept by ipywidgets, and keeps the panel
            part.close()
        super().close()

    def pressed(self, key: str) -> None:
        """A key was pressed, while the focus was in the panel and in no field."""
        if key in self.hotkeys():
            self._loop.post(*self.hotkeys()[key][:2])

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def command(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        self._warned = -math.inf
        if name in ("step", "drive") and self.waiting:
            raise HLError(self.waiting)
        self.commands[name](value)

    def refresh_status(self) -> None:
        """Bring button, status line and alarm up to date."""
        waits = bool(self.waiting)
        self._play.disabled, self._play.tooltip = waits, tr(self.waiting or "Go on by itself, until paused")
        self._play.description = tr("Pause" if self.playing else "Predict first" if waits else self.play_word())
        self._play.button_style = "warning" if self.playing else "success"
        self._status.value = f'<span role="status" aria-live="off">{tr(self.status())}</span>'
        self._alarm.value = alarmed(self.alarm())
        self._gate.keymap = {key: tr(words) for key, (_, _, words) in self.hotkeys().items()}
        self._gate.say(self.words(), self.playing)

    def warn(self, text: str) -> None:
        """Show a line that stays for a few seconds and stops nothing."""
        self._warned, self._warning = time.perf_counter(), text
        self.refresh_status()

    # ---- what a subclass uses ----------------------------------------------------------------------------------------

    def button(self, label: str, tip: str, message: str, value: Any = None, style: str = "") -> W.Button:
        """A button that posts a message; a function as value is asked when it is pressed."""
        return button(label, tip, lambda: self._loop.post(message, value() if callable(value) else value), style)

    def shown(self) -> Self:
        """Draw, and bring the words up to date."""
        self.draw()
        self.refresh_status()
        return self

    def owns(self, *parts: Any) -> None:
        """These are closed with the panel."""
        self._owned += parts
