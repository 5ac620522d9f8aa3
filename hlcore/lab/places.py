"""Which panel stands in which cell: running a cell again closes what its earlier run has made."""

from __future__ import annotations

import sys
from typing import Any, Protocol


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """End it."""


_OPEN: list[Place] = []


class Place:
    """The cell and the execution in which a panel was made."""

    def __init__(self, panel: Closable) -> None:
        self.panel = panel
        self.cell, self.execution = _here()
        for other in [p for p in _OPEN if p.cell is not None and p.cell == self.cell and p.execution != self.execution]:
            _OPEN.remove(other)
            other.panel.close()
        _OPEN.append(self)


def panels() -> list[Any]:
    """The panels that are open."""
    return [place.panel for place in _OPEN]


def forget(panel: Closable) -> None:
    """Take a closed panel off the list."""
    _OPEN[:] = [place for place in _OPEN if place.panel is not panel]


def _here() -> tuple[str | None, str | None]:
    """(id of the cell, id of this execution of it), or (None, None) outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    parent = shell.get_parent() if shell is not None and hasattr(shell, "get_parent") else None
    if not parent:
        return None, None
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")
