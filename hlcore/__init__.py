"""Hamiltonian Learning: networks that learn over time, online, forward, from one scalar."""

from . import experiments, online, schedule, school, streams
from .bptt import bptt_gradient
from .checkpoint import CHECKPOINT_FORMAT
from .errors import Diverged, HLError
from .learner import Learner, Report
from .networks import (
    Antisymmetric,
    Chain,
    FactoredReadout,
    KeyedReadout,
    Network,
    OutputNetwork,
    Recurrent,
    Reversible,
    Rotations,
    Stashed,
    StateNetwork,
    is_reversible,
)
from .phase import PhasePoint
from .recorder import Recorder
from .sample import Sample
from .saved import saved_bytes
from .settings import Settings

__version__ = "0.1.0"
__all__ = [
    "CHECKPOINT_FORMAT",
    "Antisymmetric",
    "Chain",
    "Diverged",
    "FactoredReadout",
    "HLError",
    "KeyedReadout",
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
    "Stashed",
    "StateNetwork",
    "bptt_gradient",
    "experiments",
    "is_reversible",
    "online",
    "saved_bytes",
    "schedule",
    "school",
    "streams",
]
