"""The scope: output, h, z, θ, ω, loss and H' over one time axis, and the phase portrait, on a canvas.

A frame of 14 lines costs the browser a few milliseconds; the same as a plotly figure of seven panels costs 100 to 200,
which two cores that also learn cannot give.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anywidget
import numpy as np
import traitlets

from ...learners.sgd import Twin
from ...records.recorder import Recorder
from .heatmap import Heat, heat

LINES = 4  # lines per panel
POINTS = 1200  # points per line at most
MARKS = 12  # marks kept on the time axis
SMOOTH = 100  # records over which loss and right answers are averaged
MEAN = f"mean of {SMOOTH}"

ROWS = {
    "output": ("y", "prediction"),
    "h": ("h", "state"),
    "z": ("z", "costate of h"),
    "theta": ("θ", "weights"),
    "omega": ("ω", "costate of θ"),
    "loss": ("L", "loss"),
    "hamiltonian": ("H'", "Hamiltonian"),
    "gap": ("|Δθ|", "from torch.optim.SGD"),
}
TARGET = -1  # the ink of what is given, not computed: grey, dotted
GHOST = -2  # the ink of an earlier run
GHOSTS = 2
GIVEN = ("target", "L", "SGD")  # lines that leave no ghost
UNITS = ("h", "z", "theta", "omega")


class Canvas(anywidget.AnyWidget):
    """What the browser draws: `frame` holds float32 columns one after another, `plan` says what they are.

    `maps` holds a byte for each cell of the heat maps, 128 for zero. A new `picture` is saved by the browser as a PNG.
    """

    _esm = Path(__file__).with_name("canvas.js")
    frame = traitlets.Bytes(b"").tag(sync=True)
    maps = traitlets.Bytes(b"").tag(sync=True)
    plan = traitlets.Dict().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    height = traitlets.Int(400).tag(sync=True)
    picked = traitlets.Float(None, allow_none=True).tag(sync=True)  # the time that was clicked

    def save(self, name: str) -> None:
        """Let the browser save what it shows."""
        self.picture = {"name": name, "number": self.picture.get("number", 0) + 1}

    def show(self, columns: list[np.ndarray], maps: list[np.ndarray] | tuple[()] = (), **plan: Any) -> None:
        """Send one frame, in one message."""
        packed = np.ascontiguousarray(np.stack(columns), dtype=np.float32) if columns else np.empty((0, 0), np.float32)
        with self.hold_sync():
            self.plan = {"points": packed.shape[1], **plan}
            self.frame = packed.tobytes()
            self.maps = b"".join(m.tobytes() for m in maps)

    def __repr__(self) -> str:
        return "Canvas()"


class TimeScope:
    """The last `window` records of chosen units, panel under panel, with a mark wherever a setting changed."""

    def __init__(self, height: int = 700) -> None:
        self.widget = Canvas(height=height)
        self._shown: tuple[np.ndarray, dict[tuple[str, str], np.ndarray]] | None = None
        self._ghosts: list[tuple[str, np.ndarray, dict[tuple[str, str], np.ndarray]]] = []
        self._show([], [], 0.0, [])

    def pin(self, run: str) -> None:
        """Keep what is shown now as a ghost behind the runs to come: two at most, the newest."""
        if self._shown is not None and len(self._shown[0]):
            self._ghosts = [*self._ghosts, (run, *self._shown)][-GHOSTS:]

    def unpin(self) -> None:
        """Let the ghosts go."""
        self._ghosts = []

    def draw(
        self,
        recorder: Recorder,
        window: int,
        units: dict[str, list[int]],
        marks: list[tuple[float, str]],
        twin: Twin | None = None,
        maps: bool = False,
    ) -> None:
        """Show the last `window` records: `units` of each quantity (all, as `maps`), changes, ghosts, SGD's twin."""
        t = recorder.window("t", window)
        if not len(t):
            self._show([], [], 0.0, [])
            return
        heats = {quantity: heat(recorder, quantity, window) for quantity in UNITS} if maps else {}
        units = {quantity: [] for quantity in UNITS} if maps else units
        found = {quantity: self._chosen(recorder, quantity, window, units) for quantity in ROWS if quantity != "gap"}
        if twin is not None:
            steps = recorder.window("step", window)
            for i in units["theta"][:LINES]:
                if i < len(recorder.names("theta")):
                    found["theta"].append(("SGD", twin.window(steps, i)))
            found["gap"] = [("running max |Δθ|", twin.window(steps))]
        lines = [(quantity, name, k) for quantity, each in found.items() for k, (name, _) in enumerate(each)]
        x, ys = thinned(t - t[0], np.stack([v for each in found.values() for _, v in each], 1), recorder.count - len(t))
        self._shown = (x + t[0], {(q, name): ys[:, i] for i, (q, name, _) in enumerate(lines)})
        for run, when, values in self._ghosts:
            for (quantity, name), y in values.items():
                if (quantity, name) in self._shown[1] and name not in GIVEN:
                    lines.append((quantity, run, GHOST))
                    ys = np.column_stack([ys, np.interp(x + t[0], when, y, left=np.nan, right=np.nan)])
        order = sorted(range(len(lines)), key=lambda i: list(ROWS).index(lines[i][0]))  # row by row
        shown = [m for m in marks if m[0] >= t[0]][-MARKS:]
        drawn = {quantity: each for quantity, each in heats.items() if each is not None}
        self._show([lines[i] for i in order], [x, *ys.T[order]], float(t[0]), shown, drawn)

    def _chosen(
        self, recorder: Recorder, quantity: str, window: int, units: dict[str, list[int]]
    ) -> list[tuple[str, np.ndarray]]:
        if quantity == "output":
            return _answers(recorder, window)
        if quantity in UNITS:
            names = recorder.names(quantity)
            picked = [i for i in units.get(quantity, []) if i < len(names)][:LINES]
            values = recorder.window(quantity, window, picked)
            return [(names[i], values[:, k]) for k, i in enumerate(picked)]
        values = recorder.window(quantity, window)
        if quantity == "loss":
            return [
                (f"mean of {SMOOTH}", _smooth(recorder.window("loss", window + SMOOTH), len(values))),
                ("L", values),
            ]
        return [("H'", values)]

    def _show(
        self,
        lines: list[tuple[str, str, int]],
        columns: list[np.ndarray],
        start: float,
        marks: list[tuple[float, str]],
        maps: Mapping[str, Heat] = MappingProxyType({}),
    ) -> None:
        rows = [
            {
                "symbol": symbol,
                "what": f"{what}: {maps[quantity].told}" if quantity in maps else what,
                "weight": 1.25 if quantity == "output" or quantity in maps else 1,
                "map": maps[quantity].plan if quantity in maps else None,
                "log": quantity in ("loss", "gap"),
                "lines": [{"name": name, **_style(of, k, name)} for of, name, k in lines if of == quantity],
            }
            for quantity, (symbol, what) in ROWS.items()
            if quantity in maps or any(of == quantity for of, _, _ in lines) or (not lines and quantity != "gap")
        ]
        about = "over time: " + "; ".join(f"{s} {w}" for s, w in ROWS.values())
        cells = [maps[quantity].cells for quantity in ROWS if quantity in maps]
        self.widget.show(columns, cells, rows=rows, start=start, marks=[list(m) for m in marks], about=about)


