"""What f^h and f^y are."""

from .base import Network
from .feedforward import OutputNetwork, StateNetwork
from .recurrent import Recurrent

__all__ = ["Network", "OutputNetwork", "Recurrent", "StateNetwork"]
