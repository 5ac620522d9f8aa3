"""Which rows are shown, in which order, and how tall they are."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LEAST = 46  # pixels a row needs to be read
FIRST = ("y", "L", "|Δθ|")  # what stays longest where there is little room; H' goes first
LAST = "H'"
SHARE = (0.3, 6.0)  # least and largest height of a row, 1 for a usual one


class Seat(NamedTuple):
    """A row and its place."""

    symbol: str
    words: str
    shown: bool
    tall: float


class Arrangement:
    """The places of the rows: what a person asked for, and for the others whatever there is room for.

    shown  {symbol: whether}     order  symbols from above     tall  {symbol: height, 1 for a usual one}
    sparse  True: none is shown that was not asked for
    room   pixels that the browser has for rows; 0 as long as no browser has told: then all are shown
    seats  what became of it at the last frame, hidden rows too
    """

    def __init__(self) -> None:
        self.shown: dict[str, bool] = {}
        self.order: list[str] = []
        self.tall: dict[str, float] = {}
        self.room, self.sparse = 0, False
        self.seats: list[Seat] = []

    def change(
        self,
        shown: Mapping[str, bool] | None = None,
        order: Sequence[str] = (),
        tall: Mapping[str, float] | None = None,
    ) -> None:
        """Ask for something else."""
        self.shown |= shown or {}
        self.order = list(order) or self.order
        self.tall |= {symbol: min(max(float(x), SHARE[0]), SHARE[1]) for symbol, x in (tall or {}).items()}

    def of(self, rows: Sequence[Any]) -> list[Any]:
        """The rows that are shown, in their order, each as tall as it is to be."""
        known = {symbol: k for k, symbol in enumerate(self.order)}
        rows = sorted(rows, key=lambda row: known.get(row.symbol, len(known)))
        rows = [row._replace(tall=self.tall.get(row.symbol, row.tall)) for row in rows]
        seen = self._fitting(rows)
        self.seats = [Seat(row.symbol, row.words, row.symbol in seen, row.tall) for row in rows]
        return [row for row in rows if row.symbol in seen]

    def _fitting(self, rows: Sequence[Any]) -> set[str]:
        """What was asked for, and of the others the first for which there is room."""
        seen = {row.symbol for row in rows if self.shown.get(row.symbol)}
        if self.sparse:
            return seen
        free = [row.symbol for row in rows if row.symbol not in self.shown]
        free.sort(key=lambda symbol: (symbol == LAST) - (symbol in FIRST))
        most = self.room // LEAST if self.room else len(rows)
        seen |= set(free[: max(0, most - len(seen))])
        return seen or {row.symbol for row in rows[:1]}
