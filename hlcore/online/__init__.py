"""Learners on one stream that differ only in their gradient; raced against the forward one, `hlcore.Learner`.

And the race on real streams: `prequential` evaluation, persistence, and river's learners behind the same interface.
"""

from .alignment import alignment
from .backward import HLBPTT, TruncatedBPTT
from .base import OnlineLearner
from .prequential import Stepper, drifts, prequential
from .rivals import Forecaster, Persistence, Regressor
from .rtrl import RTRL, Sensitivity

__all__ = [
    "HLBPTT",
    "RTRL",
    "Forecaster",
    "OnlineLearner",
    "Persistence",
    "Regressor",
    "Sensitivity",
    "Stepper",
    "TruncatedBPTT",
    "alignment",
    "drifts",
    "prequential",
]