class PhaseScope:
    """(h_i, z_i) of one unit: where it went, and where it is."""

    def __init__(self, height: int = 270) -> None:
        self.widget = Canvas(height=height)
        self.widget.show([], x="h", y="z", about="phase portrait")

    def draw(self, recorder: Recorder, window: int, unit: int) -> None:
        """Show the last `window` records of unit `unit`, or of its weight (θ, ω) where a network has no state."""
        of, other = self.axes(recorder)
        columns, names = [], recorder.names(of)
        if unit < len(names):
            columns = [recorder.window(name, min(window, 600), [unit])[:, 0] for name in (of, other)]
        x = f"{ROWS[of][0]}  {names[unit]}" if columns and of == "theta" else names[unit] if columns else of
        y = ROWS[other][0]
        self.widget.show(columns, x=x, y=y, about=f"phase portrait of {x} and {y}")

    @staticmethod
    def axes(recorder: Recorder) -> tuple[str, str]:
        """The pair that is conjugate here: (h, z), or (θ, ω) for a network without state."""
        return ("h", "z") if recorder.names("h") or not len(recorder) else ("theta", "omega")


def thinned(x: np.ndarray, ys: np.ndarray, first: int, most: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points that keep the smallest and the largest value of every stretch of records.

    x (n,), ys (n, lines); `first` is the number of the first record: stretches begin at multiples of their length, so
    that a moving window does not shimmer.
    """
    n = len(x)
    if n <= most:
        return x, ys
    size = -(-2 * n // most)
    skip = -first % size
    full = (n - skip) // size
    parts_x, parts_y = [], []
    for a, b, length in (
        (0, skip, skip),
        (skip, skip + full * size, size),
        (skip + full * size, n, n - skip - full * size),
    ):
        if b > a:
            stretch = ys[a:b].reshape(-1, length, ys.shape[1])
            low, high = stretch.min(1), stretch.max(1)
            rising = stretch.argmin(1) <= stretch.argmax(1)
            pair = np.stack([np.where(rising, low, high), np.where(rising, high, low)], 1)
            begin = np.arange(a, b, length)
            parts_x.append(x[np.stack([begin, begin + length // 2], 1)].ravel())
            parts_y.append(pair.reshape(-1, ys.shape[1]))
    return np.concatenate(parts_x), np.concatenate(parts_y)


def _answers(recorder: Recorder, window: int) -> list[tuple[str, np.ndarray]]:
    """Output and target; where the target is a class, the share of right answers."""
    channels, targets = len(recorder.names("output")), len(recorder.names("target"))
    if recorder.classes and channels > targets and channels % targets == 0:
        y, label = recorder.window("output", window + SMOOTH), recorder.window("target", window + SMOOTH)
        right = y.reshape(len(y), targets, -1).argmax(2) == label
        return [(f"share of right answers, {MEAN}", _smooth(right.mean(1), min(window, len(y))))]
    lines = [("output", recorder.window("output", window, [0])[:, 0])] if channels else []
    return [*lines, ("target", recorder.window("target", window, [0])[:, 0])] if targets else lines


def _smooth(values: np.ndarray, last: int) -> np.ndarray:
    """The mean of up to SMOOTH records before each of the last `last` ones."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(len(values) - last, len(values)) + 1
    begin = np.maximum(end - SMOOTH, 0)
    return (total[end] - total[begin]) / (end - begin)


def _style(quantity: str, k: int, name: str) -> dict[str, Any]:
    if k == GHOST or name == "SGD":
        quiet = k == GHOST and quantity != "loss"  # the loss tells which ghost is which
        return {"ink": GHOST if k == GHOST else TARGET, "width": 1.4, "quiet": quiet}
    if quantity == "output":
        return {"ink": 0, "width": 2} if k == 0 else {"ink": TARGET}
    if quantity == "loss":
        return {"ink": 0, "width": 2.2} if k == 0 else {"ink": TARGET, "width": 1, "faint": True}
    return {"ink": k}
