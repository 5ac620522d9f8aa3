"""A Cockpit that turns an experiment's own options, too: the graph, the noise, the coupling."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import ipywidgets as W

from ..errors import unknown
from ..experiments import entry, get
from ..runs.run import Run
from .cockpit import Cockpit
from .widgets import menu, row, slider

KEPT = (3000, 4096)  # records, and entries of each quantity: all of a small graph's


class Variants(Cockpit):
    """The Cockpit of an experiment by name, with a control for some of its options; a move begins that variant anew.

    Its own figures stand above the curves.

    options  {option: (least, largest)} makes a slider, {option: [choice, ...]} a menu
    start    other values of options and settings to begin with, as `experiments.get` takes them
    `vary(lam=0.2)` is the controls' twin.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Sequence[Any]],
        controls: list[str] | None = None,
        figures: Sequence[Any] | None = None,
        **start: Any,
    ) -> None:
        parameters = inspect.signature(entry(name).builder).parameters
        for option in options:
            if option not in parameters:
                raise unknown(f"option of {name}", option, parameters)
        self.name, self.chosen = name, dict(start)
        self._dials = {
            option: _dial(option, span, start.get(option, parameters[option].default))
            for option, span in options.items()
        }
        super().__init__(Run(get(name, **start), *KEPT), controls, figures)
        for option, dial in self._dials.items():
            self.commands[f"option {option}"] = partial(self._turn_option, option)
            self._quiet.observe(dial, partial(self._loop.post, f"option {option}"))

    def vary(self, **options: Any) -> Self:
        """Begin anew with other options; what plays goes on playing."""
        chosen, playing = self.chosen | options, self.playing
        run = Run(get(self.name, seed=self.run.seed, **chosen), *KEPT)
        self.chosen = chosen
        self.adopt(run)
        with self._quiet:
            for option in options.keys() & self._dials.keys():
                self._dials[option].value = options[option]
        return self.play() if playing else self

    def _build(self) -> None:
        self.parts.bar = [row(self._dials.values())]
        super()._build()
        screen, figures = self.children
        self.children = [figures, screen]

    def _turn_option(self, option: str, value: Any) -> None:
        self.vary(**{option: value})


def _dial(option: str, span: Sequence[Any], value: Any) -> Any:
    label = option.replace("_", " ")
    if isinstance(span, list):
        return menu(span, label, value=value)
    low, high = span
    if isinstance(value, int):
        return slider(W.IntSlider, value, low, high, label, width="255px", continuous_update=False)
    look = {"step": (high - low) / 100, "readout_format": ".3g", "continuous_update": False}
    return slider(W.FloatSlider, value, low, high, label, width="255px", **look)
