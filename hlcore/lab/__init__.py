"""The live lab: the Cockpit, exercises, and the preflight."""

from .chart import Chart
from .cockpit import Cockpit
from .doctor import Doctor
from .exercises import Exercise, close_to, learns, with_settings
from .film import Film
from .fleet import Fleet
from .journey import Journey
from .kernel import mend_kernel
from .places import panels
from .recital import Recital
from .valley import Valley
from .wavefront import wave
from .waves import Waves

mend_kernel()

__all__ = [
    "Chart",
    "Cockpit",
    "Doctor",
    "Exercise",
    "Film",
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
