"""Lists that the files of a package fill: each file puts its own on the list when it is imported."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


@cache
def import_all(package: str) -> None:
    """Import every file of a package, so that its list is whole; once."""
    for file in sorted(file.name for file in iter_modules(import_module(package).__path__)):
        import_module(f"{package}.{file}")


def whole(found: dict[str, T], package: str, file_of: Callable[[T], str]) -> dict[str, T]:
    """The list when all files of the package are on it: theirs in the files' order, then what others have put there."""
    import_all(package)
    return dict(sorted(found.items(), key=lambda item: _place(file_of(item[1]), package)))


def _place(file: str, package: str) -> str:
    inside = file.startswith(f"{package}.")
    return file if inside else "\uffff"  # sorted is stable: the order in which they came
