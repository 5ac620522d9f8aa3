"""What f^h and f^y are."""

from ..law.network import Network
from .action_values import ActionValues, Targeted
from .chain import Chain
from .crowd import Crowd
from .experts import Experts
from .feedforward import OutputNetwork, StateNetwork
from .hopfield import Hopfield
from .leapfrog import Leapfrog
from .lifted import Lifted
from .readouts import FactoredReadout, KeyedReadout, choir
from .recurrent import Recurrent
from .reversible.reversible_chain import Reversible, is_reversible
from .rotations import Antisymmetric, Rotations
from .sparse_linear import Sparse
from .stack import Stack
from .stashed_chain import Stashed

__all__ = [
    "ActionValues", "Antisymmetric", "Chain", "Crowd", "Experts", "FactoredReadout", "Hopfield", "KeyedReadout",
    "Leapfrog", "Lifted", "Network", "OutputNetwork", "Recurrent", "Reversible", "Rotations", "Sparse", "Stack",
    "Stashed", "StateNetwork", "Targeted", "choir", "is_reversible",
]  # fmt: skip
