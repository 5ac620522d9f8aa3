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

    options  {option: (least, largest)} makes a slider, (least, largest, "words") one with these words beside it,
             {option: [choice, ...]} a menu
    presets  {name: {option or setting: value}} on the preset menu in place of the experiment's; each begins anew
    start    other values of options and settings to begin with, as `experiments.get` takes them
    `vary(lam=0.2)` is the controls' twin.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Sequence[Any]],
        controls: list[str] | None = None,
        figures: Sequence[Any] | None = None,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        **start: Any,
    ) -> None:
        parameters = inspect.signature(entry(name).builder).parameters
        for option in options:
            if option not in parameters:
                raise unknown(f"option of {name}", option, parameters)
        self.name, self.chosen, self._cases = name, dict(start), dict(presets or {})
        self._start = {option: parameters[option].default for option in options} | start
        self._dials = {option: _dial(option, span, self._start[option]) for option, span in options.items()}
        super().__init__(self._made(start), controls, figures)
        for option, dial in self._dials.items():
            self.commands[f"option {option}"] = partial(self._turn_option, option)
            self._quiet.observe(dial, partial(self._loop.post, f"option {option}"))

    def vary(self, **options: Any) -> Self:
        """Begin anew with other options; what plays goes on playing."""
        chosen, playing = self.chosen | options, self.playing
        self.adopt(self._made(chosen | {"seed": self.run.seed}))
        self.chosen = chosen
        with self._quiet:
            for option, dial in self._dials.items():
                dial.value = (self._start | chosen)[option]
        return self.play() if playing else self

    def _made(self, chosen: Mapping[str, Any]) -> Run:
        experiment = get(self.name, **chosen)
        return Run(experiment.replace(presets=self._cases) if self._cases else experiment, *KEPT)

    def _choose(self, preset: str | None) -> None:
        if preset in self._cases:
            self.chosen = {}
            self.vary(**self._start | dict(self._cases[preset]))
        else:
            super()._choose(preset)

    def _build(self) -> None:
        self.parts.bar = [row(self._dials.values())]
        super()._build()

    def _turn_option(self, option: str, value: Any) -> None:
        self.vary(**{option: value})


def _dial(option: str, span: Sequence[Any], value: Any) -> Any:
    label = option.replace("_", " ")
    if isinstance(span, list):
        return menu(span, label, value=value)
    low, high, *words = span
    label, width = (words[0], "340px") if words else (label, "255px")
    if isinstance(value, int):
        return slider(W.IntSlider, value, low, high, label, width=width, continuous_update=False)
    look = {"step": (high - low) / 100, "readout_format": ".3g", "continuous_update": False}
    return slider(W.FloatSlider, value, low, high, label, width=width, **look)
