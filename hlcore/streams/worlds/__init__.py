"""Worlds that answer: small ones that are known whole, rooms with a coin, any of gymnasium's; and their loss."""

from .conflict import policy_loss as policy_loss
from .conflict import td_logic as td_logic
from .conflict import violation as violation
from .gymnasium_world import Gymnasium as Gymnasium
from .logic import action_bounds as action_bounds
from .mdp import MDP as MDP
from .mean_moves import Sweep as Sweep
from .rooms import Rooms as Rooms
from .small_worlds import lock as lock
from .small_worlds import low_rank as low_rank
from .small_worlds import ring as ring
from .small_worlds import star as star
from .small_worlds import two_states as two_states
from .td import td as td
from .values import best_values as best_values
from .values import policy_values as policy_values
from .values import visits as visits
