"""The signal school (K): lectures on described signals, then exams in which the student runs free."""

from ...streams.lectures import HELD_OUT, SIGNALS, TOKENS, Lectures, Signal, describe, heard
from .exam import Exam, exam, grades, run_free

__all__ = [
    "HELD_OUT", "SIGNALS", "TOKENS", "Exam", "Lectures", "Signal", "describe", "exam", "grades", "heard", "run_free",
]  # fmt: skip
