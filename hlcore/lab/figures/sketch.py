"""A sketch: a pair of axes into which a curve is drawn, with the pointer or with arrow keys, before it is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ...errors import bad
from ...palette import CANVAS
from ..widgets import Scripted

POINTS = 41  # of a drawn curve


class Sketch(Scripted):
    """Axes to draw a curve into, y(x).

    x, y          what they are called       across, up  the least and largest of each
    `drawn` has a height for each of 41 places, None where nothing is drawn; `found` is the curve that came.
    """

    _esm = Path(__file__).with_name("sketch.js")
    plan = traitlets.Dict().tag(sync=True)
    drawn: Any = traitlets.List().tag(sync=True, echo_update=False)  # or the browser's pen would go back
    found: Any = traitlets.List().tag(sync=True)
    theme = traitlets.Dict(CANVAS).tag(sync=True)

    def __init__(self, x: str, y: str, across: Sequence[float], up: Sequence[float]) -> None:
        for name, span in (("across", across), ("up", up)):
            if len(span) != 2 or not np.isfinite(span).all() or not span[0] < span[1]:
                raise bad(f"Sketch {name}", repr(span), "(least, largest)")
        self.across, self.up = (float(across[0]), float(across[1])), (float(up[0]), float(up[1]))
        plan = {"x": x, "y": y, "across": self.across, "up": self.up, "points": POINTS}
        super().__init__(plan=plan, drawn=[None] * POINTS)
        self.on_msg(lambda _, told, __: self.set_state({"drawn": told.get("drawn", [])}))

    def curve(self, heights: Sequence[Any]) -> np.ndarray:
        """(41,): the curve through these heights, spread evenly over x; what is None is bridged. Draws it."""
        y = np.array([np.nan if h is None else h for h in heights], float)
        there = np.flatnonzero(np.isfinite(y))
        if y.ndim != 1 or len(there) < 2:
            raise bad("drawn curve", f"{len(there)} heights", "two or more", "draw from left to right")
        places = np.linspace(0, len(y) - 1, POINTS)
        whole = np.interp(places, there, y[there]).clip(*self.up)
        self.drawn = whole.round(6).tolist()
        return whole

    def shows(self, found: Any) -> np.ndarray:
        """(41,): the curve (x, y) that came, at the places of the drawn one. Draws it."""
        x, y = (np.asarray(part, float) for part in found)
        if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
            raise bad("curve that came", f"shapes {x.shape}, {y.shape}", "x and y of one length")
        whole = np.interp(np.linspace(*self.across, POINTS), x, y)
        self.found = np.nan_to_num(whole, nan=self.up[1], posinf=self.up[1]).round(6).tolist()
        return np.array(self.found)

    def distance(self, a: np.ndarray, b: np.ndarray) -> float:
        """The mean distance of two curves, as far as they are within the axes, in heights of the axes."""
        return float(np.abs(a.clip(*self.up) - b.clip(*self.up)).mean() / (self.up[1] - self.up[0]))
