"""The weights' two equations: as a pure function, and in place, proposed, refused or committed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, unknown
from . import metric
from .arrays import arrays, axpy, less, tensor
from .flow import flat
from .point import Tensors
from .settings import Beta

LARGE = 1 << 17  # entries per weight; beyond, a pass over memory costs more than a few calls per weight


def received(theta: Sequence[Any], dtheta: Sequence[Any], scale: Any, c: Any) -> tuple[Sequence[Any], Any, Any]:
    """(slopes, gain, keep) of ω⁺ = keep ω + gain slopes, which is ω⁺ = (1 - τη) ω - τ s ∂H'/∂θ  (E*4)."""
    return dtheta, -c.tau * c.s * scale, 1 - c.tau * c.eta


def advanced(
    theta: Sequence[Any], omega: Sequence[Any], v: Sequence[Any], dtheta: Sequence[Any], scale: Any, c: Any, fresh: bool
) -> Any:
    """(θ⁺, ω⁺, v⁺) of E*4 and θ⁺ = θ - τ β ω (E*2), with the new ω if `fresh`, else the old one; β shared.

    v is the metric's (`law.metric`), [] without one.
    """
    slopes, gain, keep = received(theta, dtheta, scale, c)
    after = [axpy(keep, w, gain, g) for w, g in zip(omega, slopes, strict=True)]
    stride, moving, part = c.tau * c.beta, after if fresh else omega, metric.share(c)
    if part is not None:
        size = gain / c.tau
        found = [metric.remembered(x, None if g is None else size * g, part) for x, g in zip(v, slopes, strict=True)]
        moving = [w * metric.pace(x) for w, x in zip(moving, found if fresh else v, strict=True)]
        v = found
    return [less(p, stride, w) for p, w in zip(theta, moving, strict=True)], after, v


