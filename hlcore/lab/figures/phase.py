"""The phase portrait: where one unit and its costate went, and where they are."""

from itertools import pairwise
from typing import Any

from ...words import tr
from .figure import Figure, View

LAST = 600  # records shown at most


class PhasePortrait(Figure):
    """(h_i, z_i) of one unit, or whatever pair is conjugate for this learner and this network."""

    height = 0

    def __init__(self) -> None:
        super().__init__()
        self.widget.show("plane", [], x="h", y="z", about=tr("phase portrait"))

    def frame(self, run: Any, view: View) -> None:
        """Show the last records of unit `view.phase`."""
        ahead = view.opening if not len(run.recorder) else None
        run = ahead or run
        quantities, pair = run.learner.quantities, axes(run)
        names, columns = run.recorder.names(pair[0]) if pair else [], []
        if not names:
            self._say("begins with the first step" if pair else "nothing here has a conjugate")
            return
        if view.phase < len(names):
            columns = [run.recorder.window(q, min(view.window, LAST), [view.phase])[:, 0] for q in pair]
        x, y = (quantities[q].symbol for q in pair)
        if columns:
            name = names[view.phase]
            x = name if name.startswith(x) else f"{x}  {name}"
        layers = [{"draw": "trail", "ink": 0}]
        told = {"ahead": ""} if ahead is not None else {"spots": bool(len(run.recorder))}
        about = f"phase portrait of {x} and {y}; a click into it is a point to start from"
        self.widget.show("plane", columns, layers=layers, x=x, y=y, about=tr(about), **told)

    def _say(self, why: str) -> None:
        """Words in the place of axes that would be empty."""
        layer = {"draw": "words", "ink": -1, "words": [tr(why)]}
        about = f"{tr('phase portrait')}: {tr(why)}"
        self.widget.show("plane", [[0.0], [0.0]], layers=[layer], bare=True, x="", y="", about=about)


def axes(run: Any) -> tuple[str, ...]:
    """The learner's conjugate pair, or the first two of its quantities along one axis that this network has."""
    quantities, names = run.learner.quantities, run.recorder.names
    pairs: list[tuple[str, ...]] = [(a, b) for (a, x), (b, y) in pairwise(quantities.items()) if x.axis == y.axis]
    if all(q in quantities for q in run.learner.conjugate):
        pairs.insert(0, run.learner.conjugate)
    return next((pair for pair in pairs if all(map(names, pair))), pairs[0] if pairs else ())
