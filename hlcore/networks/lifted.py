"""A policy in first-order logic: one AND for every direction, whose rule can be read."""

import torch
from torch import Tensor, nn

from ..errors import flag, share

FACTS = {"go x": ("found x", "¬found x", "visited x", "¬visited x"), "take": ("coin", "¬coin")}


class Lifted(nn.Module):
    """z = β - Σ w_i (1 - p_i) for going each way and for taking: eight weights, the same for all directions.

    p are facts and their negations, from x = (found ×4, visited ×4, coin, 1) of `Rooms`. w = v² >= 0, so that no weight
    is caught at zero. A weighted Łukasiewicz ∧ is z clipped to [0, 1]; here, as in IBM/LNN, the clamp has the slope of
    the identity, which for a softmax of z is no clamp at all.

    clipped  True: clip with its own slope, 0 outside: where it begins, nothing learns
    """

    def __init__(self, clipped: bool = False) -> None:
        super().__init__()
        self.clipped = flag("clipped", clipped)
        self.v = nn.ParameterDict({"go": torch.full((4,), 0.5), "take": torch.full((2,), 0.5)})
        self.bias = nn.Parameter(torch.zeros(2) if not clipped else torch.full((2,), -1.0))

    def forward(self, x: Tensor) -> Tensor:
        found, visited, coin = x[..., :4], x[..., 4:8], x[..., 8:9]
        facts = torch.stack([found, 1 - found, visited, 1 - visited], -1)
        go = self.bias[0] - (1 - facts) @ self.v["go"].square()
        take = self.bias[1] - (1 - torch.cat([coin, 1 - coin], -1)) @ self.v["take"].square()
        z = torch.cat([go, take[..., None]], -1)
        return z.clamp(0, 1) if self.clipped else z

    def weights(self) -> dict[str, dict[str, float]]:
        """{action: {fact: w}}."""
        return {
            action: dict(zip(FACTS[action], v.detach().square().tolist(), strict=True))
            for action, v in zip(FACTS, (self.v["go"], self.v["take"]), strict=True)
        }

    def rule(self, threshold: float = 0.5) -> str:
        """The rule in words: facts whose weight is above a share of the action's largest."""
        least, lines = share("threshold", threshold), []
        for action, weights in self.weights().items():
            facts = [fact for fact, w in weights.items() if w > least * max(weights.values())]
            lines.append(f"{action} ← {' ∧ '.join(facts)}")
        return "; ".join(lines)
