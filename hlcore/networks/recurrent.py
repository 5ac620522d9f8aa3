"""A recurrent cell as state network, a readout as output network."""

from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number, whole
from ..law.arrays import Arrays, outer, total
from ..law.closed_form import ClosedForm
from ..law.network import Known, Network, State, instantaneous, require_module
from ..law.point import Tensors
from .module_forms import fits, module_form, touched

CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Recurrent(Network):
    """h' = (cell(u, h) - h)/τ, y = readout(h) (P, eq. 9): the next state is cell(u, h) for any τ.

    cell     RNNCell, GRUCell, LSTMCell (state "h" and "c"), or your own module (u, h) -> next h
    readout  any module; it reads "h"
    units    width of the state for a cell of your own without `hidden_size`
    speed    c of N, > 0: h' = c (cell(u, h) - h), a leaky state whose motion depends on τ; None: c = 1/τ
    """

    def __init__(
        self, cell: torch.nn.Module, readout: torch.nn.Module, units: int | None = None, speed: float | None = None
    ) -> None:
        super().__init__()
        self.cell = require_module("Recurrent cell", cell)
        self.readout = require_module("Recurrent readout", readout)
        size = getattr(cell, "hidden_size", None) if units is None else units
        if size is None:
            raise bad("Recurrent units", "a cell without hidden_size", "the width of its state", "add units=N")
        self.units = whole("Recurrent units", size)
        self.speed = None if speed is None else number("Recurrent speed", speed, positive=True)
        self._lstm = isinstance(cell, torch.nn.LSTMCell)

    def initial_state(self, batch_size: int) -> State:
        """Zeros (batch, units); "h", and "c" for an LSTM cell."""
        names = ("h", "c") if self._lstm else ("h",)
        return {name: self._zeros(batch_size, self.units) for name in names}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = c (cell(u, h) - h), c = 1/τ unless a speed is given."""
        tau = tau if self.speed is None else 1 / self.speed
        if self._lstm:
            following = dict(zip(("h", "c"), self.cell(u, (h["h"], h["c"])), strict=True))
            return {name: instantaneous(following[name], h[name], tau) for name in h}
        f = self.cell(u, h["h"])
        if not isinstance(f, Tensor):
            raise bad("Recurrent cell", type(f).__name__, "a module that returns the next h as one tensor")
        return {"h": instantaneous(f, h["h"], tau)}

    def output(self, u: Any, h: Known) -> Tensor:
        """y = readout(h)."""
        return self.readout(h["h"])

    def closed_form(self) -> ClosedForm | str | None:
        """Of torch's tanh RNNCell and a readout on the list: with a = tanh(W u + b + V h + b'), h' = c (a - h),

        δ = c z (1 - a²),   ∂/∂h = Vᵀδ - c z,   ∂/∂W = δ uᵀ,   ∂/∂V = δ hᵀ,   ∂/∂b = ∂/∂b' = δ.
        """
        cell = self.cell
        if not isinstance(cell, torch.nn.RNNCell):
            return None
        readout = module_form(self.readout)
        for why in (touched(self, Recurrent), touched(cell, torch.nn.RNNCell), readout):
            if isinstance(why, str) and why:
                return why
        if cell.nonlinearity != "tanh" or not cell.bias:
            return None
        weights = [getattr(cell, name) for name in CELL]
        assert not isinstance(readout, str)

        def velocity(xp: Any, u: Any, h: Arrays, w: list[Any], tau: float) -> Any:
            if not fits(u, (len(h["h"]), cell.input_size), weights[0]):
                return None
            W, V, b, b2 = w
            x, c = u.detach() if xp is torch else u.detach().numpy(), 1 / tau if self.speed is None else self.speed
            a = xp.tanh(x @ W.T + b + h["h"] @ V.T + b2)

            def to_state(z: Arrays) -> Arrays:
                g = c * z["h"]
                return {"h": (g * (1 - a * a)) @ V - g}

            def to_weights(z: Arrays) -> list[Any]:
                d = (c * z["h"]) * (1 - a * a)
                db = total(d)
                return [outer(d, x), outer(d, h["h"]), db, db]

            return {"h": c * (a - h["h"])}, to_state, to_weights

        return ClosedForm(velocity, weights, readout.of_state, readout.weights)
