"""Settings that are declared once: a frozen dataclass whose fields say what each of them is."""

import dataclasses
import math
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, NamedTuple, Self

from .errors import bad, known, number, unknown

Check = Callable[[str, Any], Any]  # (name, value) -> the value as it is kept, or an HLError


class About(NamedTuple):
    """What a setting is: the one place from which sliders, marks, records, equations and state strings take it.

    symbol   as in the equations, HTML                 words  what it is called     unit  of its value
    check    (name, value) -> value, or an HLError
    scale    how its control moves: "log", "linear", "whole" (numbers >= 1), or "choice" (one of `choices`)
    span     (least, largest) of a slider that is not logarithmic
    choices  (label, value) pairs
    follows  the setting whose value stands in while this one is None
    """

    symbol: str
    words: str
    unit: str
    check: Check
    scale: str = "log"
    span: tuple[float, float] = (0.0, 1.0)
    choices: tuple[tuple[str, Any], ...] = ()
    follows: str = ""

    @property
    def letter(self) -> str:
        """The symbol as plain text."""
        return self.symbol.replace("<sub>", "_").replace("</sub>", "")


def setting(default: Any, symbol: str, words: str, unit: str = "", check: Check | None = None, **more: Any) -> Any:
    """A field of settings; `more` as in `About`. Without a check: a finite number >= 0, or None if it `follows`."""
    if check is None:
        check = number_or_none if more.get("follows") or default is None else number
    return field(default=default, metadata={"about": About(symbol, words, unit, check, **more)})


@dataclass(frozen=True)
class BaseSettings:
    """What all settings can do; a learner's own are a frozen dataclass of `setting`s below this one."""

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Refuse unknown names before the generated __init__ does, in the house form."""
        _refuse_unknown(cls, named)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, about in self.about().items():
            object.__setattr__(self, name, about.check(name, getattr(self, name)))

    def __getstate__(self) -> dict[str, Any]:
        """What was declared: the numbers in force are found anew where they are asked for."""
        return {name: getattr(self, name) for name in self.about()}

    @classmethod
    def about(cls) -> dict[str, About]:
        """{name: what it is} of every setting, in the order in which they are declared."""
        return _about(cls)  # type: ignore[arg-type]

    @classmethod
    def of(cls, other: "BaseSettings") -> Self:
        """These settings, with what the other ones have under the same names."""
        if not isinstance(other, BaseSettings):
            raise bad("settings", type(other).__name__, cls.__name__, "learner.settings.replace(...) makes others")
        return other if type(other) is cls else cls(**{k: other.shared(k) for k in cls.about() if hasattr(other, k)})

    def shared(self, name: str) -> Any:
        """What other settings take over under that name."""
        return getattr(self, name)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed; an unknown name is an HLError."""
        _refuse_unknown(type(self), changes)
        return dataclasses.replace(self, **changes)

    def in_force(self, name: str) -> Any:
        """The value that a setting really has: its own, or while it is None that of the setting it follows."""
        value, about = getattr(self, known("setting", name, self.about())), self.about()[name]
        return self.in_force(about.follows) if value is None and about.follows else value

    def at(self, t: float, dt: float | None = None) -> Any:
        """The numbers in force at time t, by name, as a NamedTuple: schedules read, and `dt` in the place of tau."""
        found = self.__dict__.get("_at")
        if found is None:
            values = {name: self.in_force(name) for name in self.about()}
            found = _numbers(type(self))(**values)  # type: ignore[arg-type]
            object.__setattr__(self, "_at", found)
            object.__setattr__(self, "_schedules", [name for name, value in values.items() if callable(value)])
        for name in self.__dict__["_schedules"]:
            value = getattr(self, name)(t)
            found = found._replace(**{name: self.about()[name].check(f"{name}({t:g})", value)})
        return found if dt is None or not hasattr(found, "tau") else found._replace(tau=dt)

    def numbers(self, t: float, dt: float | None = None) -> list[float]:
        """`at`, as a record keeps it: a choice in words as its place among them, nan where there is no number."""
        about = self.about().values()
        return [
            float(x) if isinstance(x, (int, float)) else _place(of, x)
            for of, x in zip(about, self.at(t, dt), strict=True)
        ]


def _place(about: About, value: Any) -> float:
    kinds = [kind for _, kind in about.choices]
    return kinds.index(value) if value in kinds else math.nan


def positive(name: str, value: Any) -> float:
    """A finite number > 0."""
    return number(name, value, positive=True)


def number_or_none(name: str, value: Any) -> float | None:
    """None, or a finite number >= 0."""
    return None if value is None else number(name, value)


@cache
def _about(cls: type[BaseSettings]) -> dict[str, About]:
    return {f.name: f.metadata["about"] for f in fields(cls)}


@cache
def _numbers(cls: type[BaseSettings]) -> Any:
    return namedtuple(cls.__name__, list(cls.about()))


def _refuse_unknown(cls: type[BaseSettings], named: Mapping[str, Any]) -> None:
    for name in named:
        if name not in cls.about():
            raise unknown("setting", name, cls.about())
