"""One file, one learner: what each carries from step to step, and how it finds its gradient."""

from .learner import Learner as Learner  # the first on the list

# isort: split
from .base import BaseLearner as BaseLearner
from .bptt import HLBPTT as HLBPTT
from .bptt import TruncatedBPTT as TruncatedBPTT
from .catalogue import get as get
from .catalogue import names as names
from .catalogue import register as register
from .coupled import Coupled as Coupled
from .coupled import CoupledSettings as CoupledSettings
from .fptt import FPTT as FPTT
from .least_control import LeastControl as LeastControl
from .one_step import OneStep as OneStep
from .predictive import Predictive as Predictive
from .predictive import PredictiveSettings as PredictiveSettings
from .reinforce import Reinforce as Reinforce
from .rhel import RHEL as RHEL
from .river import RiverRegressor as RiverRegressor
from .rtrl import RTRL as RTRL
from .second_order import SecondOrder as SecondOrder
from .sgd import SGD as SGD
from .sign_flip import FlipSettings as FlipSettings
from .sign_flip import SignFlip as SignFlip
from .terms import Quantity as Quantity
from .terms import Regime as Regime
from .terms import Step as Step
