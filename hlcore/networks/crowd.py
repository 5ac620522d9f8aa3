"""A crowd of perceptrons that learn side by side, by supervision or by reinforcement."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from ..errors import bad, floats, known, number, unknown
from ..law.loss import DeclaredLoss
from ..law.network import Known, Network
from ..law.sample import Sample

KEPT = 0.9  # of the mean reward, per step
RULES = ("supervised", "reinforce")


class Crowd(Network):
    """n perceptrons y = σ(w_i·u_i), one weight (n, d): the logit of each, its ½λ|w_i|², and its mean reward, (n, 3).

    A loss that is a *sum* over the crowd gives each learner its own gradient, so θ⁺ = θ + γ(g u - λθ) for all at once,
    γ = τβφ/η·τ in sequential order without momentum (τη = 1): one step of SGD, or of REINFORCE.

    w      (n, d), where they begin     decay  λ >= 0
    reward (n,), a buffer: r̄⁺ = .9 r̄ + .1 y a of the action a = ±1 that each took; told after the step
    """

    reward: Tensor

    def __init__(self, w: Tensor, decay: float = 0.0) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(floats("Crowd w", w, "learners, inputs").detach().clone())
        self.decay = number("Crowd decay", decay)
        self.register_buffer("reward", w.new_zeros(len(w)))

    def output(self, u: Any, h: Known) -> Tensor:
        """(w·u, ½λ|w|², r̄) of each, (n, 3)."""
        w = self.w
        return torch.stack([(u * w).sum(1), 0.5 * self.decay * (w * w).sum(1), self.reward], 1)

    def absorb(self, sample: Sample, output: Tensor) -> None:
        """The mean reward takes in what the action of this step brought."""
        y, die = sample.target.unbind(1)
        self.reward.lerp_(y * action(output, die), 1 - KEPT)


def action(output: Tensor, die: Tensor) -> Tensor:
    """a = ±1, +1 with probability σ(logit); the die, in [0, 1), is thrown by the stream."""
    return (die < output[:, 0].sigmoid()).to(output.dtype) * 2 - 1


def _supervised(output: Tensor, target: Tensor) -> Tensor:
    """Σ softplus(-y w·u) + ½λ|w|²: cross-entropy, summed over the crowd. target (n, 2): y = ±1 and a die."""
    return (softplus(-target[:, 0] * output[:, 0]) + output[:, 1]).sum()


supervised = DeclaredLoss(_supervised, own_shapes=True)


def reinforce(baseline: float | str = 0.0) -> DeclaredLoss:
    """Σ -(y a - b) log σ(a w·u) + ½λ|w|², with a drawn from σ(w·u) by the die of the target, y a - b held still.

    baseline  b: a number; "mean", each learner's own mean reward (the textbook's); or "best" = 1 - 2 P(right answer),
              under which the update is its own mean over the actions (ours)
    """
    if isinstance(baseline, str):
        if baseline not in ("mean", "best"):
            raise unknown("baseline", baseline, ("mean", "best", "a number"))
    elif isinstance(baseline, bool) or not isinstance(baseline, (int, float)) or baseline - baseline != 0:
        raise bad("baseline", repr(baseline), "a finite number, 'mean' or 'best'")

    def loss(output: Tensor, target: Tensor) -> Tensor:
        logit, y = output[:, 0], target[:, 0]
        with torch.no_grad():
            a = action(output, target[:, 1])
            b: Any = baseline
            if isinstance(baseline, str):
                b = output[:, 2] if baseline == "mean" else 1 - 2 * (y * logit).sigmoid()
            kept = y * a - b
        return (output[:, 1] - kept * logsigmoid(a * logit)).sum()

    loss.__name__, loss.__doc__ = "reinforce", reinforce.__doc__
    return DeclaredLoss(loss, own_shapes=True)


def crowd_loss(rule: str, baseline: float | str = 0.0) -> DeclaredLoss:
    """The loss of one of RULES."""
    if known("rule", rule, RULES) == "supervised" and baseline != 0.0:
        raise bad("baseline", repr(baseline), "none for the supervised rule", "write rule='reinforce'")
    return supervised if rule == "supervised" else reinforce(baseline)
