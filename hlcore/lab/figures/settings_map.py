"""A map of two settings: a cell for each pair of values, the border from theory, and the pairs that were visited."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ...palette import BLACK, CANVAS, DEPTHS, WHITE
from ..widgets import Scripted

LARGEST = float(np.finfo(np.float32).max)


class SettingsMap(Scripted):
    """What a browser draws of a table of runs over two settings; a click, or Enter on a cell, writes `spot`.

    cells  float32, a number for each pair, the first setting slowest; nan is hatched
    plan   x, y: {letter, values, log}; told: what a cell's number is; blank: what nan is; border: pieces
           [x, y, x, y], says: what it is; now: (x, y) of the run that is shown; visited: [[x, y, ink], ...]
    spot   [i, j, how many there were before]
    """

    _esm = Path(__file__).with_name("settings_map.js")
    cells = traitlets.Bytes(b"").tag(sync=True)
    plan = traitlets.Dict().tag(sync=True)
    theme = traitlets.Dict(CANVAS | {"depths": list(DEPTHS), "edge": BLACK, "shine": WHITE}).tag(sync=True)
    spot: Any = traitlets.List().tag(sync=True)

    def show(
        self,
        x: Mapping[str, Any],
        y: Mapping[str, Any],
        cells: np.ndarray,
        told: str,
        blank: str,
        border: np.ndarray,
        says: str,
    ) -> None:
        """Draw the map of x and y, each {letter, values, log}; what is beyond 10 × the median has one colour."""
        pieces = np.asarray(border, float).reshape(-1, 4).tolist()
        with self.hold_sync():
            self.plan = {"x": x, "y": y, "told": told, "blank": blank, "border": pieces, "says": says}
            self.cells = np.clip(cells, None, LARGEST).astype(np.float32).tobytes()

    def mark(self, now: Sequence[float], visited: Sequence[Sequence[float]]) -> None:
        """Where the run is, and the runs beside it."""
        told = {"now": list(now), "visited": [list(one) for one in visited]}
        if self.plan and {k: self.plan.get(k) for k in told} != told:
            self.plan = {**self.plan, **told}
