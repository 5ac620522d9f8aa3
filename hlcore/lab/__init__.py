"""The live lab: the Cockpit, exercises, and the preflight."""

from .cockpit import Cockpit
from .doctor import Doctor
from .exercises import Exercise, close_to, learns, with_settings
from .places import panels
from .valley import Valley

__all__ = ["Cockpit", "Doctor", "Exercise", "Valley", "close_to", "learns", "panels", "with_settings"]
