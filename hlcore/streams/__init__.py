"""Where (u, ŷ, δ) come from."""

from .base import Stream
from .clock import Clock
from .datasets import Labelled, digits, iris, mnist
from .series import Series, water_flow
from .signals import Signal, sines, square

__all__ = [
    "Clock",
    "Labelled",
    "Series",
    "Signal",
    "Stream",
    "digits",
    "iris",
    "mnist",
    "sines",
    "square",
    "water_flow",
]
