"""Networks for endless time: exact rotations, whose state neither fades nor grows."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number, unknown, whole
from ..law.arrays import Arrays, total
from ..law.closed_form import ClosedForm
from ..law.differentiate import transforming
from ..law.network import Known, Network, State, require_module
from ..law.point import Tensors
from .module_forms import touched
from .readouts import described_form

STARTS = ("rest", "free", "clock")
SPREADS = ("uniform", "even")


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


class Rotations(Exact):
    """Blocks (h1, h2), each turned exactly by ϖτ: (h1, h2)⁺ = (c h1 + s h2, -s h1 + c h2), c = cos ϖτ, s = sin ϖτ (K).

    A drive b adds ((s b1 - (c-1) b2)/ϖ, ((c-1) b1 + s b2)/ϖ). ϖ is learned; |h| is kept for ever when nothing drives.

    units    number of blocks; h = (h1 of all blocks, h2 of all blocks) has 2·units entries
    top      ϖ lies in (0, top), radians per unit of time
    spread   "uniform": ϖ drawn independently; "even": one drawn in each of `units` equal parts of (0, top)
    start, readout, sigma  as in `Exact`
    """

    def __init__(
        self,
        units: int,
        inputs: int,
        outputs: int,
        *,
        start: str = "rest",
        top: float = 1.0,
        spread: str = "uniform",
        readout: torch.nn.Module | None = None,
        sigma: Any = None,
    ) -> None:
        self.units, self.top = whole("Rotations units", units), number("Rotations top", top, positive=True)
        if spread not in SPREADS:
            raise unknown("Rotations spread", spread, SPREADS)
        super().__init__(2 * units, inputs, outputs, start, readout, sigma)
        w = torch.rand(units) if spread == "uniform" else (torch.arange(units) + torch.rand(units)) / units
        self.frequency = torch.nn.Parameter(w * self.top)

    def free(self, h: Tensor, tau: float) -> Tensor:
        """(R h - h)/τ."""
        return _turn(torch, h, self.frequency, tau)[0] if transforming() else _Turn.apply(h, self.frequency, tau)

    def closed_form(self) -> ClosedForm | str | None:
        """Of a network that runs by itself, with a readout whose derivative is known."""
        if self.start == "rest" or self.sigma is not None:
            return None
        readout = described_form(self.C if self.readout is None else self.readout)
        why = touched(self, Rotations) or (readout if isinstance(readout, str) else "")
        if why or isinstance(readout, str):
            return why

        def velocity(xp: Any, u: Any, h: Arrays, w: list[Any], tau: float) -> Any:
            v, (turned, c, s) = _turn(xp, h["h"], w[0], tau)
            return (
                {"h": v},
                lambda z: {"h": _turn_back(xp, z["h"], c, s, tau)},
                lambda z: [_frequency_back(z["h"], turned)],
            )

        def output(xp: Any, u: Any, h: Arrays, w: list[Any]) -> tuple[Any, Any]:
            y, back = readout.run(xp, u, h["h"], w)

            def whole(g: Any) -> tuple[Arrays, list[Any]]:
                dh, slopes = back(g)
                return {"h": dh}, slopes

            return y, whole

        return ClosedForm(velocity, [self.frequency], output, readout.weights)

    def driven(self, b: Tensor, tau: float) -> Tensor:
        """∫ R(σ) b dσ/τ over one step, also where ϖ = 0."""
        half = self.frequency * (tau / 2)
        sinc = torch.sinc(half / math.pi)  # s/(ϖτ) = sinc·cos, (1 - c)/(ϖτ) = sinc·sin of half the angle
        p, q = sinc * torch.cos(half), sinc * torch.sin(half)
        b1, b2 = b.chunk(2, 1)
        return torch.cat([p * b1 + q * b2, p * b2 - q * b1], 1)

    def _draw_start(self) -> Tensor:
        """Every block on the unit circle."""
        angle = 2 * math.pi * torch.rand(1, self.units)
        return torch.cat([torch.cos(angle), torch.sin(angle)], 1)


def _turn(xp: Any, h: Any, frequency: Any, tau: float) -> tuple[Any, tuple[Any, Any, Any]]:
    """v = (R h - h)/τ, and what its derivative needs: the turned state r = R h, c, s."""
    angle = frequency[None] * tau
    c, s, (h1, h2) = xp.cos(angle), xp.sin(angle), _halves(h)
    turned = xp.concatenate([c * h1 + s * h2, c * h2 - s * h1], 1)
    return (turned - h) / tau, (turned, c, s)


def _turn_back(xp: Any, g: Any, c: Any, s: Any, tau: float) -> Any:
    """∂v/∂hᵀ g = (Rᵀ g - g)/τ."""
    g1, g2 = _halves(g)
    return (xp.concatenate([c * g1 - s * g2, c * g2 + s * g1], 1) - g) / tau


def _frequency_back(g: Any, turned: Any) -> Any:
    """∂v/∂ϖᵀ g = g1 r2 - g2 r1."""
    (g1, g2), (r1, r2) = _halves(g), _halves(turned)
    return total(g1 * r2 - g2 * r1)


def _halves(x: Any) -> tuple[Any, Any]:
    half = x.shape[1] // 2
    return x[:, :half], x[:, half:]


class _Turn(torch.autograd.Function):
    """`_turn` for autograd."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, frequency: Tensor, tau: float) -> Tensor:
        v, kept = _turn(torch, h, frequency, tau)
        ctx.tau = tau
        ctx.save_for_backward(*kept)
        return v

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        turned, c, s = ctx.saved_tensors
        return _turn_back(torch, g, c, s, ctx.tau), _frequency_back(g, turned), None


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
