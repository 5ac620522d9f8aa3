"""Linear state networks integrated exactly: an orthogonal turn, a drive, a readout."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import bad, unknown, whole
from ..law.network import Known, Network, State, require_module
from ..law.point import Tensors

STARTS = ("rest", "free", "clock")


class Exact(Network):
    """A linear state network integrated exactly, h' = A h + B u, and a readout y = C σ(h); bias-free (K).

    start    "rest": h_0 = 0, driven by u
             "free": h_0 = B u / Σu from the first input, then no input: the network runs by itself. h_0 is there
             after the first step, so begin a sequence with a sample without target
             "clock": h_0 drawn once, the same for every sequence, no input: u acts through the readout alone
    readout  a module (u, σ(h)) -> y, such as `KeyedReadout`; None: a matrix C
    sigma    σ, any function of h; None: the identity
    """

    h0: Tensor
    keep = 1.0  # |λ| of a unit of time

    def __init__(
        self, width: int, inputs: int, outputs: int, start: str, readout: torch.nn.Module | None, sigma: Any
    ) -> None:
        super().__init__()
        if start not in STARTS:
            raise unknown("start", start, STARTS)
        if sigma is not None and not callable(sigma):
            raise bad("sigma", repr(sigma), "a function of h, or None")
        self.width, self.start, self.sigma = width, start, sigma
        self.B = None if start == "clock" else torch.nn.Linear(whole("inputs", inputs), width, bias=False)
        C = torch.nn.Linear(width, whole("outputs", outputs), bias=False) if readout is None else None
        self.C, self.readout = C, None if readout is None else require_module("readout", readout)
        if start == "clock":
            self.register_buffer("h0", self._draw_start())

    def initial_state(self, batch_size: int) -> State:
        """{"h": (batch, width)}: zeros, the clock's start, or (free) what the first input tells."""
        if self.start == "free":
            return {"h": None}
        start = self._zeros(1, self.width) if self.start == "rest" else self.h0
        return {"h": start.expand(batch_size, self.width)}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = (h⁺ - h)/τ with h⁺ the exact solution after τ, u being held."""
        x = h["h"]
        if self.start == "rest":
            assert x is not None and self.B is not None
            return {"h": self.free(x, tau) + self.driven(self.B(u), tau)}
        if x is None:
            assert self.B is not None
            return {"h": self.B(u) / u.sum(1, keepdim=True) / tau}
        return {"h": self.free(x, tau)}

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """The state from which a step of τ leads to h, e^{-Aτ}(h - A⁻¹(e^{Aτ} - 1) B u); a free start has none."""
        x = h["h"]
        if self.start == "rest":
            assert self.B is not None
            x = x - tau * self.driven(self.B(u), tau)
        return {"h": x - tau * self.free(x, -tau)}

    def transport(self, u: Any, before: Tensors, after: Tensors, p: Tensors, tau: float) -> Tensors:
        """J⁻ᵀp = J p/|λ|²: what turns costates forward is the turn itself."""
        return {"h": (p["h"] + tau * self.free(p["h"], tau)) * self.keep ** (-2 * tau)}

    def product(self, u: Any, h: Tensors, tau: float, M: Any) -> Any:
        """M = e^{At}: the time t is all that must be kept."""
        return (0.0 if M is None else M) + tau

    def to_start(self, M: Any, p: Tensors) -> Tensors:
        """Mᵀp = |λ|^{2t} e^{-At} p, from t and ϖ, not from a product of t turns."""
        return {"h": (p["h"] - M * self.free(p["h"], -M)) * self.keep ** (2 * M)}

    def held(self, M: Any) -> float:
        """|λ|^t."""
        return self.keep**M

    def output(self, u: Any, h: Known) -> Tensor:
        """y = C σ(h), or the readout of (u, σ(h))."""
        x = h["h"]
        assert x is not None
        x = x if self.sigma is None else self.sigma(x)
        if self.C is not None:
            return self.C(x)
        assert self.readout is not None
        return self.readout(u, x)

    def free(self, h: Tensor, tau: float) -> Tensor:
        """(e^{Aτ} h - h)/τ."""
        raise NotImplementedError

    def driven(self, b: Tensor, tau: float) -> Tensor:
        """A⁻¹(e^{Aτ} - 1) b/τ, what a constant drive adds."""
        raise NotImplementedError

    def _draw_start(self) -> Tensor:
        x = torch.randn(1, self.width)
        return x * (self.width / 2) ** 0.5 / x.norm()


class Antisymmetric(Exact):
    """h⁺ = e^{Aτ} h + A⁻¹(e^{Aτ} - 1) B u with A = (W - Wᵀ)/2 (K): |h| is kept when nothing drives, for any W.

    Cost grows as width³; `Rotations` is the same dynamics in its own axes. start, readout, sigma as in `Exact`.
    """

    def __init__(
        self,
        width: int,
        inputs: int,
        outputs: int,
        *,
        start: str = "rest",
        readout: torch.nn.Module | None = None,
        sigma: Any = None,
    ) -> None:
        super().__init__(whole("Antisymmetric width", width), inputs, outputs, start, readout, sigma)
        self.W = torch.nn.Parameter(torch.empty(width, width).uniform_(-1, 1) / width**0.5)

    def free(self, h: Tensor, tau: float) -> Tensor:
        """(e^{Aτ} h - h)/τ."""
        return (h @ torch.linalg.matrix_exp(self._generator() * tau).T - h) / tau

    def driven(self, b: Tensor, tau: float) -> Tensor:
        """∫ e^{Aσ} b dσ/τ over one step, also where A has no inverse: the corner of exp((A, 1), (0, 0))."""
        A, n = self._generator() * tau, self.width
        rows = torch.cat([A, torch.eye(n, dtype=A.dtype, device=A.device)], 1)
        both = torch.linalg.matrix_exp(torch.cat([rows, torch.zeros_like(rows)], 0))
        return b @ both[:n, n:].T

    def _generator(self) -> Tensor:
        return (self.W - self.W.T) / 2
