"""The controls of a run: a dial per setting, the transport, the pickers. They only post messages; the loop obeys."""

import html
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import ipywidgets as W

from ..declared import About
from ..errors import unknown
from ..law.settings import BaseSettings
from ..words import tr
from .figures.time_rows import LINES
from .own_data import OwnData
from .row_picker import RowPicker
from .screen import tab
from .widgets import Quiet, button, column, menu, named, row

Post = Callable[[str, Any], None]

STEP = 0.02  # of a logarithmic slider, in decades
SPEEDS = [("1 step/s", 1.0), *((f"{n:,} steps/s", float(n)) for n in (10, 100, 1000)), ("full speed", math.inf)]
WINDOWS = [(f"last {n:,} steps", n) for n in (200, 1000, 5000, 20_000)]
UNCHOSEN, ALONE = "choose a preset …", "race …"


class Dial:
    """A setting as a slider and a typed field, or as buttons where it is a choice; away while it is no number."""

    def __init__(self, name: str, about: About, value: Any, post: Post, quiet: Quiet) -> None:
        self.name, self.about, self._post, self._quiet, self._shown = name, about, post, quiet, value
        words = tr(about.words)
        tip = f"{about.letter}: {words}" + (f" ({tr(about.unit)})" if about.unit else "")
        symbol = about.symbol.replace("<sub>", "<sub style='line-height:0'>")
        titled = f'<span title="{html.escape(tip)}">'
        name_of = f'<span class="hl-word">&nbsp; {html.escape(words)}</span>'
        titled = f'{titled}<b style="font-size:1.15em">{symbol}</b>{name_of}</span>'
        label = W.HTML(titled, layout=W.Layout(min_width="0"))
        label.add_class("hl-name" if about.choices else "hl-label")
        self.slider, self.field = _slider(about, value, tip), None
        parts = [label, self.slider]
        if not about.choices:
            kind = W.IntText if about.scale == "whole" else W.FloatText
            self.field = kind(tooltip=tip, layout=W.Layout(min_width="0"))
            quiet.observe(self.field, lambda value: post(f"set {name}", ("field", value)))
            parts.append(self.field)
        self.box = W.HBox(parts, layout=W.Layout(width="100%", min_width="0"))
        quiet.observe(self.slider, self._slid)
        self.show(value)

    def _slid(self, value: Any) -> None:
        """The browser snaps what it is shown to the slider's grid and sends that back: not a change."""
        if not self.about.choices:
            if self._near(value):
                return
            value = float(f"{value:.3g}") if self.about.scale == "log" else value
        self._post(f"set {self.name}", ("slider", value))

    def _near(self, value: float) -> bool:
        shown = self._shown
        if self.about.scale == "log":
            return shown > 0 and abs(math.log10(value / shown)) < 0.51 * STEP
        return abs(value - shown) < 0.51 * self.slider.step

    def show(self, value: Any, source: str = "") -> None:
        """Show a value on the parts that it did not come from."""
        self._shown = value
        there = bool(self.about.choices) or (isinstance(value, (int, float)) and math.isfinite(value))
        self.box.layout.display = "flex" if there else "none"
        if not there:
            return
        with self._quiet:
            if self.about.choices:
                self.slider.value = value
            elif source != "slider" and (value > 0 or self.about.scale != "log"):
                low, high = self.slider.min, self.slider.max
                low, high = (10**low, 10**high) if self.about.scale == "log" else (low, high)
                self.slider.value = min(max(value, low), high)
            if self.field is not None and (source != "field" or self.field.value != value):
                self.field.value = value


def _in_order(about: dict[str, About]) -> list[tuple[str, About]]:
    """The order of the dials: what follows another one stands below it, choices stand last."""
    names = list(about)
    place = {name: (names.index(x.follows or name), bool(x.follows)) for name, x in about.items()}
    return sorted(about.items(), key=lambda item: (bool(item[1].choices), place[item[0]]))


