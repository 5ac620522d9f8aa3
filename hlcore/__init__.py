"""Hamiltonian Learning over time: networks that learn online, forward, from one scalar."""

import sys
from typing import Any

from . import experiments as experiments
from . import learners as learners
from . import online as online
from . import streams as streams
from .errors import Diverged as Diverged
from .errors import HLError as HLError
from .law.network import Network as Network
from .law.point import PhasePoint as PhasePoint
from .law.point import Report as Report
from .law.sample import Sample as Sample
from .law.settings import Settings as Settings
from .learners.echo import echo_gradient as echo_gradient
from .learners.forward_costate import fptt_gradient as fptt_gradient
from .learners.forward_costate import shooting_start as shooting_start
from .learners.learner import Learner as Learner
from .learners.reversed_stream import bptt_gradient as bptt_gradient
from .networks import Antisymmetric as Antisymmetric
from .networks import Chain as Chain
from .networks import FactoredReadout as FactoredReadout
from .networks import KeyedReadout as KeyedReadout
from .networks import Leapfrog as Leapfrog
from .networks import OutputNetwork as OutputNetwork
from .networks import Recurrent as Recurrent
from .networks import Reversible as Reversible
from .networks import Rotations as Rotations
from .networks import Stack as Stack
from .networks import Stashed as Stashed
from .networks import StateNetwork as StateNetwork
from .networks import chain_schedule
from .networks import is_reversible as is_reversible
from .networks.reversible.activation_bytes import saved_bytes as saved_bytes
from .records import export
from .records.checkpoint import CHECKPOINT_FORMAT as CHECKPOINT_FORMAT
from .records.recorder import Recorder as Recorder
from .runs import prequential
from .runs.sensitivity import sensitivity as sensitivity
from .runs.sweep import sweep as sweep

__version__ = "0.1.0"

schedule = chain_schedule
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


def __getattr__(name: str) -> Any:
    """hlcore.lab, whose widgets are imported when they are first asked for, and the school."""
    if name in ("lab", "school"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public contract; what else there is stands in its room (hlcore.networks, hlcore.runs, ...)."""
    return sorted([*__all__, "__version__"])
