"""The canvas: rows of lines and maps over time, or lines and points in a plane, drawn by the browser.

A frame of 14 lines costs the browser a few milliseconds; the same as a plotly figure of seven panels costs 100 to 200,
which two cores that also learn cannot give.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ...palette import CANVAS
from ..widgets import Scripted

TARGET = -1  # the ink of what is given, not computed: grey, dotted
GHOST = -2  # the ink of an earlier run
MARK = -3  # the ink of what is to be noticed


class Canvas(Scripted):
    """What the browser draws: `frame` holds float32 columns one after another, `plan` says what they are.

    `maps` holds a byte for each cell of the heat maps, 128 for zero. A new `picture` is saved by the browser as a PNG.
    """

    _esm = Path(__file__).with_name("canvas.js")
    frame = traitlets.Bytes(b"").tag(sync=True)
    maps = traitlets.Bytes(b"").tag(sync=True)
    plan = traitlets.Dict().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    theme = traitlets.Dict(CANVAS).tag(sync=True)
    height = traitlets.Int(400).tag(sync=True)  # 0: as high as its place
    spot: Any = traitlets.List().tag(
        sync=True
    )  # the point of a plane that was clicked, where plan["spots"] asks for it
    picked = traitlets.Float(None, allow_none=True).tag(sync=True)  # where the time cursor stands
    room = traitlets.Int(0).tag(sync=True)  # pixels that the browser has for rows
    rows = traitlets.Dict().tag(sync=True)  # what a mouse does to the rows: changes of an Arrangement

    def show(self, kind: str, columns: Sequence[Any], maps: Sequence[np.ndarray] = (), **plan: Any) -> None:
        """Send one frame, in one message; shorter columns are filled up with nan, which is not drawn.

        kind "rows"   the first column is the time, or what axis= calls it ("slow time T");
                      rows=[{symbol, what, weight, log, map, lines: [{name, ink}]}]
        kind "plane"  x and y of each of layers=[{draw: "line", "points", "words", "trail" or "room", ink}]; x=, y= name
                      the axes, bare=True leaves them out; words=[...], size= and align= belong to a layer
        """
        longest = max((len(c) for c in columns), default=0)
        packed = np.full((len(columns), longest), np.nan, np.float32)
        for row, column in zip(packed, columns, strict=True):
            row[: len(column)] = column
        with self.hold_sync():
            self.plan = {"kind": kind, "points": longest, **plan}
            self.frame = packed.tobytes()
            self.maps = b"".join(m.tobytes() for m in maps)

    def save(self, name: str) -> None:
        """Let the browser save what it shows."""
        self.picture = {"name": name, "number": self.picture.get("number", 0) + 1}
