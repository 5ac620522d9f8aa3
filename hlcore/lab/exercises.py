"""Exercises: checked in the cell, with a tolerance, hints in stages, and a friendly word for the stub."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import HLError, bad
from ..words import tr
from .cockpit import Cockpit


class Exercise:
    """A question whose answer a function judges.

    judge  answer -> None if it is right, or a sentence that says what is not right yet
    hints  told one by one, after every wrong answer
    """

    def __init__(self, name: str, judge: Callable[[Any], str | None], hints: Sequence[str] = ()) -> None:
        if not callable(judge):
            raise bad("Exercise judge", repr(judge), "a function of the answer")
        if isinstance(hints, str) or not isinstance(hints, Sequence) or not all(isinstance(x, str) for x in hints):
            raise bad("Exercise hints", repr(hints), "a list of texts")
        self.name, self._judge, self._hints, self._wrong = name, judge, tuple(hints), 0
        self._tries, self._solved, self._state = 0, False, ""

    def check(self, answer: Any) -> str:
        """One line: solved, not begun (the stub `...`), or what is missing, with the next hint."""
        if answer is ... or answer is None:
            return tr(f"{self.name}: not begun. Put your answer in place of the three dots.")
        self._tries += 1
        try:
            complaint = self._judge(answer)
        except HLError as error:
            complaint = str(error)
        except Exception as error:
            complaint = f"your answer raised {type(error).__name__}: {error}"
        if complaint is None:
            self._wrong, self._solved = 0, True
            self._state = answer.state_string() if isinstance(answer, Cockpit) else ""
            return tr(f"{self.name}: solved ✓")
        hint = tr(f" Hint: {self._hints[min(self._wrong, len(self._hints) - 1)]}") if self._hints else ""
        self._wrong += 1
        return tr(f"{self.name}: not yet: {complaint}") + hint

    def report(self) -> str:
        """JSON for a teacher: {"exercise", "solved", "tries", "state"}.

        state  of the panel that solved it: `Cockpit.from_state` opens it; "" where the answer was no panel
        """
        told = {"exercise": self.name, "solved": self._solved, "tries": self._tries, "state": self._state}
        return json.dumps(told, ensure_ascii=False)

    def __repr__(self) -> str:
        return f"Exercise({self.name!r})"


def close_to(expected: float, tolerance: float = 0.01) -> Callable[[Any], str | None]:
    """A judge for a number: within `tolerance` of `expected`, relative to it (absolute around zero)."""

    def judge(answer: Any) -> str | None:
        try:
            value = float(answer)
        except (TypeError, ValueError):
            return f"a number is expected, not {type(answer).__name__}."
        if math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance if expected == 0 else 0):
            return None
        return f"{value:g} is too {'large' if value > expected else 'small'}."

    return judge


def learns(below: float, steps: int = 1500, last: int = 500) -> Callable[[Any], str | None]:
    """A judge for a Cockpit: with its settings, its experiment must come below a loss in its last steps."""

    def judge(cockpit: Cockpit) -> str | None:
        experiment = cockpit.run.experiment.replace(settings=cockpit.settings)
        loss = float(experiment.run(steps).loss[-last:].mean())
        if loss < below:
            return None
        return f"with these settings the loss comes down to {loss:.2g}, and it should come below {below:g}."

    return _of_a_cockpit(judge)


def with_settings(judge: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """A judge of the settings in force in a Cockpit."""
    return _of_a_cockpit(lambda cockpit: judge(cockpit.settings))


def _of_a_cockpit(judge: Callable[[Cockpit], str | None]) -> Callable[[Any], str | None]:
    told = "a Cockpit is expected, not {}."
    return lambda answer: judge(answer) if isinstance(answer, Cockpit) else told.format(type(answer).__name__)
