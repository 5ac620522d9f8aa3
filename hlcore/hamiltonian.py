"""The robust Hamiltonian H' = φL + z·f^h: one scalar, its value and its derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from .errors import HLError, complain
from .light import light, tensor, zeros
from .networks.base import Known, Network, State, by_hand
from .phase import Tensors

Loss = Callable[[Tensor, Any], Tensor]
_engine: Any = getattr(torch.autograd.graph, "_engine_run_backward", None)  # torch's own; may have gone some day


class Slopes(NamedTuple):
    """H' at one point: what it is made of, ∂H'/∂h and ∂H'/∂θ. h, z, v, dh are arrays as `light` gives them."""

    h: dict[str, Any]
    z: dict[str, Any]
    v: dict[str, Any]
    dh: dict[str, Any]
    dtheta: Sequence[Tensor | None]
    output: Tensor
    loss: float


class Hamiltonian:
    """H'(h, z, θ; u, ŷ) = φ L(f^y(u,h,θ^y), ŷ) + z·f^h(u,h,θ^h)  (P, eq. 8) for one network and loss.

    Evaluates the two terms with input checked, and differentiates their sum in one call of
    autograd's engine, or by the network's own `pullback` where it has one; whatever a network or loss raises
    comes out as an HLError that says where.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        self.network, self.loss = network, loss
        self._slope_by_hand = squares if loss is mse_loss else getattr(loss, "slope", None)
        self._own_shapes = getattr(loss, "own_shapes", False)  # of output and target
        self._whole = all(p.requires_grad for p in network.parameters())  # none is frozen

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence."""
        state: Any = self.network.initial_state(batch_size)
        if not isinstance(state, dict) or any(not (x is None or isinstance(x, Tensor)) for x in state.values()):
            got = {k: type(x).__name__ for k, x in state.items()} if isinstance(state, dict) else type(state).__name__
            raise complain(f"initial_state of {_name(self.network)}", got, "{name: tensor or None}")
        return state

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = f^h(u,h,θ^h) (E*1), with the names and shapes of h."""
        try:
            v = self.network.velocity(u, h, tau)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            _blame("velocity (f^h)", self.network, u, error)
        if v.keys() != h.keys() if isinstance(v, dict) else True:
            names = sorted(v) if isinstance(v, dict) else type(v).__name__
            raise complain(f"velocity of {_name(self.network)}", names, f"a dict with the state's names {sorted(h)}")
        for name, x in h.items():
            if not isinstance(v[name], Tensor):
                raise complain(f"velocity[{name!r}]", type(v[name]).__name__, "a tensor")
            if x is not None and v[name].shape != x.shape:
                raise complain(
                    f"velocity[{name!r}] of {_name(self.network)}",
                    f"shape {tuple(v[name].shape)}",
                    f"the state's shape {tuple(x.shape)}",
                    "start a sequence before the batch size changes",
                )
        return v

    def output(self, u: Any, h: Known) -> Tensor:
        """y = f^y(u,h,θ^y)."""
        try:
            y = self.network.output(u, h)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            _blame("output (f^y)", self.network, u, error)
        if not isinstance(y, Tensor):
            raise complain(f"output of {_name(self.network)}", type(y).__name__, "a tensor")
        return y

    def instantaneous_loss(self, y: Tensor, target: Any) -> Tensor | None:
        """L(y, ŷ), a scalar; None without a target (L = 0)."""
        if target is None:
            return None
        shaped = isinstance(target, Tensor) and target.is_floating_point() and not self._own_shapes
        if shaped and target.numel() != y.numel():
            raise complain("target", f"shape {tuple(target.shape)}", f"the output's shape {tuple(y.shape)}")
        try:
            L = self.loss(y, target)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise HLError(
                f"loss: got output {_shape(y)} and target {_shape(target)}, expected a pair that it takes; "
                f"torch says: {_first_line(error)}."
            ) from error
        if not isinstance(L, Tensor) or L.dim() != 0 or not L.is_floating_point():
            raise complain("loss", _shape(L), "a scalar tensor of floats", "reduce it with .mean() or .sum()")
        return L

    def by_hand(
        self, u: Any, target: Any, h: State, z: Tensors | None, tau: float, phi: float, theta: Tensors
    ) -> Slopes | None:
        """H' and its derivative, all at t, by the network's own `pullback`; None where it has none."""
        pullback = by_hand(self.network)
        if pullback is None or not self._whole:
            return None
        start, weights = list(h.values()), list(theta.values())
        for x in start:
            if x is None:  # its shape is not known yet
                return None
        for p in weights:
            if not p.requires_grad:
                return None
        n, costate = len(start), start if z is None else list(z.values())
        xp, *arrays = light(*start, *costate, *weights)  # type: ignore[arg-type]
        at, weighed, through = arrays[:n], arrays[n : 2 * n], arrays[2 * n :]
        if z is None:
            weighed = [zeros(x, *x.shape) for x in at]
        point, costates = dict(zip(h, at, strict=True)), dict(zip(h, weighed, strict=True))
        try:
            found = pullback(xp, u, point, dict(zip(theta, through, strict=True)), tau)
            if found is None:
                return None
            v, y, back = found
            loss, g = self._slope(xp, y, target)
            dh, dtheta = back(costates, g if g is None or phi == 1.0 else phi * g)
            dh = {name: dh[name] for name in h}
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            _blame("pullback (f^h and f^y)", self.network, u, error)
        slopes = [dtheta.get(name) for name in theta]
        return Slopes(point, costates, v, dh, [None if d is None else tensor(d) for d in slopes], tensor(y), loss)

    def _slope(self, xp: Any, y: Any, target: Any) -> tuple[float, Any]:
        """L(y, ŷ) and ∂L/∂y: by the loss's own `slope` where it has one, else by autograd."""
        if target is None:
            return 0.0, None
        own = self._slope_by_hand
        if own is not None and isinstance(target, Tensor):
            _, goal = light(target)
            if goal.dtype == y.dtype and (goal.shape == y.shape or self._own_shapes):
                return own(xp, y, goal)
        output = tensor(y).detach().requires_grad_()
        L = self.instantaneous_loss(output, target)
        assert L is not None
        return L.item(), light(torch.autograd.grad(L, output)[0])[1]

    @staticmethod
    def derivative(
        L: Tensor | None, phi: float, z: Tensors | None, v: Tensors, wrt: Sequence[Tensor], keep: bool = False
    ) -> tuple[Sequence[Tensor | None], float]:
        """∂H'/∂x for each x in wrt, up to the scale returned beside it (None where H' does not depend on x).

        Without z the derivative of L itself is returned with scale φ, so that φ reaches the weights
        as one factor of the update and the identity with SGD holds to the last bit.
        """
        terms: list[Tensor] = []
        factors: list[Tensor] = []
        if L is not None and L.requires_grad:
            terms.append(L)
            factors.append(torch.ones_like(L) if z is None or phi == 1.0 else torch.full_like(L, phi))
        if z is not None:
            for name, x in v.items():
                if x.requires_grad:
                    terms.append(x)
                    factors.append(z[name])
        if not terms or not wrt:
            return (None,) * len(wrt), 1.0
        try:
            grads = _differentiate(terms, factors, wrt, keep)
        except RuntimeError as error:
            raise HLError(
                f"derivative of H': got {_first_line(error)}; expected a network and a loss that torch can "
                "differentiate; build a new Learner after parameters were frozen or moved."
            ) from error
        return grads, phi if z is None else 1.0

    @staticmethod
    def value(L: float, phi: float, z: dict[str, Any], v: dict[str, Any]) -> float:
        """H' itself."""
        return phi * L + sum([float((z[name] * x).sum()) for name, x in v.items()])


