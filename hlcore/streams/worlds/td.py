"""The loss of a world: the error of temporal differences, with the goal held still."""

import torch
from torch import Tensor

from ...errors import bad, number
from ...law.loss import DeclaredLoss


class TD(DeclaredLoss):
    """The loss that `td` makes; its discount γ."""

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

    def loss(y: Tensor, t: Tensor) -> Tensor:
        a, r, alive = t[:, 0].long(), t[:, 1], t[:, 2]
        after = y[:, 1].detach()
        if mask:
            forbidden = t[:, 3 + after.shape[1] :] < 0.5
            after = after.masked_fill(forbidden & ~forbidden.all(1, keepdim=True), -torch.inf)
        goal = r + discount * alive.clamp(min=0) * after.amax(1)
        error = y[:, 0].gather(1, a[:, None])[:, 0] - goal
        return 0.5 * ((alive >= 0) * error.square()).sum()

    declared = TD(loss, own_shapes=True)
    declared.discount = discount
    return declared
