"""Which group of a Chain sees which sample at which tick, and the picture of it."""

from collections.abc import Iterable, Iterator
from itertools import count, islice

from ..errors import known, whole
from .chain import SCHEDULES

Row = tuple[int | None, ...]


def states(groups: int, hold: int = 1, schedule: str = "parallel") -> Iterator[Row]:
    """The wave that goes up: at tick k group i (from 1) computes its output of sample (k - i + 1) // hold.

    None: the group stands (delay_free), or no sample has reached it yet. The output is the state from tick k + 1 on.
    """
    _check(groups, hold, schedule)
    turns = (None if schedule == "parallel" else k % groups for k in count())
    for k, turn in enumerate(turns):
        yield tuple((k - i) // hold if k >= i and turn in (None, i) else None for i in range(groups))


def costates(groups: int, hold: int = 1) -> Iterator[Row]:
    """The wave that comes back (parallel, Euler order): at tick k the costate of group i tells of sample …

    (k - 2G + i - 1) // hold: G ticks up, one through the loss, G - i down. None: no loss has reached it yet.
    """
    _check(groups, hold, "parallel")
    for k in count():
        born = (k - 2 * groups + i for i in range(groups))
        yield tuple(b // hold if b >= 0 else None for b in born)


def picture(rows: Iterable[Row], ticks: int) -> str:
    """The first `ticks` rows as text: time to the right, group 1 at the bottom, a sample's number where it is.

    `picture(states(3), 5)`:

        group 3  . . 0 1 2
        group 2  . 0 1 2 3
        group 1  0 1 2 3 4
           tick  0 1 2 3 4
    """
    table = list(islice(rows, ticks))
    cells = [["." if n is None else str(n) for n in group] for group in zip(*table, strict=True)]
    named = [(f"group {i}", row) for i, row in enumerate(cells, start=1)][::-1]
    named.append(("tick", [str(k) for k in range(ticks)]))
    head, width = len(named[0][0]), max(len(cell) for _, row in named for cell in row)
    return "\n".join(f"{name:>{head}}  " + " ".join(f"{cell:>{width}}" for cell in row) for name, row in named)


def _check(groups: int, hold: int, schedule: str) -> None:
    whole("groups", groups)
    whole("hold", hold)
    known("schedule", schedule, SCHEDULES)
