"""The runs of a session: the one that plays, its forks and rivals, those before; a table to sort and to load from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import traitlets

from ..errors import HLError, first_line, known
from ..experiments import differing
from ..files import writable, write_whole
from ..palette import INK
from ..runs.forks import TRUNK, Forks
from ..words import tr
from . import equations
from .figures.time_rows import SMOOTH
from .panel import Panel
from .widgets import Scripted

COLUMNS = ("run", "steps", "loss", "seed", "max |Δθ|", "learner", "settings")
EARLIER = 12  # runs before that are kept


class Line(NamedTuple):
    """A run in one line; loss is the mean of the last 100, apart is max |Δθ| from the run, both nan where unknown.

    state  the text from which it comes back; "" for one that is there     why  it cannot be loaded
    """

    name: str
    steps: int
    loss: float
    seed: int
    apart: float
    learner: str
    settings: str
    state: str = ""
    why: str = ""


class RunsTable(Scripted):
    """What a browser shows: {id, sort, text (a value a column), ink, pinned, deletes, loads, why} a row.

    ask(what, id) is called for "load", "pin", "unpin" and "delete".
    """

    _esm = Path(__file__).with_name("runs_table.js")
    _css = Path(__file__).with_name("runs_table.css")
    columns: Any = traitlets.List().tag(sync=True)
    rows: Any = traitlets.List().tag(sync=True)

    def __init__(self, ask: Callable[[str, str], Any]) -> None:
        super().__init__(columns=[*map(tr, COLUMNS)])
        self.on_msg(lambda _, told, __: ask(str(told.get("what")), str(told.get("id"))))


class Runs(Panel):
    """A panel whose runs are told in a table: `run` is the run, `time.tree` has its forks."""

    run: Any
    time: Any
    table: RunsTable
    adopt: Any
    grown: Any
    walked: Any
    _earlier: tuple[Line, ...] = ()
    _number = 0

    def runs(self) -> Any:
        """The runs of this session, a pandas.DataFrame by name: the run, its forks, its rivals, and those before.

        loss is the mean of the last 100 L, "max |Δθ|" the distance from the run, nan while they are at different steps.
        """
        import pandas as pd

        frame = pd.DataFrame([line[: len(COLUMNS)] for line in self._lines()], columns=list(COLUMNS))
        return frame.set_index("run")

    def load(self, name: str) -> None:
        """Let this run of `runs()` take the place of the one that is shown, which stays beside it, or before it."""
        tree, before = self.time.tree, {line.name: line for line in self._earlier}
        known("run", name, [TRUNK, *tree.made, *before])
        if name in tree.made:
            tree = tree.rooted(name)
            self.adopt(tree.trunk, keep=False)
            self.grown(tree)
        elif name in before:
            if before[name].why:
                raise HLError(before[name].why)
            tree = Forks.from_state(before[name].state)
            self._earlier = tuple(line for line in self._earlier if line.name != name)
            self.adopt(tree.trunk)
            self.grown(tree)

    def keep(self) -> None:
        """Put the run on the list of those before, as far as it is: it is about to be left."""
        if self.run.learner.steps:
            self._number += 1
            state, why = "", ""
            try:
                state = self.time.tree.state_string()
            except HLError as error:
                why = first_line(error)
            line = _line(f"{TRUNK} {self._number}", self.run)._replace(state=state, why=why, apart=float("nan"))
            self._earlier = (*self._earlier, line)[-EARLIER:]

    def runs_commands(self) -> dict[str, Any]:
        """What the messages of the table do."""

        def delete(name: str) -> None:
            self._earlier = tuple(line for line in self._earlier if line.name != name)
            if name in self.time.tree.made:
                self.time.tree.delete(name)
            self.walked()

        return {
            "run load": self.load,
            "run delete": delete,
            "run pin": lambda name: (self.time.tree.pin(name), self.walked()),
            "run unpin": lambda name: (self.time.tree.pin(name, False), self.walked()),
            "runs csv": lambda _: self.warn(f"wrote {self._write()}"),
        }

    def show_runs(self) -> None:
        """Bring the table up to date."""
        made, before = self.time.tree.made, {line.name for line in self._earlier}
        inks = {name: k for k, name in enumerate([TRUNK, *map(_race, self.run.rivals), *made])}
        rows = []
        for line in self._lines():
            sort = [None if isinstance(x, float) and not np.isfinite(x) else x for x in line[: len(COLUMNS)]]
            rows.append(
                {
                    "id": line.name,
                    "sort": sort,
                    "text": [tr(_told(x)) for x in line[: len(COLUMNS)]],
                    "ink": _ink(inks[line.name]) if line.name in inks else "",
                    "pinned": made[line.name].pinned if line.name in made else None,
                    "deletes": line.name in made or line.name in before,
                    "loads": line.name in made or (line.name in before and not line.why),
                    "why": line.why,
                }
            )
        self.table.rows = rows

    def _lines(self) -> Iterator[Line]:
        tree = self.time.tree
        yield _line(TRUNK, self.run)
        for name, fork in tree.made.items():
            yield _line(name, fork.run)._replace(apart=tree.apart(name))
        for rival in self.run.rivals:
            yield _line(_race(rival), rival, self.run.seed)._replace(apart=rival.gap)
        yield from self._earlier

    def _write(self) -> Path:
        path = writable(Path.cwd() / f"{self.run.experiment.name}-runs.csv")
        write_whole(path, self.runs().to_csv())
        return path


def _line(name: str, run: Any, seed: int | None = None) -> Line:
    """A run, or a rival, as it is."""
    learner, loss = run.learner, run.recorder.window("loss", SMOOTH)
    settings = learner.settings
    start = run.experiment.settings if seed is None else type(settings)()
    told = equations.told(differing(start, settings), settings.about()) or tr("as given")
    mean = float(loss.mean()) if len(loss) else float("nan")
    return Line(name, learner.steps, mean, run.seed if seed is None else seed, 0.0, tr(learner.title), told)


def _race(rival: Any) -> str:
    return f"race {rival.name}"


def _told(x: Any) -> str:
    return f"{x:.3g}" if isinstance(x, float) and np.isfinite(x) else "–" if isinstance(x, float) else str(x)


def _ink(k: int) -> str:
    colour, dash = INK[k % len(INK)]
    return f"3px {({'solid': 'solid', 'dot': 'dotted'}).get(dash, 'dashed')} {colour}"
