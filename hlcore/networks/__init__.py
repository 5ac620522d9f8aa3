"""What f^h and f^y are."""

from ..law.network import Network
from .action_values import ActionValues, Targeted
from .chain import Chain
from .crowd import Crowd
from .digraph import Digraph
from .experts import Experts
from .feedforward import OutputNetwork, StateNetwork
from .graph import Copies, Graph, Springs, TotalVariation, coupled
from .hopfield import Hopfield
from .leapfrog import Leapfrog
from .lifted import Lifted
from .read_chain import ReadChain
from .readouts import FactoredReadout, KeyedReadout, choir
from .recurrent import Recurrent
from .reversible.reversible_chain import Reversible, is_reversible
from .rotations import Antisymmetric, Rotations
from .shrink import Shrink
from .sparse_linear import Sparse
from .stack import Stack
from .stashed_chain import Stashed

__all__ = [
    "ActionValues", "Antisymmetric", "Chain", "Copies", "Crowd", "Digraph", "Experts", "FactoredReadout", "Graph",
    "Hopfield", "KeyedReadout", "Leapfrog", "Lifted", "Network", "OutputNetwork", "ReadChain", "Recurrent",
    "Reversible", "Rotations", "Shrink", "Sparse", "Springs", "Stack", "Stashed", "StateNetwork", "Targeted",
    "TotalVariation", "choir", "coupled", "is_reversible",
]  # fmt: skip
