"""The first round's names of what races on one stream: learners, their judges, and rivals."""

from .learners.bptt import HLBPTT as HLBPTT
from .learners.bptt import TruncatedBPTT as TruncatedBPTT
from .learners.river import Forecaster as Forecaster
from .learners.river import Persistence as Persistence
from .learners.river import Regressor as Regressor
from .learners.rtrl import RTRL as RTRL
from .learners.rtrl import Sensitivity as Sensitivity
from .runs.alignment import alignment as alignment
from .runs.prequential import Stepper as Stepper
from .runs.prequential import drifts as drifts
from .runs.prequential import prequential as prequential
