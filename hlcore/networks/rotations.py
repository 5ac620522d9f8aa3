"""Networks for endless time: exact rotations, whose state neither fades nor grows."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number, unknown, whole
from ..law.arrays import Arrays, outer, total
from ..law.closed_form import ClosedForm
from ..law.differentiate import transforming
from .exact import Exact
from .module_forms import fits, touched
from .readouts import described_form

SPREADS = ("uniform", "even")


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
        self,
        units: int,
        inputs: int,
        outputs: int,
        *,
        start: str = "rest",
        top: float = 1.0,
        spread: str = "uniform",
        keep: float = 1.0,
        readout: torch.nn.Module | None = None,
        sigma: Any = None,
    ) -> None:
        self.units, self.top = whole("Rotations units", units), number("Rotations top", top, positive=True)
        if spread not in SPREADS:
            raise unknown("Rotations spread", spread, SPREADS)
        if (keep := number("Rotations keep", keep, positive=True)) > 1:
            raise bad("Rotations keep", keep, "a number in (0, 1]", "1 forgets nothing")
        super().__init__(2 * units, inputs, outputs, start, readout, sigma)
        w = torch.rand(units) if spread == "uniform" else (torch.arange(units) + torch.rand(units)) / units
        self.frequency, self.keep = torch.nn.Parameter(w * self.top), keep

    def free(self, h: Tensor, tau: float) -> Tensor:
        """(R h - h)/τ."""
        given = h, self.frequency, tau, self.keep
        return _turn(torch, *given)[0] if transforming() else _Turn.apply(*given)

    def closed_form(self) -> ClosedForm | str | None:
        """Of one whose readout has a derivative that is known. Where u drives, h' = (R h - h)/τ + D b with b = B u."""
        if self.sigma is not None:
            return None
        B = self.B if self.start == "rest" else None
        readout = described_form(self.C if self.readout is None else self.readout)
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
                own = tau * total(_real_part(z["h"], _times(xp, slope, b)))
                back = _times(xp, (means[0], -means[1]), z["h"])
                return [_frequency_back(z["h"], turned) + own, outer(back, x)]

            return {"h": v + _times(xp, means, b)}, to_state, to_weights

        def output(xp: Any, u: Any, h: Arrays, w: list[Any]) -> tuple[Any, Any]:
            y, back = readout.run(xp, u, h["h"], w)

            def whole(g: Any) -> tuple[Arrays, list[Any]]:
                dh, slopes = back(g)
                return {"h": dh}, slopes

            return y, whole

        trained = [self.frequency] if B is None else [self.frequency, B.weight]
        return ClosedForm(velocity, trained, output, readout.weights)

    def driven(self, b: Tensor, tau: float) -> Tensor:
        """∫ R(σ) b dσ/τ over one step, also where ϖ = 0."""
        return _times(torch, share(torch, self.frequency * tau), b)

    def _draw_start(self) -> Tensor:
        """Every block on the unit circle."""
        angle = 2 * math.pi * torch.rand(1, self.units)
        return torch.cat([torch.cos(angle), torch.sin(angle)], 1)


def _turn(xp: Any, h: Any, frequency: Any, tau: float, keep: float) -> tuple[Any, tuple[Any, Any, Any]]:
    """v = (R h - h)/τ, and what its derivative needs: the turned state r = R h, and |λ|^τ (cos, sin) of ϖτ."""
    angle, left = frequency[None] * tau, keep**tau
    c, s, (h1, h2) = left * xp.cos(angle), left * xp.sin(angle), _halves(h)
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


def share(xp: Any, angle: Any) -> tuple[Any, Any]:
    """(sin x/x, (1 - cos x)/x), the means of a turn by x over its way, also where x = 0."""
    sinc = xp.sinc(angle / (2 * math.pi))  # of half the angle
    return sinc * xp.cos(angle / 2), sinc * xp.sin(angle / 2)


def share_slope(xp: Any, angle: Any, means: tuple[Any, Any]) -> tuple[Any, Any]:
    """The derivative of `share` ((cos x - p)/x, (sin x - q)/x), as a series near x = 0."""
    near = xp.abs(angle) < 0.01
    x = xp.where(near, 1.0, angle)
    p, q = (xp.cos(angle) - means[0]) / x, (xp.sin(angle) - means[1]) / x
    return xp.where(near, angle**3 / 30 - angle / 3, p), xp.where(near, 0.5 - angle**2 / 8 + angle**4 / 144, q)


def _times(xp: Any, a: tuple[Any, Any], x: Any) -> Any:
    """(a1 - i a2)(x1 + i x2), as halves."""
    x1, x2 = _halves(x)
    return xp.concatenate([a[0] * x1 + a[1] * x2, a[0] * x2 - a[1] * x1], 1)


def _real_part(a: Any, x: Any) -> Any:
    """a1 x1 + a2 x2 of each unit."""
    (a1, a2), (x1, x2) = _halves(a), _halves(x)
    return a1 * x1 + a2 * x2


def _halves(x: Any) -> tuple[Any, Any]:
    half = x.shape[1] // 2
    return x[:, :half], x[:, half:]


class _Turn(torch.autograd.Function):
    """`_turn` for autograd."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, frequency: Tensor, tau: float, keep: float) -> Tensor:
        v, kept = _turn(torch, h, frequency, tau, keep)
        ctx.tau = tau
        ctx.save_for_backward(*kept)
        return v

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None, None]:
        turned, c, s = ctx.saved_tensors
        return _turn_back(torch, g, c, s, ctx.tau), _frequency_back(g, turned), None, None
