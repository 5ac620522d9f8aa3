"""What the first steps will be: a run that has not begun shows them, pale, by taking them in a copy."""

from contextlib import suppress
from typing import Any

from ..errors import HLError, whole
from ..runs.run import Run

SECONDS = 2.0  # for all of them: a slow learner shows fewer
OPENING = 300


class Opening:
    """The first `steps` steps of a run at step 0, in a run of their own: the run itself stays where it is.

    What is seen is what Play will do, to the last bit; a setting that is touched before Play moves it. 0: not shown,
    where a question about it is still open.
    """

    def __init__(self, steps: int = OPENING) -> None:
        self.steps = whole("opening", steps, 0)
        self._of: Any = None
        self.run: Run | None = None

    def before(self, run: Run) -> Run | None:
        """The steps to come, or None if the run has begun, or nothing is to be shown."""
        if run.learner.steps or not self.steps:
            self.run = self._of = None
            return None
        of = (run.experiment, run.seed, run.settings, self.steps)
        if self._of is None or of[0] is not self._of[0] or of[1:] != self._of[1:]:
            self._of, self.run = of, None
            ahead = Run(run.experiment.replace(seed=run.seed, settings=run.settings), self.steps, run.recorder.width)
            with suppress(HLError):  # it ends there; Play will tell why
                ahead.learn(SECONDS, self.steps)
            self.run = ahead if ahead.learner.steps else None
        return self.run
