"""Runs to look at beside the one that is played: other learners that race it, and earlier runs as ghosts."""

import math
from typing import Any, Self

from ..experiments import differing
from ..runs.run import Run
from . import equations
from .panel import Panel


class Raced(Panel):
    """A panel whose run can be raced, and kept as a ghost: `run` is the run."""

    run: Run

    # what the panel below brings
    _controls: Any
    _rows: Any
    _title: Any

    def race(self, *rivals: str | bool | None) -> Self:
        """Let other learners (by name; none or True: "sgd") take the same run from here on; None ends the race.

        Each has one ink in all rows; `gap` says how far apart they are.
        """
        try:
            self.run.race(*rivals)
        finally:
            self._show_race()
        return self

    @property
    def gap(self) -> float:
        """The largest |Δθ| from the rivals since `race`; nan without a race, or where they have other weights."""
        known = [rival.gap for rival in self.run.rivals if not math.isnan(rival.gap)]
        return max(known, default=math.nan)

    def pin(self) -> Self:
        """Keep the run that is shown as a ghost behind the next ones."""
        changed = equations.told(differing(self.run.experiment.settings, self.run.settings), self.run.settings.about())
        self._rows.pin(", ".join(filter(None, (f"seed {self.run.seed}", changed))))
        return self

    def unpin(self) -> Self:
        """Let the ghosts go."""
        self._rows.unpin()
        self.draw()
        return self

    def _show_race(self) -> None:
        """Who learns what, and against whom."""
        self._title.value = equations.title(self.run)
        self._controls.show_race([rival.name for rival in self.run.rivals])

    def race_commands(self) -> dict[str, Any]:
        """What the messages of these controls do."""
        return {"race": self._join, "pin": lambda on: self.pin() if on else self.unpin()}

    def _join(self, name: str | None) -> None:
        """Chosen from the menu: one more rival, all of them from here on; None: none."""
        there = [rival.name for rival in self.run.rivals]
        self.race(*([None] if name is None else [*there, name]))
