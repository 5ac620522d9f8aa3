"""What each rank did when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray

PHASES = ("begun", "forward", "backward", "sent", "done")  # moments of a tick: what is over then


class Timeline:
    """The moments of the last `capacity` ticks of one rank, in seconds of this machine's monotonic clock.

    On a GPU, forward and backward are handed over by then; sent and done are over, as H' has been read.
    """

    def __init__(self, capacity: int) -> None:
        self._rows = np.full((capacity, 1 + len(PHASES)), np.nan)
        self._count = 0

    def begin(self, tick: int) -> None:
        """A tick begins."""
        self._rows[self._count % len(self._rows), :2] = tick, time.monotonic()

    def end(self, marks: list[float]) -> None:
        """It is over, with the moments that the stage marked."""
        self._rows[self._count % len(self._rows), 2:] = marks
        self._count += 1

    def rows(self) -> np.ndarray:
        """(ticks, 1 + phases): the tick, then its moments; oldest first."""
        held = min(self._count, len(self._rows))
        return self._rows[np.arange(self._count - held, self._count) % len(self._rows)]


def merged(rows: list[np.ndarray]) -> xarray.Dataset:
    """`moment` over (lane, tick, phase), a lane per rank, in seconds since the first one.

    Between hosts the clocks differ; within one they are the same.
    """
    import xarray

    table = np.stack([r[:, 1:] for r in rows])
    return xarray.Dataset(
        {"moment": (("lane", "tick", "phase"), table - np.nanmin(table))},
        {"lane": np.arange(len(rows)), "tick": rows[0][:, 0].astype(np.int64), "phase": np.asarray(PHASES, dtype=str)},
    )
