"""What stays of a panel's run: its line of text, its program, its files, and what a kernel left that ended."""

from collections.abc import Callable
from typing import Any

from ..records.export import write
from ..runs.forks import Forks
from .autosave import Autosave, left


class Keeping:
    """The commands that keep a cockpit's run and bring one back; `again` is a button as long as there is one left.

    show  where a line or a program is to be read     picture  saves the curves under a name
    """

    def __init__(self, cockpit: Any, show: Callable[[str], None], picture: Callable[[str], None]) -> None:
        self._cockpit, self._show, self._picture, self.autosave = cockpit, show, picture, Autosave()

    def commands(self) -> dict[str, Any]:
        """The commands, and the button for the run that another kernel has left."""
        cockpit, found = self._cockpit, left(self._cockpit.run.experiment)
        words = "" if found is None else f"Go on from step {found[0]:,}"
        self.again = cockpit.button(words, "Where this run was when its kernel ended", "again", style="info")
        self.again.layout.display = "none" if found is None else ""
        return {
            "copy": self._copy,
            "load": self._grow,
            "again": lambda _: None if found is None else self._grow(found[1]),
            "export": self._export,
        }

    def keep(self, resting: bool = False) -> None:
        """Keep the run as it is now, if it is time; a trouble is told once."""
        told, run = self.autosave.trouble, self._cockpit.run
        self.autosave.keep(run, resting, self._cockpit.state_string)
        if run.learner.steps:
            self.again.layout.display = "none"
        if self.autosave.trouble != told:
            self._cockpit.warn(self.autosave.trouble)

    def _grow(self, text: str) -> None:
        tree = Forks.from_state(text)
        self._cockpit.adopt(tree.trunk)
        self._cockpit.grown(tree)

    def _copy(self, what: str) -> None:
        cockpit = self._cockpit
        self._show(cockpit.state_string() if what == "state" else cockpit.run.code())

    def _export(self, ending: str) -> None:
        run = self._cockpit.run
        if ending == ".png":
            self._picture(f"{run.experiment.name}-{run.learner.steps}{ending}")
        else:
            self._cockpit.warn(f"wrote {write(run.trajectory(), run.experiment.name, ending)}")
