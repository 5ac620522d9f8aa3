"""What every command line of the package reads in one way: NAME=VALUE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import bad

WORDS = {"None": None, "True": True, "False": False}


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """{name: value} of texts such as "eta=0.3": a value is None, a truth, a number where it reads as one, or a text."""
    return dict(map(_assignment, texts))


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise bad("--set", repr(text), "NAME=VALUE", "as in --set eta=0.3")
    if value in WORDS:
        return name, WORDS[value]
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
