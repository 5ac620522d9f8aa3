"""The loss of a world: the error of temporal differences, with the goal held still."""

from typing import Any

import torch
from torch import Tensor

from ...errors import bad, number
from ...law.arrays import numbered, row_max, zeros
from ...law.loss import DeclaredLoss, Slope


class TD(DeclaredLoss):
    """The loss that `td` makes; its discount γ."""

    slope: Slope
    discount: float


def td(discount: float, mask: bool = False) -> TD:
    """L = ½ (Q(s)[a] - [r + γ max Q(s')])², the bracket held still (a semi-gradient; Watkins 1989, Sutton 1988).

    y (B, 2, A): row 0 is Q(s), row 1 Q(s'); target (B, 3 …) = (a, r, alive, …): no loss before the first move (-1), no
    bootstrap after an end (0); summed over B. H' is φL and nothing else, and ω the trace of TD errors.
    mask  True: the target goes on with bounds (L_a, U_a) of s' as `Rooms` tells them, and the maximum is over what they
          do not forbid: the value of what may never be done is never corrected
    """
    if number("discount", discount) > 1:
        raise bad("discount", discount, "a number in [0, 1]")

    def error(xp: Any, q: Any, after: Any, t: Any) -> tuple[Any, Any]:
        """(the bracket of each move, 0 before the first; where in q it is)."""
        alive, place = t[:, 2], (numbered(t), xp.asarray(t[:, 0], dtype=xp.int64))
        if mask:
            free = t[:, 3 + after.shape[1] :] >= 0.5
            after = xp.where(free | ~free.any(1)[:, None], after, -xp.inf)
        found = q[place] - (t[:, 1] + discount * alive.clip(0) * row_max(after)[:, 0])
        return xp.where(alive >= 0, found, 0), place

    def loss(y: Tensor, t: Tensor) -> Tensor:
        return 0.5 * error(torch, y[:, 0], y[:, 1].detach(), t)[0].square().sum()

    def slope(xp: Any, y: Any, t: Any) -> tuple[float, Any]:
        e, place = error(xp, y[:, 0], y[:, 1], t)
        dy = zeros(y, *y.shape)
        dy[:, 0][place] = e
        return 0.5 * (e @ e), dy

    declared = TD(loss, slope, own_shapes=True)
    declared.discount = discount
    return declared
