"""The dials are those of the settings: a made-up learner's class of settings is all that is said here."""

from dataclasses import dataclass

import pytest
from ipywidgets import BoundedIntText, FloatText, IntText, Text, Textarea

from hlcore import HLError, Settings
from hlcore.errors import bad, whole
from hlcore.lab import Cockpit
from hlcore.lab.controls import Controls
from hlcore.lab.widgets import Quiet, within
from hlcore.law.settings import BaseSettings, setting
from tests.lab.all_panels import MADE


def one_of(*known):
    def check(name, value):
        if value not in known:
            raise bad(name, repr(value), f"one of {known}")
        return value

    return check


@dataclass(frozen=True)
class Weather(BaseSettings):
    """Nothing that the lab has ever heard of."""

    wind: float = setting(3.0, "w", "wind", "m/s")
    cloud: float = setting(0.25, "c", "cloud cover", scale="linear", span=(0.0, 1.0))
    days: int = setting(5, "d", "days", check=whole, scale="whole")
    side: str = setting("sea", "σ", "side", check=one_of("sea", "land"), scale="choice",
                        choices=(("sea side", "sea"), ("land side", "land")))  # fmt: skip
    gust: float | None = setting(None, "w<sub>g</sub>", "gusts", "m/s", follows="wind")
    map: object = setting(lambda t: t, "μ", "a map", check=lambda name, value: value)


def controls(settings=None, **more):
    posted = []
    return Controls(settings or Weather(), lambda *message: posted.append(message), Quiet(), **more), posted


def test_each_setting_has_the_dial_of_its_scale():
    made, _ = controls()
    kinds = {name: (type(d.slider).__name__, type(d.field).__name__) for name, d in made.dials.items()}
    assert kinds == {
        "wind": ("FloatLogSlider", "FloatText"),
        "cloud": ("FloatSlider", "FloatText"),
        "days": ("IntSlider", "IntText"),
        "side": ("ToggleButtons", "NoneType"),
        "gust": ("FloatLogSlider", "FloatText"),
        "map": ("FloatLogSlider", "FloatText"),
    }
    words = {name: dial.box.children[0].value for name, dial in made.dials.items()}
    assert "w: wind (m/s)" in words["wind"] and "w_g: gusts" in words["gust"] and "cloud cover" in words["cloud"]
    assert made.dials["map"].box.layout.display == "none", "a function is no number"
    assert made.dials["gust"].field.value == 3.0, "it follows the wind"
    assert (made.dials["cloud"].slider.min, made.dials["cloud"].slider.max) == (0.0, 1.0)


def test_a_dial_posts_what_is_turned_and_nothing_that_it_is_told():
    made, posted = controls()
    made.dials["wind"].slider.set_state({"value": 7.0})
    made.dials["cloud"].slider.set_state({"value": 0.5})
    made.dials["days"].slider.set_state({"value": 9})
    made.dials["days"].field.set_state({"value": 8})
    made.dials["side"].slider.set_state({"index": 1})
    assert posted == [
        ("set wind", ("slider", 7.0)),
        ("set cloud", ("slider", 0.5)),
        ("set days", ("slider", 9)),
        ("set days", ("field", 8)),
        ("set side", ("slider", "land")),
    ]
    posted.clear()
    made.show(Weather(wind=11.0, cloud=0.75, days=2, side="land", gust=40.0, map=0.1))
    assert posted == []
    assert [made.dials[n].field.value for n in ("wind", "cloud", "days", "gust", "map")] == [11.0, 0.75, 2, 40.0, 0.1]
    assert made.dials["map"].box.layout.display == "flex", "now it is one"
    assert made.dials["side"].slider.value == "land"


def test_what_can_be_hidden_is_what_there_is():
    made, _ = controls(only=["wind", "gust"])
    shown = made.chosen("presets", *made.dials)
    assert shown == [made.dials["wind"].box, made.dials["gust"].box] and made.tabs() == {}
    assert list(controls()[0].tabs()) == ["rows", "save"]
    with pytest.raises(HLError, match="'wind'"):
        controls(only=["wnd"])
    with pytest.raises(HLError, match="wind"):
        controls(only=["eta"])
    assert list(controls()[0].dials) == ["wind", "gust", "cloud", "days", "map", "side"]
    assert set(controls(Settings())[0].dials) == set(Settings.about())


def test_whom_one_can_race_stands_on_a_menu():
    made, posted = controls(rivals=["sgd", "rtrl"])
    assert [label for label, _ in made.race.options] == ["race …", "race sgd", "race rtrl"]
    made.race.set_state({"index": 2})
    made.show_race([])
    assert posted == [("race", "rtrl")] and made.race.index == 0


@pytest.mark.parametrize("what", MADE)
def test_a_field_tells_what_was_typed_once(what):
    panel = MADE[what]()
    typed = [one for one in within(panel) if isinstance(one, (Text, Textarea, FloatText, IntText, BoundedIntText))]
    assert typed or not isinstance(panel, Cockpit)
    held_back = [one for one in typed if one.continuous_update]
    assert not held_back, "while the kernel is busy ipywidgets holds letters back, and a button would overtake them"
