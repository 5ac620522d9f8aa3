"""The controls: one dial per setting, the transport, the pickers. They only post messages; the loop obeys."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import ipywidgets as W

from ..errors import unknown
from ..lab import equations as words
from ..law.settings import Settings
from .figures.scope import LINES, UNITS

Post = Callable[[str, Any], None]

LABELS = {
    "tau": ("τ", "step", "time per step"),
    "eta": ("η", "dissipation of ω", "1/time; type 0 for none"),
    "eta_z": ("η<sub style='line-height:0'>z</sub>", "dissipation of z", "1/time; type 0 for none"),
    "beta": ("β", "weight speed", "θ' = -βω; type 0 to freeze"),
    "phi": ("φ", "loss scale", "H' = φL + z·h'"),
}
STEP = 0.02  # of a slider, in decades
SPEEDS = [
    ("1 step/s", 1.0),
    ("10 steps/s", 10.0),
    ("100 steps/s", 100.0),
    ("1,000 steps/s", 1000.0),
    ("full speed", math.inf),
]
WINDOWS = [("200 steps", 200), ("1,000 steps", 1000), ("5,000 steps", 5000), ("20,000 steps", 20_000)]
UNCHOSEN = "choose a preset …"


class Quiet:
    """Lets the loop write to a widget without hearing its own voice."""

    def __init__(self) -> None:
        self._thread: int | None = None

    def __enter__(self) -> None:
        self._thread = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self._thread = None

    def observe(self, widget: W.Widget, hear: Callable[[Any], None], trait: str = "value") -> None:
        """Call hear(value) when someone else than the loop itself moves the widget."""

        def handle(change: Any) -> None:
            if self._thread != threading.get_ident():
                hear(change.new)

        widget.observe(handle, trait)


class Dial:
    """A setting as a logarithmic slider and a typed field."""

    def __init__(self, name: str, value: float, post: Post, quiet: Quiet) -> None:
        self.name, self._quiet, self._post, self._shown = name, quiet, post, value
        symbol, what, unit = LABELS[name]
        tip = f"{words.SYMBOLS[name]}: {what} ({unit})"
        middle = round(math.log10(value)) if value > 0 else 0
        self.slider = W.FloatLogSlider(
            value=value or 10.0 ** (middle - 3), base=10, min=middle - 3, max=middle + 2, step=STEP, readout=False,
            tooltip=tip, layout=W.Layout(width="auto", flex="1 1 60px", min_width="60px"),
        )  # fmt: skip
        self.field = W.FloatText(value=value, tooltip=tip, layout=W.Layout(width="84px", min_width="60px"))
        label = W.HTML(
            f'<span title="{tip}"><b style="font-size:15px">{symbol}</b>&nbsp; {what}</span>',
            layout=W.Layout(width="148px", min_width="0"),
        )
        self.box = W.HBox([label, self.slider, self.field], layout=W.Layout(width="100%", min_width="0"))
        quiet.observe(self.slider, self._slid)
        quiet.observe(self.field, lambda value: post(name, ("field", value)))

    def _slid(self, value: float) -> None:
        """The browser snaps what it is shown to the slider's grid and sends that back: not a change."""
        near = self._shown > 0 and abs(math.log10(value / self._shown)) < 0.51 * STEP
        if not near:
            self._post(self.name, ("slider", float(f"{value:.3g}")))

    def show(self, value: float, source: str = "") -> None:
        """Show a value on the parts that it did not come from."""
        self._shown = value
        with self._quiet:
            if source != "slider" and value > 0:
                self.slider.value = min(max(value, 10**self.slider.min), 10**self.slider.max)
            if source != "field" or self.field.value != value:
                self.field.value = value


