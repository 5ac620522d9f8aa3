"""The figures of a panel: a list, the place in which the added ones stand, and what becomes of one that raises."""

import html
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as W

from ...errors import bad
from ...words import tr
from ..widgets import alarmed, column, row
from .figure import View


class Gallery(list[Any]):
    """Figures in the order in which they are drawn. `append` one, or its class, to see it above the curves.

    fixed  those that stand elsewhere in the panel
    """

    def __init__(self, fixed: Iterable[Any], added: Iterable[Any] = ()) -> None:
        super().__init__(fixed)
        if not isinstance(added, (list, tuple)):
            raise bad("figures", repr(added), "a list of figures", "figures=[Spectrum]")
        self.front, self.place = row([]), row([])
        self.place.add_class("hl-figures")
        self._boxes: list[tuple[Any, W.VBox]] = []
        self._ends = list(self)
        for figure in added:
            self.append(figure)

    def append(self, figure: Any) -> None:
        """Draw this one too from the next frame on; what has a widget stands under its title."""
        figure = figure() if isinstance(figure, type) else figure
        if not callable(getattr(figure, "frame", None)):
            raise bad("figure", repr(figure), "something with a frame(run, view)", "subclass hlcore.lab.Figure")
        super().append(figure)
        if getattr(figure, "widget", None) is not None:
            head = [W.HTML(f"<b>{html.escape(tr(title))}</b>")] if (title := getattr(figure, "title", "")) else []
            self._boxes.append((figure, column([*head, figure.widget], flex="1 1 250px")))
            if getattr(figure, "instead", False):
                self._boxes[-1][1].add_class("hl-instead")
            self._ends.append(figure)
            self._arrange()

    def remove(self, figure: Any) -> None:
        """Draw this one no more, and take it away."""
        super().remove(figure)
        self._boxes = [(one, box) for one, box in self._boxes if one is not figure]
        self._arrange()

    @property
    def instead(self) -> bool:
        """Whether one of them stands in the place of the curves."""
        return any(getattr(figure, "instead", False) for figure in self)

    def draw(self, run: Any, view: View, warn: Callable[[str], None]) -> None:
        """A frame of every figure; one that raises is told, in its place too, and leaves the list."""
        for figure in list(self):
            try:
                past = None if getattr(figure, "over_time", False) else view.past
                figure.frame(past or run, view)
            except Exception as error:
                super().remove(figure)
                text = f"{type(figure).__name__} is drawn no more: {type(error).__name__}: {error}"
                for _, box in [pair for pair in self._boxes if pair[0] is figure]:
                    box.children = [W.HTML(alarmed(text))]
                warn(text)

    def close(self) -> None:
        """End the widgets of those that stand in the panel."""
        for figure in self._ends:
            if hasattr(figure, "close"):
                figure.close()

    def _arrange(self) -> None:
        for place, first in ((self.front, True), (self.place, False)):
            place.children = [box for figure, box in self._boxes if getattr(figure, "first", False) is first]
