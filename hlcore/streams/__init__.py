"""Where (u, ŷ, δ) come from."""

from .changes import Changes
from .clock import Clock
from .datasets import Labelled, digits, iris, mnist
from .held import Held
from .imdb import imdb
from .late import Late
from .real_series import Real, real
from .reversed import Reversed
from .sequences import Sequences, vowels
from .series import Series, water_flow
from .signals import Signal, sines, square
from .stream import Stream

__all__ = [
    "Changes",
    "Clock",
    "Held",
    "Labelled",
    "Late",
    "Real",
    "Reversed",
    "Sequences",
    "Series",
    "Signal",
    "Stream",
    "digits",
    "imdb",
    "iris",
    "mnist",
    "real",
    "sines",
    "square",
    "vowels",
    "water_flow",
]
