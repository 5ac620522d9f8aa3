"""The live lab: the Cockpit, exercises, and the preflight."""

from ..studies.chain_waves import wave
from .cockpit import Cockpit
from .demos.bptt_journey import Journey
from .demos.locality_waves import Waves
from .demos.processes import Fleet
from .demos.recital import Recital
from .demos.reversal_film import Film
from .demos.valley import Valley
from .doctor import Doctor
from .exercises import Exercise, close_to, learns, with_settings
from .figures.chart import Chart
from .kernel import mend_kernel
from .places import panels

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
