"""Named, seeded set-ups: network, stream, loss and settings."""

from . import images, iris, texts, tracking, vowels  # their builders put themselves on the list
from .experiment import Experiment, Setup
from .registry import get, names, register

__all__ = ["Experiment", "Setup", "get", "images", "iris", "names", "register", "texts", "tracking", "vowels"]
