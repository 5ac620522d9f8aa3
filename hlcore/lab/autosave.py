"""A run that outlives its kernel: its state string on disk, every few seconds while it plays."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from ..errors import MISTAKES, HLError
from ..experiments import Experiment
from ..files import writable, write_whole
from ..records import export
from ..runs import state_string

FOLDER = ".hl-autosave"  # beside the notebook
EVERY = 5.0  # seconds that a dead kernel loses, at most
SELF = uuid4().hex  # this kernel


class Autosave:
    """Keeps FOLDER/EXPERIMENT.json, which holds the state string; when the run rests, its record beside it, as NetCDF.

    trouble  why nothing is kept any more: a place that cannot be written, a run that a string cannot tell
    """

    def __init__(self) -> None:
        self.trouble = ""
        self._last, self._steps, self._begun = time.monotonic(), 0, False

    def keep(self, run: Any, resting: bool = False, state: Callable[[], str] | None = None) -> None:
        """Write what is new, if it is time; at once where a run that was kept comes to rest.

        state  tells the state string, of the run and its forks; None: the run's own
        """
        due = self._begun if resting else time.monotonic() - self._last >= EVERY
        if not due or self.trouble or run.learner.steps == self._steps:
            return
        file = place(run.experiment)
        try:
            content = {"by": SELF, "steps": run.learner.steps, "state": (state or run.state_string)()}
            write_whole(writable(file, folder=True), json.dumps(content))
            if resting and len(run.recorder):
                export.save(run.trajectory(), file.with_suffix(".nc"))
        except HLError as error:
            self.trouble = f"not kept for a dead kernel: {error}"
        self._last, self._begun = time.monotonic(), True
        self._steps = run.learner.steps if resting else self._steps


def place(experiment: Experiment) -> Path:
    """Where the runs of an experiment are kept."""
    return Path.cwd() / FOLDER / f"{quote(experiment.name, safe='')}.json"


def left(experiment: Experiment) -> tuple[int, str] | None:
    """(steps, state string) of a run of this very experiment that another kernel has left; None if there is none."""
    try:
        found = json.loads(place(experiment).read_text(encoding="utf-8"))
        by, steps, text = found["by"], int(found["steps"]), found["state"]
        told = state_string.parsed(text)
        same = told["experiment"] == experiment.name and told["options"] == json.loads(json.dumps(experiment.recipe()))
    except (OSError, *MISTAKES):
        return None
    return (steps, text) if same and by != SELF and steps else None