def _slider(about: About, value: Any, tip: str) -> Any:
    """What moves a setting, by its scale."""
    if about.choices:
        if len(about.choices) > 3:
            return menu(about.choices, width="150px", tooltip=tip)
        tips = [tip] * len(about.choices)
        return W.ToggleButtons(options=named(about.choices), style={"button_width": "auto"}, tooltips=tips)
    look = {"readout": False, "tooltip": tip, "layout": W.Layout(width="auto", flex="1 1 60px", min_width="60px")}
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else 1
    if about.scale == "log":
        middle = round(math.log10(number)) if number > 0 else 0
        start = number or 10.0 ** (middle - 3)
        return W.FloatLogSlider(value=start, base=10, min=middle - 3, max=middle + 2, step=STEP, **look)
    if about.scale == "whole":
        return W.IntSlider(value=number, min=1, max=max(int(about.span[1]), 4 * int(number), 10), **look)
    low, high = min(about.span[0], number), max(about.span[1], number)
    return W.FloatSlider(value=number, min=low, max=high, step=(high - low) / 200, **look)


class Controls:
    """All controls of a run, and the boxes they lie in.

    quantities  {name: what it is} of the learner     rivals  whom it can race
    only        names of the controls to show beside the transport: settings, "presets", "units", "state"; None: all
    """

    GROUPS = ("transport", "presets", "units", "state")

    def __init__(
        self, settings: BaseSettings, post: Post, quiet: Quiet, only: list[str] | None = None,
        quantities: dict[str, Any] | None = None, rivals: Iterable[str] = (),
    ) -> None:  # fmt: skip
        about = settings.about()
        known = [*about, *self.GROUPS]
        for name in (x for x in only or () if x not in known):
            raise unknown("control", name, known)
        self.shown = set(known if only is None else [*only, "transport"])
        self._quiet, self._post, self._quantities = quiet, post, quantities or {}
        self.dials = {name: Dial(name, x, settings.in_force(name), post, self._quiet) for name, x in _in_order(about)}
        self.back = button("Back", "Click into the curves: go back to that time", lambda: post("back", None))
        self.back.disabled = True
        self.count = W.BoundedIntText(value=100, min=1, max=1_000_000, layout=W.Layout(width="4.2em"), tooltip="n")
        self.speed = self._menu("speed", SPEEDS, "8em", "speed", math.inf)
        self.preset = self._menu("preset", [UNCHOSEN], "12em", "settings worth trying")
        self.window = self._menu("window", WINDOWS, "10.8em", "time shown", 5000)
        racing = "The same run by another learner, from where this one is now"
        self._rivals = list(rivals)
        self.race = self._menu("race", [ALONE], "6.2em", racing)
        self.show_race([])
        self.units: dict[str, W.SelectMultiple] = {}
        for name, quantity in self._quantities.items():
            tip, wide = tr(f"entries of {quantity.symbol} that are shown"), W.Layout(width="auto", min_width="0")
            self.units[name] = W.SelectMultiple(rows=6, tooltip=tip, layout=wide)
            self._quiet.observe(self.units[name], partial(post, f"units {name}"), "index")
        self.rows = RowPicker(post, quiet)
        wide = W.Layout(width="auto", min_width="64px")
        tip = "every quantity whole, instead of chosen lines"
        self.maps = W.ToggleButton(description=tr("heat maps of all units"), tooltip=tr(tip), layout=wide)
        self._quiet.observe(self.maps, partial(post, "maps"))
        self.phase = self._menu("phase", [("—", 0)], "100%", "unit of the phase portrait")
        self.own = OwnData(partial(post, "own data"))
        self.text = W.Textarea(
            placeholder=tr("State and Code write here. Paste a state string and press Load."),
            continuous_update=False,  # one change when it is left: Load must not overtake the last letters
            layout=W.Layout(width="auto", height="200px"),
        )

    def _menu(self, message: str, options: list[Any], width: str, tip: str, value: Any = None) -> Any:
        made = menu(options, width=width, tooltip=tip)
        made.value = made.value if value is None else value
        self._quiet.observe(made, lambda value: self._post(message, None if value in (UNCHOSEN, ALONE) else value))
        return made

    def offer(self, presets: Iterable[str]) -> None:
        """Put these presets on the menu."""
        with self._quiet:
            self.preset.options = named([UNCHOSEN, *presets])

    def transport(self, play: W.Widget) -> list[W.Widget]:
        """Play, Step, Reset, New seed, back, ghosts, race, speed, window."""
        post = self._post
        buttons = [
            play,
            button("Step", "One step", lambda: post("step", 1)),
            button("Step n", "As many steps as the field says", lambda: post("step", self.count.value)),
            self.count,
            button("Reset", "Back to step 0 with the same seed and the settings of now", lambda: post("reset", None)),
            button("New seed", "Back to step 0 with other weights", lambda: post("new seed", None)),
            self.back,
            button("Pin", "Keep this run as a ghost behind the next ones", lambda: post("pin", True)),
            button("Unpin", "Let the ghosts go", lambda: post("pin", False)),
            self.race,
            self.speed, self.window,
        ]  # fmt: skip
        return buttons

    def chosen(self, *names: str) -> list[W.Widget]:
        """Those of these controls that are to be shown."""
        there = {"presets": self.preset, **{name: dial.box for name, dial in self.dials.items()}}
        return [there[name] for name in names if name in self.shown]

    def tabs(self, switches: Sequence[W.Widget] = ()) -> dict[str, W.Widget]:
        """What lies in the tabs beside the phase portrait: the rows, further switches and units; state and export."""
        made: dict[str, Callable[[], W.Widget]] = {"units": partial(self._pickers, switches), "state": self._state}
        titles = {"units": "rows", "state": "save"}
        return {titles[name]: make() for name, make in made.items() if name in self.shown}

    def _pickers(self, switches: Sequence[W.Widget]) -> W.Widget:
        symbols = [W.HTML(f"<b>{quantity.symbol}</b>") for quantity in self._quantities.values()]
        boxes = [column(pair, width="48%") for pair in zip(symbols, self.units.values(), strict=True)]
        hint = W.HTML(tr(f"Up to {LINES} lines a panel; Ctrl or Shift picks several."))
        return tab([*self.rows.widgets, row([self.maps, *switches]), hint, row(boxes)])

    def _state(self) -> W.Widget:
        post = self._post
        tell = [
            button("State", "Write this run as one line", lambda: post("copy", "state")),
            button("Code", "Write this run as a program", lambda: post("copy", "code")),
            button("Load", "Go to the run of the state string below", lambda: post("load", self.text.value)),
        ]
        files = (
            ("PNG", ".png", "Save the curves as a picture, where the browser saves files"),
            ("CSV", ".csv", "Write the scalars into a file beside the notebook"),
            ("NetCDF", ".nc", "Write the whole record into a file beside the notebook"),
        )
        write = [button(name, tip, partial(post, "export", ending)) for name, ending, tip in files]
        return tab([row(tell), self.text, row([W.Label(tr("write a file:")), *write]), row([self.own])])

    def show(self, settings: BaseSettings, source: dict[str, str] | None = None) -> None:
        """Let every control show the settings in force."""
        for name, dial in self.dials.items():
            dial.show(settings.in_force(name), (source or {}).get(name, ""))
        with self._quiet:
            self.preset.value = UNCHOSEN

    def name_units(self, names: Callable[[str], list[str]], chosen: dict[str, Any], portrait: Sequence[str]) -> None:
        """Offer the units by name: names(quantity), of which some are chosen; the portrait is one of the first."""
        with self._quiet:
            for quantity, picker in self.units.items():
                picker.options = names(quantity)
                picker.index = tuple(i for i in chosen[quantity] if i < len(picker.options))
            units = names(portrait[0]) if portrait else []
            self.phase.options = [(name, i) for i, name in enumerate(units)] or [("—", 0)]

    def show_picked(self, t: float | None) -> None:
        """Offer the way back to the time that was clicked."""
        self.back.disabled = t is None
        self.back.description = tr("Back" if t is None else f"Back to t {t:.4g}")

    def show_race(self, names: Sequence[str]) -> None:
        """The menu says who races; who is chosen beside them races, too."""
        last = names[-1] if names else ALONE
        told = [(" + ".join(names) if name == last else name, name) for name in self._rivals if name not in names[:-1]]
        with self._quiet:
            self.race.options = named([(ALONE, ALONE), *((f"race {label}", name) for label, name in told)])
            self.race.value = last
