"""A chain of groups over many devices: the same trajectory as on one, to the bit."""

from .job import Job
from .launch import Outcome, Workers, run
from .wire import Lost

__all__ = ["Job", "Lost", "Outcome", "Workers", "run"]
