"""A recurrent cell as state network, a readout as output network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number
from ..law.arrays import light, outer, total
from ..law.network import Arrays, Known, Network, Read, State, Velocity, instantaneous, require_module
from ..law.point import Tensors

PLAIN = {f"cell.{kind}_{of}" for kind in ("weight", "bias") for of in ("ih", "hh")} | {"readout.weight", "readout.bias"}


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
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise bad("Recurrent units", repr(size), "a whole number >= 1")
        self.units = size
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

    def pullback(self, xp: Any, u: Any, h: Arrays, theta: Arrays, tau: float) -> tuple[Arrays, Velocity, Read] | None:
        """By hand for torch's tanh RNNCell and a Linear readout: with a = tanh(W u + b + V h + b'), h' = c (a - h),

        δ = c z (1 - a²),   ∂/∂h = Vᵀδ - c z,   ∂/∂W = δ uᵀ,   ∂/∂V = δ hᵀ,   ∂/∂b = ∂/∂b' = δ.
        """
        if set(theta) != PLAIN or not self._plain(u, h["h"]):
            return None
        W, V, C = theta["cell.weight_ih"], theta["cell.weight_hh"], theta["readout.weight"]
        x, c = light(u)[1], 1 / tau if self.speed is None else self.speed
        a = xp.tanh(x @ W.T + theta["cell.bias_ih"] + h["h"] @ V.T + theta["cell.bias_hh"])

        def back(z: Arrays) -> tuple[Arrays, Arrays]:
            g = c * z["h"]
            d = g * (1 - a * a)
            b = total(d)
            weights = {"cell.weight_ih": outer(d, x), "cell.weight_hh": outer(d, h["h"])}
            return {"h": d @ V - g}, weights | {"cell.bias_ih": b, "cell.bias_hh": b}

        def read(at: Arrays) -> tuple[Any, Any]:
            def read_back(g: Any) -> tuple[Arrays, Arrays]:
                return {"h": g @ C}, {"readout.weight": outer(g, at["h"]), "readout.bias": total(g)}

            return at["h"] @ C.T + theta["readout.bias"], read_back

        return {"h": c * (a - h["h"])}, back, read

    def _plain(self, u: Any, h: Any) -> bool:
        """Whether cell and readout are torch's own, nothing hangs on them, and u fits: autograd complains better."""
        cell, readout = self.cell, self.readout
        if type(cell) is not torch.nn.RNNCell or type(readout) is not torch.nn.Linear or cell.nonlinearity != "tanh":
            return False
        hooks = (m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in (cell, readout))
        weight = cell.weight_ih
        fits = isinstance(u, Tensor) and u.shape == (len(h), cell.input_size) and u.dtype == weight.dtype
        return fits and u.device == weight.device and not any(hooks)
