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

    def race(self, rival: str | bool | None = True) -> Self:
        """Let another learner (by name; True: "sgd") take the same run from here on; `gap` says how far apart."""
        try:
            self.run.race(rival)
        finally:
            self._show_race()
        return self

    @property
    def gap(self) -> float:
        """The largest |Δθ| from the rival since `race`; nan without a race."""
        return math.nan if self.run.rival is None else self.run.rival.gap

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
        self._controls.show_race(None if self.run.rival is None else self.run.rival.learner.name)

    def race_commands(self) -> dict[str, Any]:
        """What the messages of these controls do."""
        return {"race": self.race, "pin": lambda on: self.pin() if on else self.unpin()}
