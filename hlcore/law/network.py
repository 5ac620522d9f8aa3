"""What every network is: f^h and f^y."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from ..errors import bad
from .point import Tensors

if TYPE_CHECKING:
    from .closed_form import ClosedForm

State: TypeAlias = dict[str, Tensor | None]  # None: zeros of a shape not yet known
Known: TypeAlias = Mapping[str, Tensor | None]


class Network(torch.nn.Module):
    """A state network f^h and an output network f^y (P, section 3). Subclass it for your own model.

    The state h is {name: tensor}, batch first; a network without state returns {} and needs only `output`.
    """

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence. A component may be None: zeros, whose shape the first velocity tells."""
        return {}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = f^h(u, h, θ^h) (E*1) with h's names and shapes; h + tau * h' is the next state.

        A component of h is None until its shape is known; it then stands for zeros.
        """
        if h:
            raise bad(f"{type(self).__name__}.velocity", "no definition", "one for a network with a state")
        return {}

    def output(self, u: Any, h: Known) -> Tensor:
        """y = f^y(u, h, θ^y)."""
        raise bad(f"{type(self).__name__}.output", "no definition", "a method output(self, u, h)")

    def closed_form(self) -> ClosedForm | str | None:
        """f^h and f^y with their derivatives worked out by hand; None: leave them to autograd; a text: why not here.

        Optional, for speed. It is asked once, and again when a part was touched; see `law.closed_form.ClosedForm`.
        """
        return None

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """The state from which a step of τ leads to h: the exact inverse of h + τ f^h, where there is one."""
        raise bad(f"{type(self).__name__}.undo", "no definition", "a network whose step can be undone")

    def _zeros(self, *shape: int) -> Tensor:
        """Zeros of this network's dtype and device."""
        like = next(self.parameters(), torch.empty(0))
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


def can_undo(network: Network) -> bool:
    """Whether the network says how its step is undone."""
    return type(network).undo is not Network.undo


def apply(module: torch.nn.Module, u: Any) -> Any:
    """module(u), or module(*u) when the stream yields several inputs as a tuple."""
    return module(*u) if isinstance(u, tuple) else module(u)


def require_network(network: Any) -> Network:
    """`network` itself, or an HLError."""
    if not isinstance(network, Network):
        wrap = "wrap it: OutputNetwork(module) or StateNetwork(module)"
        mend = wrap if isinstance(network, torch.nn.Module) else ""
        raise bad("network", type(network).__name__, "an hlcore.Network", mend)
    return network


def require_module(what: str, module: Any) -> torch.nn.Module:
    """`module` itself, or an HLError when it is not a torch.nn.Module."""
    if not isinstance(module, torch.nn.Module):
        mend = "give an instance, as in torch.nn.Linear(4, 3)" if isinstance(module, type) else ""
        raise bad(what, getattr(module, "__name__", type(module).__name__), "a torch.nn.Module", mend)
    return module


def instantaneous(f: Tensor, h: Tensor | None, tau: float) -> Tensor:
    """h' = (1/τ)(-h + f̂): the velocity that reaches f̂ in one step of τ (P, eq. 9)."""
    return f / tau if h is None else (f - h) / tau
