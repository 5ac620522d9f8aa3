"""Hamiltonian Learning: networks that learn over time, online, forward, from one scalar."""

from . import experiments, schedule, streams
from .checkpoint import CHECKPOINT_FORMAT
from .errors import Diverged, HLError
from .learner import Learner, Report
from .networks import Chain, Network, OutputNetwork, Recurrent, StateNetwork
from .phase import PhasePoint
from .recorder import Recorder
from .sample import Sample
from .settings import Settings

__version__ = "0.1.0"
__all__ = [
    "CHECKPOINT_FORMAT",
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
    "Sample",
    "Settings",
    "StateNetwork",
    "experiments",
    "schedule",
    "streams",
]
