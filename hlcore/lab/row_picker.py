"""The rows as a list beside the curves: ticked or not, moved, made taller; a mouse does the same in the picture."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as W

from ..words import tr
from .figures.arrangement import Seat
from .screen import place
from .widgets import Quiet, button, menu, row

GROWTH = 1.5


class RowPicker:
    """Posts ("rows", changes of an `Arrangement`); `show` says what came of it."""

    def __init__(self, post: Callable[[str, Any], None], quiet: Quiet) -> None:
        self._post, self._quiet, self._seats = post, quiet, [Seat("", "", True, 1.0)][:0]
        self.ticks: dict[str, W.Checkbox] = {}
        self._list = place("ticks", [])
        self.which = menu([], width="5em", tooltip="the row that is moved")
        moves = [
            button("Up", "Move this row up", partial(self._move, -1)),
            button("Down", "Move this row down", partial(self._move, 1)),
            button("Taller", "Make this row taller", partial(self._grow, GROWTH)),
            button("Lower", "Make this row lower", partial(self._grow, 1 / GROWTH)),
        ]
        self.widgets = [self._list, row([self.which, *moves])]

    def show(self, seats: Sequence[Seat]) -> None:
        """Tick what is seen."""
        if list(seats) == self._seats:
            return
        with self._quiet:
            names = [seat.symbol for seat in seats]
            if names != [seat.symbol for seat in self._seats]:
                chosen = self.which.value
                self.which.options = names
                self.which.value = chosen if chosen in names else names[0]
                for seat in seats:
                    if seat.symbol not in self.ticks:
                        look = {"indent": False, "layout": W.Layout(width="auto", min_width="0")}
                        self.ticks[seat.symbol] = W.Checkbox(description=f"{seat.symbol}  {tr(seat.words)}", **look)
                        self._quiet.observe(self.ticks[seat.symbol], partial(self._tick, seat.symbol))
                self._list.children = [self.ticks[name] for name in names]
            for seat in seats:
                self.ticks[seat.symbol].value = seat.shown
        self._seats = list(seats)

    def _tick(self, symbol: str, on: bool) -> None:
        self._post("rows", {"shown": {symbol: on}})

    def _move(self, by: int) -> None:
        names = [seat.symbol for seat in self._seats]
        at = names.index(self.which.value)
        names.insert(min(max(at + by, 0), len(names) - 1), names.pop(at))
        self._post("rows", {"order": names})

    def _grow(self, factor: float) -> None:
        tall = {seat.symbol: seat.tall for seat in self._seats}
        self._post("rows", {"tall": {self.which.value: factor * tall[self.which.value]}})
