"""A prediction: a question that is answered before anything moves, and then set beside what came."""

import html
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import ipywidgets as W
import numpy as np

from ..errors import HLError, bad, known
from ..palette import BLUE
from ..words import tr
from .figures.sketch import Sketch
from .panel import Panel
from .widgets import row

NEAR = 0.1  # of the height of a sketch: a curve that is no farther from what came, on the mean, was foreseen


class NotYet(HLError):
    """What came cannot be seen yet."""


class Predict(Panel):
    """A question before play: the panel beside it waits for the answer, which is kept and set beside what came.

    question  a sentence or two
    answers   texts to choose from, at least two; or a `Sketch`, into which a curve is drawn
    came      what came, one of the texts, or (x, y) of a curve; or a function that finds it out when it is asked for:
              () -> either of them, or None as long as nothing can be seen. It may name what a later cell computes
    why       what is said with it
    panel     the panel that waits: Play and Step ask for the answer first; its twins `step` and `set` do not
    `answer` and `reveal` are the twins of a person's doing; `said`, `came` and `right` are None before.
    """

    def __init__(
        self,
        question: str,
        answers: Sequence[str] | Sketch,
        came: Any = None,
        why: str = "",
        panel: Panel | None = None,
    ) -> None:
        drawn = isinstance(answers, Sketch)
        if not drawn and (isinstance(answers, str) or len({a for a in answers if isinstance(a, str)}) < 2):
            raise bad("Predict answers", repr(answers), "two texts or more, each once, or a Sketch")
        if panel is not None and not isinstance(panel, Panel):
            raise bad("Predict panel", type(panel).__name__, "a panel that plays", "panel=Cockpit(experiment)")
        if not drawn and not callable(came):
            known("what came", came, answers)
        super().__init__()
        self.question, self.why, self._answers, self._find, self._beside = question, why, answers, came, panel
        self.said: Any = None
        self.came: Any = None
        self.commands = {"answer": self.answer, "reveal": lambda _: self.reveal()}
        title = f'<span style="font-size:15px"><b>{tr("Predict")}</b>&ensp;{html.escape(tr(question))}</span>'
        self._verdict, self._choices = W.HTML(), {}
        if isinstance(answers, Sketch):
            self.owns(answers)
            hand = self.button(
                "This is my curve", "Hand in what is drawn", "answer", partial(getattr, answers, "drawn")
            )
            asked: list[W.Widget] = [answers, hand]
        else:
            self._choices = {text: self.button(text, "This is my answer", "answer", text) for text in answers}
            asked = list(self._choices.values())
        self._reveal = self.button("Reveal", "Set what came beside the answer", "reveal")
        lines = [W.HTML(title), row([*asked, self._reveal]), row([self._verdict, self._alarm, self._gate])]
        self.children = lines
        self.layout.border_left, self.layout.padding = f"4px solid {BLUE}", "2px 0 2px 12px"
        self.refresh_status()
        if panel is not None:
            panel.ask(self)

    @property
    def right(self) -> bool | None:
        """Whether what came was foreseen; None before it is known."""
        if self.came is None or self.said is None:
            return None
        return self.distance <= NEAR if isinstance(self._answers, Sketch) else bool(self.said == self.came)

    @property
    def distance(self) -> float:
        """How far the drawn curve is from what came, on the mean, in heights of the sketch."""
        return self._answers.distance(self.said, self.came) if isinstance(self._answers, Sketch) else np.nan

    def answer(self, said: Any) -> Self:
        """One of the texts, or heights of a curve, evenly from left to right; until the reveal it may change."""
        if self.came is not None:
            raise bad(
                "Predict answer", repr(said), "one before the reveal", "the question can be asked anew: run its cell"
            )
        self.said = (
            self._answers.curve(said) if isinstance(self._answers, Sketch) else known("answer", said, self._answers)
        )
        return self._told()

    def reveal(self) -> Self:
        """Set what came beside the answer; HLError where there is no answer, or nothing to be seen yet."""
        if self.said is None:
            raise bad("Predict reveal", "no answer yet", "one first", "choose one, or answer(...)")
        try:
            found = self._find() if callable(self._find) else self._find
        except NameError as error:  # a name that a later cell brings
            raise bad("Predict reveal", f"no {error.name} yet", "the cells below, run") from error
        if found is None:
            raise NotYet("Predict reveal: got nothing to be seen yet, expected a run; play first.")
        self.came = (
            self._answers.shows(found) if isinstance(self._answers, Sketch) else known("came", found, self._answers)
        )
        return self._told()

    def refresh_status(self) -> None:
        """Bring the words up to date."""
        super().refresh_status()
        for text, choice in self._choices.items():
            choice.button_style = "info" if text == self.said else ""
            choice.description = f"{tr(text)} ✓" if text == self.said else tr(text)
            choice.disabled = self.came is not None
        self._reveal.disabled = self.said is None or self.came is not None
        self._verdict.value = tr(self.status())

    def hotkeys(self) -> dict[str, tuple[str, Any, str]]:
        """A digit for each answer."""
        return {str(k): ("answer", text, text) for k, text in enumerate(self._choices, start=1) if k < 10}

    def _told(self) -> Self:
        self.refresh_status()
        if self._beside is not None:
            self._beside.refresh_status()
            if not self._beside.playing:
                self._beside.draw()
        return self

    def status(self) -> str:
        """What was said, what came, and whether they agree."""
        if self.said is None:
            return "" if self._beside is None else "The panel below waits for your answer."
        if self.came is None:
            return "Kept. Look, then Reveal." if self._beside is None else "Kept. Now Play, then Reveal."
        agreed = "as you foresaw ✓" if self.right else "not what you foresaw"
        if isinstance(self._answers, Sketch):
            told = f"Solid: what came, {agreed}: {self.distance:.0%} of the height away."
        else:
            said, came = (html.escape(tr(text)) for text in (self.said, self.came))
            told = f"You said <b>{said}</b>; what came is <b>{came}</b>, {agreed}."
        return f"{tr(told)} {html.escape(tr(self.why))}"
