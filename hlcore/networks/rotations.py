"""Networks for endless time: exact rotations, whose state neither fades nor grows."""

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, known, number, whole
from ..law.arrays import Arrays, outer, total
from ..law.closed_form import ClosedForm
from ..law.network import Known, Network, State, require_module
from ..law.point import Tensors
from .module_forms import by_hand, fits, module_form, touched
from .readouts import DESCRIBED

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
    keep = 1.0  # |λ| of a unit of time
    B: Any  # a matrix, or None
    C: Any
    readout: Any

    def __init__(
        self, width: int, inputs: int, outputs: int, *,
        start: str = "rest", readout: torch.nn.Module | None = None, sigma: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        known("start", start, STARTS)
        if sigma is not None and not callable(sigma):
            raise bad("sigma", repr(sigma), "a function of h, or None")
        self.width, self.start, self.sigma = width, start, sigma
        whole("inputs", inputs), whole("outputs", outputs)
        self.readout = None if readout is None else require_module("readout", readout)
        self.B = None if start == "clock" else torch.nn.Linear(inputs, width, bias=False)
        self.C = torch.nn.Linear(width, outputs, bias=False) if readout is None else None
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
        x: Any = h["h"]
        if self.start == "rest":
            return {"h": self.free(x, tau) + self.driven(self.B(u), tau)}
        if x is None:
            return {"h": self.B(u) / u.sum(1, keepdim=True) / tau}
        return {"h": self.free(x, tau)}

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """The state from which a step of τ leads to h, e^{-Aτ}(h - A⁻¹(e^{Aτ} - 1) B u); a free start has none."""
        x = h["h"]
        if self.start == "rest":
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
        x = h["h"] if self.sigma is None else self.sigma(h["h"])
        return self.readout(u, x) if self.C is None else self.C(x)

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
    keep     |λ| in (0, 1], what is left of a state after a unit of time; 1: nothing is forgotten
    start, readout, sigma  as in `Exact`
    """

    def __init__(
        self, units: int, inputs: int, outputs: int, *,
        top: float = 1.0, spread: str = "uniform", keep: float = 1.0, **exact: Any,
    ) -> None:  # fmt: skip
        self.units, self.top = whole("Rotations units", units), number("Rotations top", top, positive=True)
        known("Rotations spread", spread, SPREADS)
        if (keep := number("Rotations keep", keep, positive=True)) > 1:
            raise bad("Rotations keep", keep, "a number in (0, 1]", "1 forgets nothing")
        super().__init__(2 * units, inputs, outputs, **exact)
        w = torch.rand(units) if spread == "uniform" else (torch.arange(units) + torch.rand(units)) / units
        self.frequency, self.keep = torch.nn.Parameter(w * self.top), keep

    def free(self, h: Tensor, tau: float) -> Tensor:
        """(R h - h)/τ."""

        def back(xp: Any, g: Any, turned: Any, c: Any, s: Any) -> Any:
            return _turn_back(xp, g, c, s, tau), _frequency_back(g, turned)

        return by_hand(lambda xp, h, w: _turn(xp, h, w, tau, self.keep), back, h, self.frequency)

    def closed_form(self) -> ClosedForm | str | None:
        """Of one whose readout has a derivative that is known. Where u drives, h' = (R h - h)/τ + D b with b = B u."""
        if self.sigma is not None:
            return None
        B: Any = self.B if self.start == "rest" else None
        readout = module_form(self.readout, DESCRIBED) if self.C is None else module_form(self.C)
        why = touched(self, Rotations) or (readout if isinstance(readout, str) else "")
        if why or isinstance(readout, str):
            return why

        def velocity(xp: Any, u: Any, h: Arrays, w: list[Any], tau: float) -> Any:
            v, (turned, c, s) = _turn(xp, h["h"], w[0], tau, self.keep)

            def to_state(z: Any) -> Arrays:
                return {"h": _turn_back(xp, z["h"], c, s, tau)}

            if B is None:
                return {"h": v}, to_state, lambda z: [_frequency_back(z["h"], turned)]
            if not fits(u, (len(v), B.in_features), B.weight):
                return None
            x = u.detach() if xp is torch else u.detach().numpy()
            means, b = share(xp, w[0] * tau), x @ w[1].T
            slope = share_slope(xp, w[0] * tau, means)

            def to_weights(z: Any) -> list[Any]:
                own = tau * total(_dot(z["h"], _rotated(xp, b, *slope)))
                back = _rotated(xp, z["h"], means[0], -means[1])
                return [_frequency_back(z["h"], turned) + own, outer(back, x)]

            return {"h": v + _rotated(xp, b, *means)}, to_state, to_weights

        trained: list[Any] = [self.frequency] if B is None else [self.frequency, B.weight]
        return ClosedForm(velocity, trained, readout.of_state, readout.weights)

    def driven(self, b: Tensor, tau: float) -> Tensor:
        """∫ R(σ) b dσ/τ over one step, also where ϖ = 0."""
        return _rotated(torch, b, *share(torch, self.frequency * tau))

    def _draw_start(self) -> Tensor:
        """Every block on the unit circle."""
        angle = 2 * math.pi * torch.rand(1, self.units)
        return torch.cat([torch.cos(angle), torch.sin(angle)], 1)


def _turn(xp: Any, h: Any, frequency: Any, tau: float, keep: float) -> tuple[Any, tuple[Any, Any, Any]]:
    """v = (R h - h)/τ, and what its derivative needs: the turned state r = R h, and |λ|^τ (cos, sin) of ϖτ."""
    angle, left = frequency[None] * tau, keep**tau
    c, s = left * xp.cos(angle), left * xp.sin(angle)
    turned = _rotated(xp, h, c, s)
    return (turned - h) / tau, (turned, c, s)


def _turn_back(xp: Any, g: Any, c: Any, s: Any, tau: float) -> Any:
    """∂v/∂hᵀ g = (Rᵀ g - g)/τ."""
    return (_rotated(xp, g, c, -s) - g) / tau


def _frequency_back(g: Any, turned: Any) -> Any:
    """∂v/∂ϖᵀ g = g1 r2 - g2 r1."""
    (g1, g2), (r1, r2) = _halves(g), _halves(turned)
    return total(g1 * r2 - g2 * r1)


def _rotated(xp: Any, x: Any, c: Any, s: Any) -> Any:
    """R x."""
    x1, x2 = _halves(x)
    return xp.concatenate([c * x1 + s * x2, c * x2 - s * x1], 1)


def share(xp: Any, angle: Any) -> tuple[Any, Any]:
    """(sin x/x, (1 - cos x)/x), the means of a turn by x over its way, also where x = 0."""
    sinc = xp.sinc(angle / (2 * math.pi))  # of half the angle
    return sinc * xp.cos(angle / 2), sinc * xp.sin(angle / 2)


def share_slope(xp: Any, angle: Any, means: tuple[Any, Any]) -> tuple[Any, Any]:
    """The derivative of `share`, ((cos x - p)/x, (sin x - q)/x), as a series near x = 0."""
    near = xp.abs(angle) < 0.01
    x = xp.where(near, 1.0, angle)
    p, q = (xp.cos(angle) - means[0]) / x, (xp.sin(angle) - means[1]) / x
    return xp.where(near, angle**3 / 30 - angle / 3, p), xp.where(near, 0.5 - angle**2 / 8 + angle**4 / 144, q)


def _dot(a: Any, x: Any) -> Any:
    """a1 x1 + a2 x2 of each unit."""
    (a1, a2), (x1, x2) = _halves(a), _halves(x)
    return a1 * x1 + a2 * x2


def _halves(x: Any) -> tuple[Any, Any]:
    half = x.shape[1] // 2
    return x[:, :half], x[:, half:]


class Antisymmetric(Exact):
    """h⁺ = e^{Aτ} h + A⁻¹(e^{Aτ} - 1) B u with A = (W - Wᵀ)/2 (K): |h| is kept when nothing drives, for any W.

    Cost grows as width³; `Rotations` is the same dynamics in its own axes. start, readout, sigma as in `Exact`.
    """

    def __init__(self, width: int, inputs: int, outputs: int, **exact: Any) -> None:
        super().__init__(whole("Antisymmetric width", width), inputs, outputs, **exact)
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
