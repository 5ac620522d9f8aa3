"""The rows over time: output, whatever the learner moves, loss and H', with a mark wherever a setting changed."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ...errors import bad
from ...records.recorder import Recorder
from ...words import tr
from .arrangement import Arrangement
from .canvas import GHOST, TARGET
from .figure import Figure, View
from .heatmap import Heat, heat

LINES = 4  # lines of a quantity
POINTS = 1200  # points per line at most
MARKS = 12  # marks kept on the time axis
SMOOTH = 100  # records over which loss and right answers are averaged
MEAN = f"mean of {SMOOTH}"
GHOSTS = 2


class Line(NamedTuple):
    """A curve, how it is drawn, and whether it stays behind as a ghost."""

    name: str
    values: np.ndarray
    style: dict[str, Any]
    stays: bool = True


class Row(NamedTuple):
    """What stands in one row."""

    symbol: str
    words: str
    lines: list[Line]
    log: bool = False
    heat: Heat | None = None
    tall: float = 1.0


class Band(NamedTuple):
    """What would move if a setting did: what it is called, its times, and by row (the curve, how far it would move)."""

    told: str
    t: np.ndarray
    curves: dict[str, tuple[np.ndarray, np.ndarray]]


class Ghost(NamedTuple):
    """An earlier run: what it is called, its times, its curves by (symbol of the row, name)."""

    run: str
    t: np.ndarray
    curves: dict[tuple[str, str], np.ndarray]


class TimeRows(Figure):
    """The last `view.window` records of chosen units, row under row, or of all units as heat maps.

    Of a run that has not begun the first steps to come, pale (`view.opening`). `arrangement` says which rows there are.
    """

    height = 0  # as high as its place
    over_time = True

    def __init__(self) -> None:
        super().__init__()
        self.arrangement = Arrangement()
        self._shown: tuple[np.ndarray, dict[tuple[str, str], np.ndarray]] | None = None
        self._ghosts: list[Ghost] = []
        show_rows(self.widget, [], [], pick=True)

    def pin(self, run: str) -> None:
        """Keep what is shown now as a ghost behind the runs to come: two at most, the newest."""
        if self._shown is not None and len(self._shown[0]):
            self._ghosts = [*self._ghosts, Ghost(run, *self._shown)][-GHOSTS:]

    def unpin(self) -> None:
        """Let the ghosts go."""
        self._ghosts = []

    def save(self, name: str) -> None:
        """Let the browser save the rows as a picture."""
        if self.widget.layout.display == "none":
            raise bad("PNG", "no row of curves", "one that is shown", "tick it under 'rows'")
        self.widget.save(name)

    def frame(self, run: Any, view: View) -> None:
        """Show the record, the changes, the ghosts, and the rival of a race."""
        ahead = view.opening if not len(run.recorder) else None
        run = ahead or run
        recorder, rows = run.recorder, self.arrangement.of(rows_of(run, view))
        self.widget.layout.display = "" if rows else "none"
        if not rows:
            return
        t = recorder.window("t", view.window)
        if not len(t):
            show_rows(self.widget, rows, [], pick=True)
            return
        values = np.stack([line.values for row in rows for line in row.lines], 1)
        x, ys = thinned(t - t[0], values, recorder.count - len(t))
        last = len(x)
        if view.band is not None and ahead is None:
            beyond = view.band.t[view.band.t > t[-1]] - t[0]
            x, ys = np.append(x, beyond), np.vstack([ys, np.full((len(beyond), ys.shape[1]), np.nan)])
        columns = iter(ys.T)
        rows = [row._replace(lines=[line._replace(values=next(columns)) for line in row.lines]) for row in rows]
        if ahead is not None:
            told = f"pale: its first {len(t):,} steps, if you press Play now"
            show_rows(self.widget, rows, [x], float(t[0]), pick=True, ahead=tr(told))
            return
        curves = {(row.symbol, line.name): line.values for row in rows for line in row.lines if line.stays}
        self._shown = x + t[0], curves
        for ghost in self._ghosts:
            for row in rows:
                for (symbol, name), y in ghost.curves.items():
                    if symbol == row.symbol and (symbol, name) in curves:
                        style = {"ink": GHOST, "width": 1.4, "quiet": symbol != "L"}  # the loss tells which is which
                        values = np.interp(x + t[0], ghost.t, y, left=np.nan, right=np.nan)
                        row.lines.append(Line(ghost.run, values, style))
        for k, (name, fork) in enumerate(view.forks.items(), start=1 + len(run.rivals)):
            for row in rows:
                row.lines.extend(of_fork(fork, name, row.symbol, x + t[0], k))
        for row in rows if view.band is not None else ():
            if not (row.symbol == "y" and recorder.classes):  # that row counts right answers
                row.lines.extend(of_band(view.band, row.symbol, x + t[0], float(t[-1])))
        marks = [m for m in view.marks if m[0] >= t[0]][-MARKS:]
        show_rows(self.widget, rows, [x], float(t[0]), marks, pick=True, last=last)


def show_rows(
    canvas: Any, rows: list[Row], x: list[np.ndarray], start: float = 0.0, marks: Sequence[Any] = (), **told: Any
) -> None:
    """Rows over x, a list of one column, or of none while there is nothing yet; `told` goes to the canvas as it is."""
    planned = [
        {
            "symbol": row.symbol,
            "what": f"{tr(row.words)}: {tr(row.heat.told)}" if row.heat else tr(row.words),
            "weight": row.tall,
            "map": row.heat.plan if row.heat else None,
            "log": row.log,
            "lines": [{"name": tr(line.name), **line.style} for line in row.lines],
        }
        for row in rows
    ]
    columns = [*x, *(line.values for row in rows for line in row.lines)] if x else []
    cells = [row.heat.cells for row in rows if row.heat]
    about = tr("over time") + ": " + "; ".join(f"{row.symbol} {tr(row.words)}" for row in rows)
    canvas.show(
        "rows", columns, cells, **{"rows": planned, "start": start, "marks": [*map(list, marks)], "about": about} | told
    )


def rows_of(run: Any, view: View) -> list[Row]:
    """The rows of a run; before its first step all that there may be, without lines."""
    recorder, window, begun = run.recorder, view.window, len(run.recorder) > 0
    rivals, steps = [*enumerate(run.rivals, start=1)], recorder.window("step", window)
    rows = [Row("y", "prediction", answers(recorder, window), tall=1.25)]
    for name, quantity in run.learner.quantities.items():
        if begun and not recorder.names(name):
            continue
        chosen = [] if view.maps else [i for i in view.units.get(name, [0, 1]) if i < len(recorder.names(name))]
        values = recorder.window(name, window, chosen[:LINES])
        lines = [Line(recorder.names(name)[i], values[:, k], {"ink": k}) for k, i in enumerate(chosen[:LINES])]
        for ink, raced in rivals if name == "theta" else ():
            style = {"ink": TARGET if len(rivals) == 1 else ink, "width": 1.4}
            for k, i in enumerate(chosen[:LINES]):  # named once
                lines.append(Line(raced.learner.title, raced.window(steps, i), {**style, "quiet": k > 0}, False))
        cells = heat(recorder, name, window) if view.maps else None
        rows.append(Row(quantity.symbol, quantity.words, lines, heat=cells, tall=1.25 if cells else 1.0))
    loss, energy = recorder.window("loss", window), recorder.window("hamiltonian", window)
    mean = smooth(recorder.window("loss", window + SMOOTH), len(loss))
    lines = [Line(MEAN, mean, {"ink": 0, "width": 2.2})]
    lines.append(Line("L", loss, {"ink": TARGET, "width": 1, "faint": True}, False))
    lines += [Line(raced.learner.title, losses_of(raced, steps), {"ink": ink}, False) for ink, raced in rivals]
    rows.append(Row("L", "loss", lines, log=True))
    rows.append(Row("H'", "Hamiltonian", [Line("H'", energy, {"ink": 0})]))
    if len(rivals) == 1:
        gap = Line("running max |Δθ|", rivals[0][1].window(steps), {"ink": 0})
        rows.append(Row("|Δθ|", f"from {rivals[0][1].learner.title}", [gap], log=True))
    elif rivals:  # one legend: an ink each, in all rows
        gaps = [Line(raced.learner.title, raced.window(steps), {"ink": ink}, False) for ink, raced in rivals]
        rows.append(Row("|Δθ|", "running max from", gaps, log=True))
    return rows if begun else [row._replace(lines=[]) for row in rows]


def answers(recorder: Recorder, window: int) -> list[Line]:
    """Output and target; where the target is a class, the share of right answers."""
    channels, targets = len(recorder.names("output")), len(recorder.names("target"))
    if recorder.classes and channels > targets and channels % targets == 0:
        y, label = recorder.window("output", window + SMOOTH), recorder.window("target", window + SMOOTH)
        right = y.reshape(len(y), targets, -1).argmax(2) == label
        share = smooth(right.mean(1), min(window, len(y)))
        return [Line(f"share of right answers, {MEAN}", share, {"ink": 0, "width": 2})]
    found = [("output", {"ink": 0, "width": 2}, channels), ("target", {"ink": TARGET}, targets)]
    return [
        Line(name, recorder.window(name, window, [0])[:, 0], style, name == "output")
        for name, style, there in found
        if there
    ]


def losses_of(rival: Any, steps: np.ndarray) -> np.ndarray:
    """The mean loss of a rival at these steps of the run, nan where it was not there."""
    known = rival.recorder.window("step")
    if not len(known):
        return np.full(len(steps), np.nan)
    mean, at = smooth(rival.recorder.window("loss"), len(known)), np.searchsorted(known, steps).clip(0, len(known) - 1)
    return np.where(known[at] == steps, mean[at], np.nan)


def of_fork(fork: Any, name: str, symbol: str, x: np.ndarray, ink: int) -> list[Line]:
    """The answer and the mean loss of a fork at times x, in its own ink; nan before it was one."""
    recorder = fork.recorder
    if symbol not in ("y", "L") or not len(recorder) or (recorder.classes and symbol == "y"):
        return []
    loss = smooth(recorder.window("loss"), len(recorder)) if symbol == "L" else None
    values = recorder.window("output", entries=[0])[:, 0] if loss is None else loss
    shown = np.interp(x, recorder.window("t"), values, left=np.nan, right=np.nan)
    return [Line(name, shown, {"ink": ink, "width": 1.6, "quiet": symbol == "y"}, False)]


def of_band(band: Band, symbol: str, x: np.ndarray, now: float) -> list[Line]:
    """The two edges of a band at times x, and its curve ahead of now."""
    if symbol not in band.curves:
        return []
    curve, move = band.curves[symbol]
    edges = [np.interp(x, band.t, curve + side * move, left=np.nan, right=np.nan) for side in (-1, 1)]
    middle = np.where(x > now, (edges[0] + edges[1]) / 2, np.nan)
    return [
        Line(band.told, edges[0], {"ink": 0, "band": True}, False),
        Line("", edges[1], {"ink": 0, "edge": True, "quiet": True}, False),
        Line("", middle, {"ink": 0, "width": 1.2, "faint": True, "quiet": True}, False),
    ]


def smooth(values: np.ndarray, last: int) -> np.ndarray:
    """The mean of up to SMOOTH records before each of the last `last` ones."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(len(values) - last, len(values)) + 1
    begin = np.maximum(end - SMOOTH, 0)
    return (total[end] - total[begin]) / (end - begin)


def thinned(x: np.ndarray, ys: np.ndarray, first: int, most: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points that keep the smallest and the largest value of every stretch of records.

    x (n,), ys (n, lines); `first` is the number of the first record: stretches begin at multiples of their length, so
    that a moving window does not shimmer.
    """
    n = len(x)
    if n <= most:
        return x, ys
    size = -(-2 * n // most)
    skip, parts_x, parts_y = -first % size, [], []
    for a, b in pairwise(sorted({0, skip, n - (n - skip) % size, n})):  # the rest of a stretch, whole ones, a begun one
        stretch = ys[a:b].reshape(-1, min(size, b - a), ys.shape[1])
        low, high, rising = stretch.min(1), stretch.max(1), stretch.argmin(1) <= stretch.argmax(1)
        pair = np.stack([np.where(rising, low, high), np.where(rising, high, low)], 1)
        begin = np.arange(a, b, stretch.shape[1])
        parts_x.append(x[np.stack([begin, begin + stretch.shape[1] // 2], 1)].ravel())
        parts_y.append(pair.reshape(-1, ys.shape[1]))
    return np.concatenate(parts_x), np.concatenate(parts_y)
