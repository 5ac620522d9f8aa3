"""Any module as f^y (no state), or as f^h with instantaneous propagation."""

from typing import Any

import torch
from torch import Tensor

from ..errors import bad
from ..law.network import Known, Network, State, apply, instantaneous, require_module
from ..law.point import Tensors


class OutputNetwork(Network):
    """Any module as output network: y = module(u), no state, H' = φL (P, eq. 20-21).

    In sequential order its weights move as under torch.optim.SGD (theorem T1).
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = require_module("OutputNetwork", module)

    def output(self, u: Any, h: Known) -> Tensor:
        """f^y(u) = module(u)."""
        return apply(self.module, u)


class StateNetwork(Network):
    """Any module as state network with instantaneous propagation: h' = (module(u) - h)/τ (P, eq. 9, 22-23).

    f^y is the identity, or `readout(h)` if one is given. With h cleared before each sample and in
    sequential order its weights move as those of the output network (theorem T2).
    """

    def __init__(self, module: torch.nn.Module, readout: torch.nn.Module | None = None) -> None:
        super().__init__()
        self.module = require_module("StateNetwork", module)
        self.readout = None if readout is None else require_module("StateNetwork readout", readout)

    def initial_state(self, batch_size: int) -> State:
        """One component "h" of the module's output shape, which the first sample tells."""
        return {"h": None}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = (module(u) - h)/τ."""
        f = apply(self.module, u)
        if not isinstance(f, Tensor):
            expected, mend = "a module that returns one tensor", "wrap it in a module that picks the tensor"
            raise bad("StateNetwork module", type(f).__name__, expected, mend)
        return {"h": instantaneous(f, h["h"], tau)}

    def output(self, u: Any, h: Known) -> Tensor:
        """f^y = identity, or the readout."""
        state: Any = h["h"]
        return state if self.readout is None else self.readout(state)
