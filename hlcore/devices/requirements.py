"""Which chains can be spread over devices."""

from __future__ import annotations

from typing import Any

from ..errors import bad
from ..learners.learner import Learner
from ..networks.chain import Chain
from ..networks.reversible.coupling import RANDOM


def checked(learner: Learner) -> Chain:
    """The chain of a learner that can be spread, or an HLError that says what cannot."""
    chain = learner.network
    if not isinstance(chain, Chain) or type(chain).velocity is not Chain.velocity:  # a subclass may move otherwise
        raise bad("network for devices", type(chain).__name__, "an hlcore.Chain", "cut the network into layers")
    if learner.order != "euler":
        raise bad("order for devices", repr(learner.order), "'euler'", "all groups move at once, from what is at t")
    if len(chain.links):
        raise bad("Chain for devices", f"links {sorted(chain.links)}", "neighbours only", "run it in one process")
    if learner.torch_start or learner.reset_omega:
        raise bad("learner for devices", "torch_start or reset_omega", "neither of them")
    if learner.settings.metric != "none":
        raise bad("metric for devices", learner.settings.metric, "'none'", "ranks have no common v yet")
    for name, module in chain.named_modules():
        rate: Any = getattr(module, "p", 1.0) if isinstance(module, RANDOM) else getattr(module, "dropout", 0.0)
        if module.training and isinstance(rate, float) and rate > 0:
            raise bad(
                "network for devices",
                f"{name} ({type(module).__name__}), which draws in training",
                "layers without draws: ranks have no common generator",
                "use p=0 by leaving it out, or module.eval()",
            )
    return chain
