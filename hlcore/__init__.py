"""Hamiltonian Learning over time: networks that learn online, forward, from one scalar."""

import sys

from lazy_loader import attach_stub

from .networks import chain_schedule as schedule
from .records import export
from .runs import prequential

__version__ = "0.1.0"

__getattr__, _, _ = attach_stub(__name__, __file__)  # PEP 562: what is not asked for is not imported
for _name, _module in {"export": export, "schedule": schedule, "online.prequential": prequential}.items():
    sys.modules[f"{__name__}.{_name}"] = _module  # doors of the first round, under their new roofs

__all__ = [
    "Chain",
    "Diverged",
    "HLError",
    "Learner",
    "Network",
    "OutputNetwork",
    "PhasePoint",
    "Recorder",
    "Recurrent",
    "Report",
    "Reversible",
    "Rotations",
    "Sample",
    "Settings",
    "StateNetwork",
    "bptt_gradient",
    "experiments",
    "lab",
    "learners",
    "sensitivity",
    "streams",
    "sweep",
]


def __dir__() -> list[str]:
    """The public contract; what else there is stands in its room (hlcore.networks, hlcore.runs, ...)."""
    return sorted([*__all__, "__version__"])
