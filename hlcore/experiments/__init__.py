"""Named, seeded set-ups: network, stream, loss and settings."""

from . import images, iris, local, real, signals, texts, tracking, vowels  # they put themselves on the list
from .experiment import Experiment, Setup
from .registry import get, names, register

__all__ = [
    "Experiment",
    "Setup",
    "get",
    "images",
    "iris",
    "local",
    "names",
    "real",
    "register",
    "signals",
    "texts",
    "tracking",
    "vowels",
]
