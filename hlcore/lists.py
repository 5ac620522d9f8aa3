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


def is_of(file: str, package: str) -> bool:
    """Whether a module is one of a package's files."""
    return file.startswith(f"{package}.")


def in_order(found: dict[str, T], package: str, file_of: Callable[[T], str]) -> dict[str, T]:
    """The list when all files of the package are on it: theirs in the files' order, then what others have put there."""
    import_all(package)
    files = {name: file_of(one) for name, one in found.items()}
    own = sorted((name for name in found if is_of(files[name], package)), key=files.__getitem__)
    return {name: found[name] for name in (*own, *(name for name in found if not is_of(files[name], package)))}
