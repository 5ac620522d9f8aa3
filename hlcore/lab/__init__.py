"""The live lab: the Cockpit, exercises, and the preflight."""

from .chart import Chart
from .cockpit import Cockpit
from .doctor import Doctor
from .exercises import Exercise, close_to, learns, with_settings
from .fleet import Fleet
from .journey import Journey
from .places import panels
from .recital import Recital
from .valley import Valley
from .waves import Waves, wave

__all__ = [
    "Chart",
    "Cockpit",
    "Doctor",
    "Exercise",
    "Fleet",
    "Journey",
    "Recital",
    "Valley",
    "Waves",
    "close_to",
    "learns",
    "panels",
    "wave",
    "with_settings",
]
