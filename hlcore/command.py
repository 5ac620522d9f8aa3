"""What all command lines of the package do in one way: NAME=VALUE, and how an HLError is told."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from .errors import HLError, bad

WORDS = {"None": None, "True": True, "False": False}


def told(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """The command `main`, which an HLError ends with 1: its text goes to stderr."""

    @wraps(main)
    def obey(arguments: Sequence[str] | None = None) -> int:
        try:
            return main(arguments)
        except HLError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1

    return obey


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
