"""Layers of state networks, one reading the other."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..errors import bad
from ..law.arrays import moved
from ..law.network import Known, Network, State, require_network
from ..law.point import Tensors
from .chain import listed


class Stack(Network):
    """Layer l reads what the one below gives once it moved: h_l⁺ = h_l + τ f_l(y_{l-1}(h_{l-1}⁺), h_l); y is the top's.

    layers  networks with one state component "h" each, the first reading u. The state has them as "0", "1", …

    J = ∂h⁺/∂h is block triangular, so costates are carried forward layer by layer, from the top (`fptt_gradient`).
    """

    def __init__(self, layers: Iterable[Network]) -> None:
        super().__init__()
        self.parts = listed("Stack layer", layers, "write [network]")
        for part in self.parts:
            require_network(part)
        self.floors = tuple(map(str, range(len(self.parts))))

    def initial_state(self, batch_size: int) -> State:
        """{"0": …, "1": …}."""
        found = {}
        for name, part in self._each():
            start = part.initial_state(batch_size)
            if list(start) != ["h"]:
                raise bad(f"Stack layer {name}", f"the state {sorted(start)}", 'one component "h"')
            found[name] = start["h"]
        return found

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """f_l of all layers, from the bottom up."""
        found = {}
        for name, part in self._each():
            found[name] = part.velocity(u, {"h": h[name]}, tau)["h"]
            u = part.output(u, moved({"h": h[name]}, {"h": found[name]}, tau))
        return found

    def output(self, u: Any, h: Known) -> Tensor:
        """y of the top layer."""
        for name, part in self._each():
            u = part.output(u, {"h": h[name]})
        return u

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """Each layer undone, with the inputs that it had: they are read from h⁺."""
        found = {}
        for name, part in self._each():
            found[name] = part.undo(u, {"h": h[name]}, tau)["h"]
            u = part.output(u, {"h": h[name]})
        return found

    def product(self, u: Any, h: Tensors, tau: float, M: Any) -> Any:
        """The blocks on the diagonal of J M, one a layer: what each forgets by itself."""
        found = {}
        for name, part in self._each():
            found[name] = part.product(u, {"h": h[name]}, tau, None if M is None else M[name])
            with torch.no_grad():
                u = part.output(u, moved({"h": h[name]}, part.velocity(u, {"h": h[name]}, tau), tau))
        return found

    def to_start(self, M: Any, p: Tensors) -> Tensors:
        """Mᵀp of each layer."""
        return {name: part.to_start(M[name], {"h": p[name]})["h"] for name, part in self._each()}

    def held(self, M: Any) -> float:
        """The least of the layers'."""
        return min(part.held(M[name]) for name, part in self._each())

    def _each(self) -> Iterable[tuple[str, Any]]:
        return zip(self.floors, self.parts, strict=True)
