"""Learners on one stream that differ only in their gradient; raced against the forward one, `hlcore.Learner`."""

from .alignment import alignment
from .backward import HLBPTT, TruncatedBPTT
from .base import OnlineLearner
from .rtrl import RTRL, Sensitivity

__all__ = ["HLBPTT", "RTRL", "OnlineLearner", "Sensitivity", "TruncatedBPTT", "alignment"]
