"""The coin world: an agent that is told rules, as a law or as a potential (S10)."""

import torch

from ..errors import unknown
from ..law.settings import Settings
from ..learners.reinforce import ReinforceSettings
from ..networks import OutputNetwork
from ..networks.lifted import Lifted
from ..streams.worlds import Rooms, policy_loss, td_logic
from .experiment import Setup
from .registry import register

START = Settings(tau=1.0, eta=1.0, beta=0.1)
KNOWLEDGE = ("none", "shield", "guide", "both", "potential")


@register("coin-rooms", "Rooms with a coin · Q-learning with knowledge", {"good": {}, "sluggish": {"beta": 0.002}})
def coin_rooms(
    seed: int,
    length: int = 6,
    dead_ends: bool = False,
    knowledge: str = "potential",
    never_back: bool = False,
    strength: float = 0.3,
    mask: bool = True,
    explore: float = 0.1,
    discount: float = 0.9,
    temperature: float = 0.1,
) -> Setup:
    """An agent looks for a coin and is told two rules: nothing, a hard shield, a guide, both, or H' = φ(L + κV).

    knowledge  "none", "shield", "guide", "both", or "potential", whose strength κ is
    never_back  the rule "go x → ¬visited x" besides, which is false where there are dead ends
    mask  False: a shield that does not mask the bootstrap
    """
    if knowledge not in KNOWLEDGE:
        raise unknown("knowledge", knowledge, KNOWLEDGE)
    soft, hard, guide = (knowledge in names for names in (("potential",), ("shield", "both"), ("guide", "both")))
    told = ["shield"] * (hard or soft) + ["guide"] * (guide or soft) + ["never back"] * never_back
    world = Rooms(length, dead_ends, told, hard, 0.5 if guide else 0.0, seed=seed, explore=explore)
    network = torch.nn.Linear(10, 5, bias=False)
    torch.nn.init.zeros_(network.weight)
    loss = td_logic(discount, strength if soft else 0.0, temperature, mask and hard)
    return Setup(OutputNetwork(network), world, loss, START)


@register(
    "coin-rules",
    "Rooms with a coin · a rule in the making",
    {"good": {}, "too fast": {"beta": 0.06}},
    learner="reinforce",
)
def coin_rules(
    seed: int, length: int = 6, dead_ends: bool = False, lifted: bool = True, clipped: bool = False
) -> Setup:
    """Eight weights for all directions learn "go x ← found x ∧ ¬visited x", and can be read while they do.

    lifted  False: 50 weights of their own for each action     clipped  True: Łukasiewicz' clip with its zero slope
    """
    module: torch.nn.Module = Lifted(clipped) if lifted else torch.nn.Linear(10, 5, bias=False)
    if not lifted:
        torch.nn.init.zeros_(module.weight)  # type: ignore[arg-type]
    world = Rooms(length, dead_ends, ["shield", "guide"], temperature=0.2, seed=seed)
    return Setup(OutputNetwork(module), world, policy_loss(0.2), ReinforceSettings(beta=0.015))