class Weights:
    """`advanced` for all weights at once, in place: ω⁺ = keep ω + gain ∂H'/∂θ, θ⁺ = θ - τ β ω.

    ω lives in one flat vector, seen through one view per weight. The next ω is made in a second vector, so that a
    step which overflows can be refused; `commit` swaps the two. A large ω whose gradients' norm shows that it cannot
    overflow is moved in place instead, which saves a pass over memory.
    """

    def __init__(self, names: list[str], theta: list[Tensor]) -> None:
        kinds = {(p.dtype, p.device) for p in theta}
        if len(kinds) > 1:
            raise bad(
                "network",
                f"weights of {sorted(map(str, kinds))}",
                "one dtype on one device",
                "use network.double() or network.to(device)",
            )
        if theta and theta[0].dtype not in (torch.float32, torch.float64):
            raise bad("network", f"weights of {theta[0].dtype}", "float32 or float64", "use network.float()")
        self.names, self.theta = names, theta
        for name, p in zip(names, theta, strict=True):
            if not bool(torch.isfinite(p).all()):
                raise bad(f"weight {name!r}", "inf or nan", "finite numbers", "initialise the network anew")
        like = theta[0].detach() if theta else torch.empty(0)
        self._flat, self._next = (like.new_zeros(sum(p.numel() for p in theta)) for _ in range(2))
        self._views, self._next_views = self._split(self._flat), self._split(self._next)
        xp, self._old, self._new = arrays(self._flat, self._next)
        self._light = xp is np
        self.begin([False] * len(theta))
        self._large = self._flat.numel() >= LARGE * len(theta) > 0
        self._beta, self._beta_max = 1.0, 1.0
        self._scale: Tensor | None = None  # β of each entry of ω, beside the shared one
        self._pace: Tensor | None = None  # the same in this step, with the metric
        self._square: Tensor | None = None  # v of the metric; None: without
        self._next_square: Tensor | None = None
        self._limit = torch.finfo(like.dtype).max / 8
        self._size = math.inf  # a bound on |ω|
        self._reach = math.inf  # a bound on |θ|, grown by each step, renewed when it gets near the limit
        self._gradients: Sequence[Tensor | None] = ()
        self._still: set[int] = set()  # weights that stand still in this step
        self._in_place, self._bound, self._factors = False, 0.0, (0.0, 0.0)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's arrays lie in the copy's memory."""
        self.__dict__.update(state)
        _, self._old, self._new = arrays(self._flat, self._next)

    def named(self) -> Tensors:
        """{name: ω}, views of the vector."""
        return dict(zip(self.names, self._views, strict=True))

    def assign(self, omega: Tensors) -> None:
        """Take over other values."""
        for name, view in zip(self.names, self._views, strict=True):
            view.copy_(omega[name])
        self._size = self._reach = math.inf

    @property
    def squares(self) -> Tensors:
        """{name: v}, views; {} without a metric."""
        return {} if self._square is None else dict(zip(self.names, self._split(self._square), strict=True))

    def measure(self, on: bool, v: Tensors | None = None) -> None:
        """Begin a metric, from zero or where it was; or end it."""
        if not on:
            self._square = None
        elif self._square is None or v:
            self._square = torch.zeros_like(self._flat)
        for name, view in self.squares.items():
            if v:
                view.copy_(v[name])

    def begin(self, started: list[bool]) -> None:
        """Which weights have had a gradient before."""
        self.started, self._all_started = list(started), all(started)

    def reset(self) -> None:
        """ω = 0."""
        self._flat.zero_()

    def scale_by(self, beta: Beta, kind: str = "none") -> None:
        """Set β: shared, or per parameter name with 1 for names left out; and the kind of metric."""
        self.measure(kind != "none")
        if not isinstance(beta, Mapping):
            self._beta, self._scale, self._beta_max = float(beta), None, float(beta)
            return
        scale = torch.ones_like(self._flat)
        views = dict(zip(self.names, self._split(scale), strict=True))
        for name, value in beta.items():
            if name not in views:
                raise unknown("beta", name, self.names)
            view = views[name]
            if not isinstance(value, Tensor) or value.numel() == 1:
                view.fill_(float(value))
            elif value.shape == view.shape:
                view.copy_(value)
            else:
                raise bad(f"beta[{name!r}]", f"shape {tuple(value.shape)}", f"the weight's shape {tuple(view.shape)}")
        self._beta, self._scale, self._beta_max = 1.0, scale, float(scale.max()) if len(scale) else 0.0

    def propose(
        self, gradients: Sequence[Tensor | None], gain: float, keep: float, missing: str, lift: float, c: Any = None
    ) -> None:
        """ω⁺ = keep ω + gain g, in the second vector, and v⁺ where a metric is in force in the settings c.

        missing  what a weight without gradient does: "decay" (the law, g = 0) or "stand" still (torch's way)
        lift     with "stand": the factor of a weight's first gradient after the first step
        """
        self._gradients, self._still, self._pace = gradients, set(), self._scale
        self._in_place = self._large and self._cannot_overflow(gradients, gain, keep)
        if self._in_place:
            self._factors = keep, gain
            return
        if self._light and abs(keep) <= 1:
            np.multiply(self._old, keep, out=self._new)
        else:
            torch.mul(self._flat, keep, out=self._next)
        views, grads = self._next_views, [g for g in gradients if g is not None]
        if len(grads) < len(gradients) or (missing == "stand" and not self._all_started):
            views, grads = [], []
            for i, g in enumerate(gradients):
                if g is not None:
                    views.append(self._next_views[i])
                    grads.append(g if self.started[i] or missing == "decay" else g * lift)
                elif missing == "stand":
                    self._next_views[i].copy_(self._views[i])
                    self._still.add(i)
        if grads:
            try:
                torch._foreach_add_(views, grads, alpha=gain)
            except RuntimeError as error:
                raise HLError(
                    f"weights: got a gradient that does not fit ω ({error}); expected the dtype and device "
                    "they had when the Learner was built; build a new Learner."
                ) from error
        if self._square is not None:
            self._remember(gradients, abs(gain) / c.tau, metric.share(c))

    def _remember(self, gradients: Sequence[Tensor | None], size: float, part: float) -> None:
        """v⁺ of all weights; those that stand still keep theirs."""
        assert self._square is not None
        _, v, g = arrays(self._square, flat(gradients, self.theta))
        self._next_square = tensor(metric.remembered(v, size * g, part))
        if self._still:
            before, after = self._split(self._square), self._split(self._next_square)
            for i in self._still:
                after[i].copy_(before[i])

    def _cannot_overflow(self, gradients: Sequence[Tensor | None], gain: float, keep: float) -> bool:
        """True for a large ω of which |ω⁺| <= keep |ω| + |gain| |g| tells that it stays finite."""
        if not self._all_started or self._scale is not None or self._square is not None:
            return False
        felt = [g for g in gradients if g is not None]
        if len(felt) < len(gradients) or not all(p.is_contiguous() for p in self.theta):
            return False
        if self._flat.is_cpu:
            squares = sum(float(torch.dot(x, x)) for x in (g.reshape(-1) for g in felt))
        else:  # one wait for the device, not one a weight
            squares = float(torch.stack(torch._foreach_norm(felt)).square().sum())
        if not self._size < self._limit:
            self._size = float(torch.dot(self._flat, self._flat)) ** 0.5
        bound = abs(keep) * self._size + abs(gain) * squares**0.5
        self._bound = bound
        return bound < self._limit and self._reach < self._limit / 2

    def overflow(self, tau: float, fresh: bool) -> tuple[str, str] | None:
        """("omega" | "theta", name) of the first weight that `commit` would make non-finite, or None."""
        if self._in_place:
            self._reach += tau * self._beta_max * (self._bound if fresh else self._size)
            self._size = self._bound
            return None
        size = float(self._new.dot(self._new)) ** 0.5
        if not size < self._limit:  # too large for a dot product, or not finite: look at each
            for name, view in zip(self.names, self._next_views, strict=True):
                if not bool(torch.isfinite(view).all()):
                    return "omega", name
            size = float(self._next.abs().max())
        stride = tau * self._beta_max * (size if fresh else min(self._size, self._limit))
        if self._square is not None and self._next_square is not None:
            _, v = arrays(self._next_square if fresh else self._square)
            found = metric.pace(v)
            stride *= float(found.max()) if len(found) else 1.0
            self._pace = tensor(found) if self._scale is None else tensor(found) * self._scale
        self._size = size
        self._reach += stride
        if not self._reach < self._limit:
            omega = self._next_views if fresh else self._views
            for i, (name, p) in enumerate(zip(self.names, self.theta, strict=True)):
                beta = self._beta if self._pace is None else self._beta * self._split(self._pace)[i]
                if not bool(torch.isfinite(p.detach() - tau * beta * omega[i]).all()):
                    return "theta", name
            self._reach = stride + max((float(p.detach().abs().max()) for p in self.theta if p.numel()), default=0.0)
        return None

    def commit(self, tau: float, fresh: bool) -> None:
        """θ⁺ = θ - τβω with the new ω if `fresh`, else the old one; then the new ω takes its place."""
        if self._in_place:
            self._commit_in_place(tau, fresh)
            return
        omega, theta = (self._next_views if fresh else self._views), self.theta
        if self._pace is not None:  # the old vector is free: nobody needs it after this
            torch.mul(self._next if fresh else self._flat, self._pace, out=self._flat)
            omega = self._views
        if self._still:
            moving = [i for i in range(len(theta)) if i not in self._still]
            omega, theta = [omega[i] for i in moving], [theta[i] for i in moving]
        if theta:
            with torch.no_grad():
                torch._foreach_add_(theta, omega, alpha=-tau * self._beta)
        if self._square is not None:
            self._square = self._next_square
        self._flat, self._next, self._old, self._new = self._next, self._flat, self._new, self._old
        self._views, self._next_views = self._next_views, self._views
        if not self._all_started:
            self.started = [s or g is not None for s, g in zip(self.started, self._gradients, strict=True)]
            self._all_started = all(self.started)
        self._gradients = ()

    def _commit_in_place(self, tau: float, fresh: bool) -> None:
        keep, gain = self._factors
        stride, grads = -tau * self._beta, [g for g in self._gradients if g is not None]
        with torch.no_grad():
            if not fresh:
                torch._foreach_add_(self.theta, self._views, alpha=stride)
            torch._foreach_mul_(self._views, keep)
            torch._foreach_add_(self._views, grads, alpha=gain)
            if fresh:
                torch._foreach_add_(self.theta, self._views, alpha=stride)
        self._gradients = ()

    def _split(self, flat: Tensor) -> list[Tensor]:
        """One view per weight."""
        parts = flat.split([p.numel() for p in self.theta]) if self.theta else ()
        return [x.view(p.shape) for x, p in zip(parts, self.theta, strict=True)]
