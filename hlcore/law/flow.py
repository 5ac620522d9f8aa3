"""The two maps of H' = φL + z·f^h that can be pulled back: the flow f^h, and the reading L(f^y)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from .arrays import Arrays, plus

Slopes: TypeAlias = Sequence[Any]  # a derivative by θ, in the order of its names; None where nothing depends on it
Pulled: TypeAlias = tuple[Arrays, Slopes]  # derivatives by h and by θ


class Reading(NamedTuple):
    """y = f^y(u,h,θ) and L(y, ŷ) at one state, a tensor with its graph or a number; pull(φ) = φ ∂L/∂(h, θ)."""

    y: Any
    loss: Any
    pull: Callable[[Any], Pulled]


class Flow:
    """v = f^h(u,h,θ) at one state h (whose open shapes v has told), pulled back along costates z; None is zero."""

    h: Arrays
    v: Arrays
    theta: Sequence[Tensor]

    def to_state(self, z: Arrays | None) -> Arrays:
        """(∂f^h/∂h)ᵀz."""
        return self.pull(z)[0]

    def to_weights(self, z: Arrays | None) -> Slopes:
        """(∂f^h/∂θ)ᵀz."""
        return self.pull(z)[1]

    def pull(self, z: Arrays | None) -> Pulled:
        """Both."""
        return self.to_state(z), self.to_weights(z)

    def read(self, h: Arrays, target: Any) -> Reading:
        """f^y and L at state h, which may be this flow's own."""
        raise NotImplementedError

    def derivative(self, at: Reading, phi: Any, z: Arrays | None) -> Pulled:
        """∂H'/∂(h, θ) of H' = φL + z·f^h, L being read at this flow's own state."""
        (dh, dtheta), (further, more) = self.pull(z), at.pull(phi)
        return added(dh, further), added_slopes(dtheta, more)

    def as_given(self, z: dict[str, Tensor] | None) -> Arrays | None:
        """A costate in the arrays of this flow."""
        return z


class Law(Protocol):
    """Whoever gives the two maps of one network and loss."""

    def flow(self, u: Any, h: Any, tau: Any) -> Flow:
        """f^h at h."""

    def read(self, u: Any, h: Any, target: Any) -> Reading:
        """f^y and L of a network without state."""


def added(one: Arrays, other: Arrays) -> Arrays:
    """The sum of two derivatives by h; None counts as zero."""
    return {name: plus(x, other[name]) for name, x in one.items()}


def added_slopes(one: Slopes, other: Slopes) -> Slopes:
    """The sum of two derivatives by θ; None counts as zero."""
    return [b if a is None else a if b is None else a + b for a, b in zip(one, other, strict=True)]


def flat(parts: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """One vector of them all, zeros for None."""
    return torch.cat([x.new_zeros(x.numel()) if g is None else g.flatten() for g, x in zip(parts, like, strict=True)])
