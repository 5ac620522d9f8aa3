"""Named, seeded set-ups: network, stream, loss and settings."""

from . import iris, tracking  # their builders put themselves on the list
from .experiment import Experiment, Setup
from .registry import get, names, register

__all__ = ["Experiment", "Setup", "get", "iris", "names", "register", "tracking"]
