"""Knowledge as potential energy: what it costs a policy to act against bounds."""

from typing import Any

import torch
from torch import Tensor

from ...errors import number
from ...law.arrays import softmax, zeros
from ...law.loss import DeclaredLoss
from .td import td


def violation(policy: Tensor, low: Tensor, up: Tensor) -> Tensor:
    """V(π) = Σ_a max(0, π_a - U_a) + max(0, 1 - Σ_{a: L_a > ½} π_a): the contradiction of asserting π (ours).

    (…, A) each. With crisp bounds the first part is the chance of a forbidden action. The second is the OR of what is
    recommended, and 0 where nothing is: π adds to 1, so that of two L_a = 1 each cannot be met.
    """
    wanted = low > 0.5
    against = (policy - up).clamp(min=0).sum(-1)
    missed = (1 - (policy * wanted).sum(-1)).clamp(min=0)
    return against + torch.where(wanted.any(-1), missed, torch.zeros_like(missed))


def td_logic(discount: float, strength: float, temperature: float = 0.1, mask: bool = False) -> DeclaredLoss:
    """L_TD + κ V(π), π = softmax(Q(s')/T) of the row that is acted on: H' = φ(L_TD + κV).

    strength  κ: reward may overrule it, unlike a hard shield     mask  as in `td`
    The target of a world of `Rooms`: (a, r, alive, L …, U …), the bounds being those of the state acted in.
    """
    error, T = td(discount, mask), number("temperature", temperature, positive=True)
    kappa = number("strength", strength)
    if not kappa:
        return error

    def loss(y: Tensor, t: Tensor) -> Tensor:
        low, up = t[:, 3:].unflatten(1, (2, -1)).unbind(1)
        return error(y, t) + kappa * violation(torch.softmax(y[:, 1] / T, 1), low, up).sum()

    def slope(xp: Any, y: Any, t: Any) -> tuple[float, Any]:
        (L, dy), A = error.slope(xp, y, t), y.shape[2]
        wanted, up, policy = t[:, 3 : 3 + A] > 0.5, t[:, 3 + A :], softmax(xp, y[:, 1] / T)
        over, missed = policy - up, 1 - (policy * wanted).sum(1)
        unmet = (wanted.any(1) & (missed >= 0))[:, None]
        pull = kappa * (over >= 0) - kappa * (wanted & unmet)
        dy[:, 1] = policy * (pull - (policy * pull).sum(1)[:, None]) / T
        return L + kappa * (over.clip(0).sum() + (missed * unmet[:, 0]).sum()), dy

    return DeclaredLoss(loss, slope, own_shapes=True)


def policy_loss(temperature: float) -> DeclaredLoss:
    """L = -log π(a), π = softmax(y/T) of row 0: its derivative, times what was earned, is REINFORCE (Williams 1992)."""
    T = number("temperature", temperature, positive=True)

    def loss(y: Tensor, t: Tensor) -> Tensor:
        chosen = torch.log_softmax(y[:, 0] / T, 1).gather(1, t[:, :1].long())[:, 0]
        return -((t[:, 2] >= 0) * chosen).sum()

    def slope(xp: Any, y: Any, t: Any) -> tuple[float, Any]:
        begun, place = t[:, 2] >= 0, (range(len(t)), xp.asarray(t[:, 0], dtype=xp.int64))
        policy, dy = softmax(xp, y[:, 0] / T), zeros(y, *y.shape)
        dy[:, 0] = policy
        dy[:, 0][place] -= 1
        return -(begun * xp.log(policy[place])).sum(), begun[:, None, None] * dy / T

    return DeclaredLoss(loss, slope, own_shapes=True)
