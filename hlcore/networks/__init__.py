"""What f^h and f^y are."""

from .base import Network
from .chain import Chain
from .feedforward import OutputNetwork, StateNetwork
from .recurrent import Recurrent
from .reversible import Reversible, is_reversible
from .stashed import Stashed

__all__ = ["Chain", "Network", "OutputNetwork", "Recurrent", "Reversible", "Stashed", "StateNetwork", "is_reversible"]
