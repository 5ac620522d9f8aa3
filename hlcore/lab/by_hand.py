"""What a person does to the run of a panel beside turning its settings: moves, a state to start from, steps there and
back by keys, data of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from ..errors import HLError, bad
from ..files import place
from ..runs.run import Run
from . import own_data
from .drive import Drive
from .figures.phase import axes
from .panel import Panel

BESIDE = 0.5  # seconds in which the forks may catch up with a step


class ByHand(Panel):
    """A panel with a `run` in which a person may act; what is done is kept in the run, and told in its state string."""

    run: Run
    _far = 0  # the step to which "End" leads

    # what the panel below brings
    view: Any
    adopt: Callable[[Run], None]
    time: Any
    _controls: Any
    _phase: Any
    _rest: Callable[[], None]
    _show_all: Callable[[], Self]
    figures: Any

    def drive(self, action: int) -> Self:
        """A step after which this move is made in the world, whatever the learner would do."""
        return self._taken(lambda: self.run.drive(action))

    def start_from(self, x: float, y: float, entry: int | None = None) -> Self:
        """Put the unit of the phase portrait, or the entry named, at this point of it: the next step starts there."""
        pair = axes(self.run)
        if not pair:
            raise bad("start_from", "a run without a conjugate pair", "one with a phase portrait")
        self.run.start_from(self.view.phase if entry is None else entry, **dict(zip(pair, (x, y), strict=True)))
        return self.shown()

    def learn_from(self, path: str | Path) -> Self:
        """Learn to foresee each next row of a CSV file, its columns of numbers; a bad file changes nothing."""
        file = place(path)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise bad("file", f"{file} ({error.strerror})", "a CSV file that can be read") from error
        self.adopt(Run(own_data.experiment(file.name, len(content), content)))
        return self

    def hotkeys(self) -> dict[str, tuple[str, Any, str]]:
        """The panel's keys, and a digit for each preset."""
        presets = enumerate([*self.run.experiment.presets][:9], start=1)
        return super().hotkeys() | {str(k): ("preset", name, f"preset {name}") for k, name in presets}

    def _hands(self) -> dict[str, Callable[[Any], Any]]:
        """What the messages of these controls do."""
        if self.run.stream.answers and not any(isinstance(one, Drive) for one in self.figures):
            self.figures.append(Drive(self._loop.post))
        return {
            "drive": self.drive,
            "start from": lambda spot: self.start_from(*spot),
            "own data": self._drop,
            "step back": lambda n: self._walk(self.run.learner.steps - n),
            "first": lambda _: self._walk(int(next(iter(self.run.recorder.window("step")), 0))),
            "last": lambda _: self._taken(lambda: self.run.step(max(0, self._far - self.run.learner.steps))),
        }

    def _taken(self, act: Callable[[], Any]) -> Self:
        """Act, paused, and show what came; what stops it is told, and raised."""
        self._loop.pause()
        try:
            act()
            self._loop.error = None
        except HLError as error:
            self._loop.fail(error)
            raise
        finally:
            self.time.tree.catch_up(BESIDE)
            self.shown()
        return self

    def _walk(self, steps: int) -> None:
        self._far = max(self._far, self.run.learner.steps)
        self._rest()
        self.run.back(max(0, steps))
        self._show_all()

    def _drop(self, told: tuple[str, int, bytes]) -> None:
        self.adopt(Run(own_data.experiment(*told)))
        if not self.waiting and self._loop.loop is not None:
            self.play()