def squares(xp: Any, y: Any, target: Any) -> tuple[float, Any]:
    """(y - ŷ)², the mean over all entries (torch's mse_loss), and its slope."""
    e = y - target
    flat, share = e.ravel(), 1 / math.prod(e.shape)
    return share * float(flat @ flat), (2 * share) * e


def _differentiate(terms: list[Tensor], factors: list[Tensor], wrt: Sequence[Tensor], keep: bool) -> Any:
    """torch.autograd.grad, with its engine called directly: its checks cost a sixth of a small network's step."""
    if _engine is None:
        return torch.autograd.grad(terms, wrt, factors, retain_graph=keep, allow_unused=True)
    return _engine(tuple(terms), tuple(factors), keep, False, tuple(wrt), True, accumulate_grad=False)


def not_finite(tensors: Tensors) -> str | None:
    """Name of the first tensor with an entry that is inf or nan, or None."""
    for name, x in tensors.items():
        total = float(x.sum())
        if total - total != 0.0 and not bool(torch.isfinite(x).all()):
            return name
    return None


def _blame(part: str, network: Network, u: Any, error: Exception) -> NoReturn:
    if isinstance(error, HLError):
        raise error
    dtype = next((p.dtype for p in network.parameters()), None)
    raise HLError(
        f"{part} of {_name(network)}: got u = {_shape(u)}, expected an input it takes (its weights are "
        f"{str(dtype).removeprefix('torch.')}); torch says: {_first_line(error)}."
    ) from error


def _name(network: Network) -> str:
    return type(network).__name__


def _shape(x: Any) -> str:
    if isinstance(x, Tensor):
        return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
    if isinstance(x, tuple):
        return "(" + ", ".join(map(_shape, x)) + ")"
    return type(x).__name__


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
