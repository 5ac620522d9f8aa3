"""What f^h and f^y are."""

from .base import Network
from .chain import Chain
from .feedforward import OutputNetwork, StateNetwork
from .recurrent import Recurrent

__all__ = ["Chain", "Network", "OutputNetwork", "Recurrent", "StateNetwork"]
