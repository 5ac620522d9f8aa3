"""The live lab: the Cockpit, exercises, and the preflight."""

from .cockpit import Cockpit
from .doctor import Doctor
from .exercises import Exercise, close_to
from .places import panels

__all__ = ["Cockpit", "Doctor", "Exercise", "close_to", "panels"]
