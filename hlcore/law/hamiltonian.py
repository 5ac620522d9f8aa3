"""The robust Hamiltonian H' = φL + z·f^h: one scalar, its value and its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from ..errors import MISTAKES, HLError, bad, described, explain, first_line, same_device
from .arrays import light
from .engine import differentiate
from .hand import Hand, squares
from .network import Known, Network, State
from .point import Tensors

Loss = Callable[[Tensor, Any], Tensor]


class Hamiltonian:
    """H'(h, z, θ; u, ŷ) = φ L(f^y(u,h,θ^y), ŷ) + z·f^h(u,h,θ^h)  (P, eq. 8) for one network and loss.

    Evaluates the two terms with input checked, and differentiates their sum in one call of
    autograd's engine, or by the network's own `pullback` where it has one; whatever a network or loss raises
    comes out as an HLError that says where.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network, self.loss = network, loss
        self.slope: Any = squares if loss is mse_loss else getattr(loss, "slope", None)  # L and ∂L/∂y by hand
        self.own_shapes: bool = getattr(loss, "own_shapes", False)  # of output and target
        self._whole = all(p.requires_grad for p in network.parameters())  # none is frozen

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence."""
        state: Any = self.network.initial_state(batch_size)
        if not isinstance(state, dict) or any(not (x is None or isinstance(x, Tensor)) for x in state.values()):
            got = {k: type(x).__name__ for k, x in state.items()} if isinstance(state, dict) else type(state).__name__
            raise bad(f"initial_state of {type(self.network).__name__}", got, "{name: tensor or None}")
        return state

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = f^h(u,h,θ^h) (E*1), with the names and shapes of h."""
        try:
            v = self.network.velocity(u, h, tau)
        except MISTAKES as error:
            explain("velocity (f^h)", self.network, u, error)
        if v.keys() != h.keys() if isinstance(v, dict) else True:
            names = sorted(v) if isinstance(v, dict) else type(v).__name__
            raise bad(f"velocity of {type(self.network).__name__}", names, f"a dict with the state's names {sorted(h)}")
        for name, x in h.items():
            if not isinstance(v[name], Tensor):
                raise bad(f"velocity[{name!r}]", type(v[name]).__name__, "a tensor")
            if x is not None and v[name].shape != x.shape:
                raise bad(
                    f"velocity[{name!r}] of {type(self.network).__name__}",
                    f"shape {tuple(v[name].shape)}",
                    f"the state's shape {tuple(x.shape)}",
                    "start a sequence before the batch size changes",
                )
        return v

    def output(self, u: Any, h: Known) -> Tensor:
        """y = f^y(u,h,θ^y)."""
        try:
            y = self.network.output(u, h)
        except MISTAKES as error:
            explain("output (f^y)", self.network, u, error)
        if not isinstance(y, Tensor):
            raise bad(f"output of {type(self.network).__name__}", type(y).__name__, "a tensor")
        return y

    def instantaneous_loss(self, y: Tensor, target: Any) -> Tensor | None:
        """L(y, ŷ), a scalar; None without a target (L = 0)."""
        if target is None:
            return None
        shaped = isinstance(target, Tensor) and target.is_floating_point() and not self.own_shapes
        if shaped and target.numel() != y.numel():
            raise bad("target", f"shape {tuple(target.shape)}", f"the output's shape {tuple(y.shape)}")
        try:
            L = self.loss(y, target)
        except MISTAKES as error:
            same_device("target", target, y)
            raise HLError(
                f"loss: got output {described(y)} and target {described(target)}, expected a pair that it takes; "
                f"torch says: {first_line(error)}."
            ) from error
        if not isinstance(L, Tensor) or L.dim() != 0 or not L.is_floating_point():
            raise bad("loss", described(L), "a scalar tensor of floats", "reduce it with .mean() or .sum()")
        return L

    def by_hand(self, sample: Any, h: State, z: Tensors | None, tau: float, theta: Tensors) -> Hand | None:
        """The network's and the loss's derivatives worked out by hand, at this point; None: leave it to autograd."""
        return Hand.taken(self, sample, h, z, tau, theta) if self._whole else None

    @staticmethod
    def derivative(
        L: Tensor | None, phi: float, z: Tensors | None, v: Tensors, wrt: Sequence[Tensor], keep: bool = False
    ) -> tuple[Sequence[Tensor | None], float]:
        """∂H'/∂x for each x in wrt, up to the scale returned beside it (None where H' does not depend on x).

        Without z the derivative of L itself is returned with scale φ, so that φ reaches the weights
        as one factor of the update and the identity with SGD holds to the last bit.
        """
        terms: list[Tensor] = []
        factors: list[Tensor] = []
        if L is not None and L.requires_grad:
            terms.append(L)
            factors.append(torch.ones_like(L) if z is None or phi == 1.0 else torch.full_like(L, phi))
        if z is not None:
            for name, x in v.items():
                if x.requires_grad:
                    terms.append(x)
                    factors.append(z[name])
        if not terms or not wrt:
            return (None,) * len(wrt), 1.0
        try:
            grads = differentiate(terms, factors, wrt, keep)
        except RuntimeError as error:
            raise HLError(
                f"derivative of H': got {first_line(error)}; expected a network and a loss that torch can "
                "differentiate; build a new Learner after parameters were frozen or moved."
            ) from error
        return grads, phi if z is None else 1.0

    @staticmethod
    def value(L: float, phi: float, z: dict[str, Any], v: dict[str, Any]) -> float:
        """H' itself."""
        return phi * L + sum([float((z[name] * x).sum()) for name, x in v.items()])


@np.errstate(over="ignore", invalid="ignore")
def not_finite(tensors: Tensors) -> str | None:
    """Name of the first tensor with an entry that is inf or nan, or None."""
    for name, x in tensors.items():
        _, total = light(x)
        total = float(total.sum())
        if total - total != 0.0 and not bool(torch.isfinite(x).all()):
            return name
    return None