class Controls:
    """All controls of a panel, and the boxes they lie in.

    only  names of the controls to show beside the transport: settings, "presets", "units", "state"; None: all
    """

    GROUPS = ("transport", "presets", "units", "state")

    def __init__(self, settings: Settings, post: Post, only: list[str] | None) -> None:
        known = [*LABELS, "s", *self.GROUPS]
        for name in only or []:
            if name not in known:
                raise unknown("control", name, known)
        self.shown = set(known if only is None else [*only, "transport"])
        quiet = self.quiet = Quiet()
        self.dials = {
            name: Dial(name, _value(settings, name), post, quiet) for name in LABELS if _is_number(settings, name)
        }
        self.sign = W.ToggleButtons(
            options=[("-1 forward", -1), ("+1 original", 1)], value=settings.s, style={"button_width": "104px"},
            tooltips=["Hamiltonian Learning: forward in time", "the boundary-value problem's sign, run forward"],
        )  # fmt: skip
        quiet.observe(self.sign, lambda value: post("s", ("field", value)))
        self.play = _button("Play", "Learn from the stream until paused", lambda: post("toggle", None), "success")
        self.back = _button("Back", "Click into the curves: go back to that time", lambda: post("back", None))
        self.back.disabled = True
        self.count = W.BoundedIntText(value=100, min=1, max=1_000_000, layout=W.Layout(width="64px"), tooltip="n")
        self.speed = W.Dropdown(options=SPEEDS, value=math.inf, layout=W.Layout(width="122px"), tooltip="speed")
        quiet.observe(self.speed, lambda value: post("speed", value))
        self.preset = W.Dropdown(layout=W.Layout(width="150px"), tooltip="settings worth trying")
        quiet.observe(self.preset, lambda value: post("preset", None if value == UNCHOSEN else value))
        self.window = W.Dropdown(options=WINDOWS, value=5000, layout=W.Layout(width="118px"), tooltip="time shown")
        quiet.observe(self.window, lambda value: post("window", value))
        self.race = W.ToggleButton(
            description="Race SGD", tooltip="The same run by torch.optim.SGD, with the settings of now",
            layout=W.Layout(width="auto", min_width="64px"),
        )  # fmt: skip
        quiet.observe(self.race, lambda value: post("race", value))
        self.units = {name: _picker(name) for name in UNITS}
        for name, picker in self.units.items():
            quiet.observe(picker, partial(post, f"units {name}"), "index")
        self.maps = W.ToggleButton(
            description="heat maps of all units", tooltip="h, z, θ and ω whole, instead of chosen lines",
            layout=W.Layout(width="auto", min_width="64px"),
        )  # fmt: skip
        quiet.observe(self.maps, lambda value: post("maps", value))
        self.phase = W.Dropdown(options=[("—", 0)], layout=W.Layout(width="200px", min_width="0"))
        quiet.observe(self.phase, lambda value: post("phase", value))
        self.text = W.Textarea(
            placeholder="State and Code write here. Paste a state string and press Load.",
            layout=W.Layout(width="auto", height="200px"),
        )
        self._post = post

    def offer(self, presets: Iterable[str]) -> None:
        """Put these presets on the menu."""
        with self.quiet:
            self.preset.options = [UNCHOSEN, *presets]

    def transport(self) -> W.Widget:
        """Play, Step, Reset, New seed, speed, window."""
        post = self._post
        buttons = [
            self.play,
            _button("Step", "One step", lambda: post("step", 1)),
            _button("Step n", "As many steps as the field says", lambda: post("step", self.count.value)),
            self.count,
            _button("Reset", "Back to step 0 with the same seed and the settings of now", lambda: post("reset", None)),
            _button("New seed", "Back to step 0 with other weights", lambda: post("new seed", None)),
            self.back,
            _button("Pin", "Keep this run as a ghost behind the next ones", lambda: post("pin", True)),
            _button("Unpin", "Let the ghosts go", lambda: post("pin", False)),
            self.race,
            W.HBox([W.Label("speed"), self.speed]), W.HBox([W.Label("show last"), self.window]),
        ]  # fmt: skip
        return _row(buttons) if "transport" in self.shown else W.HBox()

    def settings(self) -> W.Widget:
        """The dials, the sign, the presets."""
        rows = [dial.box for name, dial in self.dials.items() if name in self.shown]
        if "s" in self.shown:
            rows.append(
                W.HBox([W.HTML("<b style='font-size:15px'>s</b>&nbsp; sign", layout=W.Layout(width="60px")), self.sign])
            )
        if "presets" in self.shown:
            rows.insert(0, self.preset)
        return W.VBox(rows, layout=W.Layout(width="100%", min_width="0"))

    def drawers(self, portrait: W.Widget) -> W.Widget:
        """What lies one upon the other: the phase portrait, the unit pickers, state and export."""
        drawers = {"phase portrait": W.VBox([W.HBox([W.Label("of unit"), self.phase]), portrait])}
        if "units" in self.shown:
            drawers["units"] = self._pickers()
        if "state" in self.shown:
            drawers["save · share"] = self._state()
        titles = list(drawers) if len(drawers) > 1 else ["phase portrait"]
        return W.Tab(list(drawers.values()), titles=titles, layout=W.Layout(width="auto", min_width="0"))

    def _pickers(self) -> W.Widget:
        boxes = [
            W.VBox([W.HTML(f"<b>{symbol}</b>"), self.units[name]], layout=W.Layout(min_width="0", width="50%"))
            for name, symbol in zip(UNITS, "hzθω", strict=True)
        ]
        hint = W.HTML(f"Up to {LINES} lines a panel; Ctrl or Shift picks several.")
        return W.VBox([self.maps, hint, W.HBox(boxes[:2]), W.HBox(boxes[2:])], layout=W.Layout(min_width="0"))

    def _state(self) -> W.Widget:
        post = self._post
        tell = [
            _button("State", "Write this run as one line", lambda: post("copy", "state")),
            _button("Code", "Write this run as a program", lambda: post("copy", "code")),
            _button("Load", "Go to the run of the state string below", lambda: post("load", self.text.value)),
        ]
        write = [
            _button(
                "PNG", "Save the curves as a picture, where the browser saves files", lambda: post("export", ".png")
            ),
            _button("CSV", "Write the scalars into a file beside the notebook", lambda: post("export", ".csv")),
            _button("NetCDF", "Write the whole record into a file beside the notebook", lambda: post("export", ".nc")),
        ]
        return W.VBox([_row(tell), self.text, _row([W.Label("write a file:"), *write])], layout=W.Layout(min_width="0"))

    def show(self, settings: Settings, source: dict[str, str] | None = None) -> None:
        """Let every control show the settings in force."""
        for name, dial in self.dials.items():
            if _is_number(settings, name):
                dial.show(_value(settings, name), (source or {}).get(name, ""))
        with self.quiet:
            self.sign.value = settings.s
            self.preset.value = UNCHOSEN

    def name_units(self, names: dict[str, list[str]], chosen: dict[str, list[int]], phase: list[str]) -> None:
        """Offer the units by name."""
        with self.quiet:
            for quantity, picker in self.units.items():
                picker.options = names[quantity]
                picker.index = tuple(i for i in chosen[quantity] if i < len(names[quantity]))
            self.phase.options = [(n, i) for i, n in enumerate(phase)] or [("—", 0)]

    def show_picked(self, t: float | None) -> None:
        """Offer the way back to the time that was clicked."""
        self.back.disabled = t is None
        self.back.description = "Back" if t is None else f"Back to t {t:.4g}"

    def show_race(self, on: bool) -> None:
        """The switch says what is so."""
        with self.quiet:
            self.race.value = on

    def show_playing(self, playing: bool) -> None:
        """The button says what it will do."""
        self.play.description = "Pause" if playing else "Play"
        self.play.button_style = "warning" if playing else "success"


def _value(settings: Settings, name: str) -> float:
    return settings.dissipation_z if name == "eta_z" else getattr(settings, name)


def _is_number(settings: Settings, name: str) -> bool:
    return isinstance(_value(settings, name), (int, float))


def _button(label: str, tip: str, press: Callable[[], None], style: str = "") -> W.Button:
    button = W.Button(
        description=label, tooltip=tip, button_style=style, layout=W.Layout(width="auto", min_width="64px")
    )
    button.on_click(lambda _: press())
    return button


def _row(widgets: list[W.Widget]) -> W.HBox:
    return W.HBox(widgets, layout=W.Layout(flex_flow="row wrap", align_items="center", min_width="0"))


def _picker(name: str) -> W.SelectMultiple:
    return W.SelectMultiple(options=[], rows=6, layout=W.Layout(width="auto", min_width="0"))
