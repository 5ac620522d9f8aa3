"""A run as one page: what was recorded, with cursor and zoom, its forks, settings, changes, the way into the lab."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import HLError
from ..files import place, writable, write_whole
from ..lab import equations
from ..lab.figures.figure import View
from ..lab.figures.time_rows import SMOOTH, Line, Row, of_fork, rows_of, show_rows, thinned
from ..runs.forks import Forks
from .document import CANVAS_JS, HERE, document, packed

POINTS = 4000  # of a line at most; the least and the largest value of every stretch are kept
SCRIPTS = ("parts", "record")
GAP = "|Δθ|"


class Sheet:
    """Takes a frame in the place of a canvas, to be kept as text."""

    def show(self, kind: str, columns: Any, maps: Any = (), **plan: Any) -> None:
        """The frame as the page's canvas shows it."""
        cells = np.concatenate([m.ravel() for m in maps]) if maps else np.empty(0, np.uint8)
        self.frame = {
            "columns": [packed(np.asarray(c, np.float32)) for c in columns], "cells": packed(cells), "plan": plan,
        }  # fmt: skip


def write(run: Any, path: Any, tree: Forks | None = None) -> Path:
    """Write the run, with the forks of its tree, as a page, whole or not at all."""
    path = writable(place(path))
    write_whole(path, run_page(run, tree))
    return path


def run_page(run: Any, tree: Forks | None = None) -> str:
    """The page of a `Run`: curves of the first entries, heat maps of all that were kept, no more than about 1 MB.

    The forks stand in its curves, and |Δθ| from each in a row of its own.
    """
    tree = Forks(run) if tree is None else tree
    learner, about = run.learner, run.settings.about()
    changes = [[at, equations.told(change, about)] for at, change in run.changes]
    start = [[x.letter, x.words, equations.told({name: getattr(run.start, name)}, about)] for name, x in about.items()]
    try:
        told = {"state": tree.state_string(), "program": run.code(), "untold": ""}
    except HLError as error:
        told = {"state": "", "program": "", "untold": str(error)}
    parts = {
        "title": run.experiment.title, "about": run.experiment.about, "learner": learner.title, "seed": run.seed,
        "steps": learner.steps, "summary": equations.summary(run), "start": start, "changes": changes,
        "equations": [equation.format(**{k: x.letter for k, x in about.items()}) for equation in learner.equations],
        "frames": {"curves": _frame(run, tree, False), "heat maps": _frame(run, tree, True)},
        "forks": _forks(tree), **told,
    }  # fmt: skip
    scripts = [CANVAS_JS, *(HERE / f"{name}.js" for name in SCRIPTS)]
    return document(run.experiment.title, scripts, parts)


def _forks(tree: Forks) -> list[dict[str, Any]]:
    """What is said of each fork: where it began, what was changed, how it fared beside the run."""
    found = []
    for fork in tree.made.values():
        loss, about = fork.run.recorder.window("loss", SMOOTH), fork.run.settings.about()
        changes = [equations.told(change, about) for at, change in fork.run.changes if at >= fork.at]
        told = {"loss": f"{loss.mean():.3g}" if len(loss) else "", "apart": f"{tree.apart(fork.name):.3g}"}
        error = "" if fork.error is None else str(fork.error)
        found.append({"name": fork.name, "of": fork.of, "at": fork.at, "changes": changes, "error": error, **told})
    return found


def _beside(rows: list[Row], tree: Forks, t: np.ndarray) -> None:
    """The forks' curves at the run's times, and how far each is from the run."""
    for k, (name, fork) in enumerate(tree.made.items(), start=1):
        for row in rows:
            row.lines.extend(of_fork(fork.run, name, row.symbol, t, k))
        apart = tree.compare(name)
        if "gap" in apart and apart.sizes["time"]:
            values = np.interp(t, apart["time"], apart["gap"], left=np.nan, right=np.nan)
            if rows[-1].symbol != GAP:
                rows.append(Row(GAP, "from the run", [], log=True))
            rows[-1].lines.append(Line(name, values, {"ink": k}))


def _frame(run: Any, tree: Forks, maps: bool) -> dict[str, Any]:
    """All that is on record, in the panel's own rows."""
    units = {name: [0, 1] for name in run.learner.quantities}
    rows, t, sheet = rows_of(run, View(len(run.recorder), maps=maps, units=units)), run.recorder.window("t"), Sheet()
    if not len(t):
        show_rows(sheet, rows, [])
        return sheet.frame
    if not maps:
        _beside(rows, tree, t)
    values = np.stack([line.values for row in rows for line in row.lines], 1)
    x, ys = thinned(t - t[0], values, run.recorder.count - len(t), POINTS)
    columns = iter(ys.T)
    rows = [row._replace(lines=[line._replace(values=next(columns)) for line in row.lines]) for row in rows]
    show_rows(sheet, rows, [x], float(t[0]), equations.marks(run))
    return sheet.frame
