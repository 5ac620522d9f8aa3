"""Hamiltonian Sign Flip: the equations of the optimum run to and fro in time (N), by an integrator of choice."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..declared import BaseSettings, positive, setting
from ..errors import bad, known
from ..law.arrays import not_finite, owned, scalar, tensor, tensors
from ..law.flow import Flow
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.settings import WeightSettings
from ..law.weights import Weights
from .base import BaseLearner
from .catalogue import register
from .integrators import ORDERS, stride
from .terms import Quantity, Regime, Step

POLICIES = (("each step", "step"), ("by a clock", "clock"), ("inside a ball", "ball"), ("never: HL", "never"))


def _policy(name: str, value: Any) -> str:
    return str(known(name, value, [policy for _, policy in POLICIES]))


@dataclass(frozen=True)
class FlipSettings(WeightSettings):
    """The weights' settings, and when time turns.

    policy     "step": s = +1, -1, +1, … | "clock": s = sign cos 2πf̄t | "ball": s = +1 in |(h, θ, z, ω)|² ≤ R, else -1
               | "never": the costates alone have the other sign, for ever, which is HL
    turning    f̄ of the clock     radius  R of the ball
    eta_z      dissipation of z; it and eta are HL's: a step back in time turns damping into growth
    """

    eta_z: float = setting(0.0, "η<sub>z</sub>", "dissipation of z", "1/time; type 0 for none")
    policy: str = setting("step", "s(t)", "time turns", "", _policy, scale="choice", choices=POLICIES)
    turning: float = setting(1.0, "f̄", "clock", "turns per time, of policy clock", positive)
    radius: float = setting(100.0, "R", "ball", "|(h, θ, z, ω)|² ≤ R, of policy ball", positive)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy != "never" and (self.eta or self.eta_z):
            told = f"{self.eta:g}, {self.eta_z:g}"
            raise bad("eta, eta_z", told, "0, 0 while time turns", 'policy="never" is HL, which has them')


@register("sign-flip")
class SignFlip(BaseLearner):
    """(h, θ, z, ω)' = s(t) (∂H'/∂z, -βω, -∂H'/∂h, -∂H'/∂θ): N's sign flips, its clock running on all the while.

    A flip multiplies all four equations, so it is a step of -τ along the field of s = +1. With policy "never" the
    field is HL's. The sample stays while a step is taken. memory: the sign of the last step.

    order   the integrator; which one decides here what is learned (ours, `tests/theorems/test_S1_sign_flips.py`):
            an exact flow only retraces its way, Euler's error of second order turns it into learning
    """

    title = "Hamiltonian Sign Flip"
    settings_type = FlipSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "z": Quantity("z", "costate of h"),
        "sign": Quantity("s", "sign of time", "turn"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("ω", "costate of θ", "weight"),
    }
    conjugate = ("h", "z")
    equations = (
        "H' = {phi} L + z·h'",
        "h' = s f(u, h, θ)",
        "θ' = -s {beta} ω",
        "z' = -s ∂H'/∂h",
        "ω' = -s ∂H'/∂θ",
        "{policy}: s = ±1, {turning}, {radius}",
        "HL: {eta}, {eta_z}",
        "each step: x ← x + {tau} x'",
    )
    orders = ORDERS

    _omega: "_Strides"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._omega = _Strides(self.law.names, self.law.theta)

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> FlipSettings:
        """τ, β and φ of the others, without dissipation: time turns at each step."""
        if isinstance(settings, FlipSettings):
            return settings
        return FlipSettings(**{k: settings.shared(k) for k in ("tau", "beta", "phi") if hasattr(settings, k)})

    @classmethod
    def regime(cls, settings: FlipSettings) -> Regime:
        """When time turns, in words."""
        words = {
            "step": "every second step goes back: what stays is the error of the integrator",
            "clock": f"time turns every {1 / (2 * settings.turning * settings.tau):.3g} steps",
            "ball": "time turns where |(h, θ, z, ω)|² passes R",
            "never": "HL: the costates alone have the other sign",
        }
        return Regime(
            {kind: told for told, kind in POLICIES}[settings.policy],
            words[settings.policy],
            cure="lower τ, or flip at each step by Euler's rule",
        )

    def sign(self, c: Any, x: Tensor) -> int:
        """s of the next step, from (h, θ, z, ω) = x; the clock is read a quarter step late: no tie."""
        if c.policy == "step":
            return 1 if self.steps % 2 == 0 else -1
        if c.policy == "clock":
            return 1 if math.cos(2 * math.pi * c.turning * (self.steps + 0.25) * c.tau) >= 0 else -1
        return 1 if c.policy == "never" or float(x @ x) <= c.radius else -1

    def propose(self, sample: Sample) -> Step:
        """The stride of (h, θ, z, ω) by this integrator; the weights are lent to its stages and given back."""
        c, (h, z) = self.numbers(sample), self.state_for(sample)
        if not h:
            raise bad("SignFlip", "a network without state", "one with a state", "hlcore.networks.Digraph is one")
        at = self.law.flow(sample.u, h, c.tau)  # which tells the shape of h
        shape = _Shape(list(at.h), [*tensors(at.h).values(), *self.law.theta])
        z = tensors({name: 0 * x for name, x in at.h.items()}) if z is None else z
        x = shape.joined(tensors(at.h), self.law.theta, z, self._omega.named().values())
        s = self.sign(c, x)
        first, reading, power = self._field(at, sample.target, c, shape, z, list(self._omega.named().values()))

        def field(x: Tensor) -> Tensor:
            h, theta, z, omega = shape.split(x)
            with self._lent(theta):
                return self._field(self.law.flow(sample.u, {**h}, c.tau), sample.target, c, shape, z, omega)[0]

        move = stride(field, x, first, s * c.tau, self.order, len(x) // 2)
        after, self._omega.goal, z, _ = shape.split(x + s * c.tau * move)
        loss = scalar(reading.loss)
        y, slopes = owned(reading.y, at.h), shape.split(move)[3]
        return Step(after, z, y, loss, c.phi * loss + power, slopes, s * c.tau, 1.0, {"sign": s})

    def _field(
        self, f: Flow, target: Any, c: Any, shape: "_Shape", z: Tensors, omega: list[Tensor]
    ) -> tuple[Tensor, Any, float]:
        """(F of s = +1, or of HL; y and L; z·f^h), with the weights as they are."""
        along, reading = f.as_given(z), f.read(f.h, target)
        dh, dtheta = f.derivative(reading, c.phi, along)
        assert along is not None
        beta = c.beta if isinstance(c.beta, Mapping) else dict.fromkeys(self.law.names, c.beta)
        paces = [-beta.get(name, 1.0) * w for name, w in zip(self.law.names, omega, strict=True)]
        sign = -1.0 if c.policy == "never" else 1.0
        pulls = [-sign * tensor(g) if g is not None else torch.zeros(()) for g in (*dh.values(), *dtheta)]
        drags = [*(c.eta_z * part for part in z.values()), *(c.eta * w for w in omega)]
        costates = [g - d for g, d in zip(pulls, drags, strict=True)]
        n = len(z)
        F = shape.joined(tensors(f.v), paces, dict(zip(z, costates, strict=False)), costates[n:])
        return F, reading, sum(float((along[name] * v).sum()) for name, v in f.v.items())

    def traced(self) -> dict[str, Tensors]:
        """With the sign of the last step."""
        return super().traced() | {"sign": {"s": torch.tensor(float(self.memory.get("sign", 1)))}}

    @contextmanager
    def _lent(self, theta: Sequence[Tensor]) -> Iterator[None]:
        """The network's weights are these for a while."""
        weights = [p.detach() for p in self.law.theta]  # the same memory
        kept = [p.clone() for p in weights]
        torch._foreach_copy_(weights, list(theta))
        try:
            yield
        finally:
            torch._foreach_copy_(weights, kept)


class _Shape(NamedTuple):
    """How (h, θ, z, ω) lie in one vector: the names of h, and tensors like h and θ."""

    names: list[str]
    like: list[Tensor]

    def joined(self, h: Tensors, theta: Iterable[Tensor], z: Tensors, omega: Iterable[Tensor]) -> Tensor:
        """The vector."""
        return torch.cat([x.detach().flatten() for x in (*h.values(), *theta, *z.values(), *omega)])

    def split(self, x: Tensor) -> tuple[Tensors, list[Tensor], Tensors, list[Tensor]]:
        """Its parts, (h, θ, z, ω)."""
        likes, n, m = [*self.like, *self.like], len(self.names), len(self.like)
        parts = [part.view(one.shape) for part, one in zip(x.split([p.numel() for p in likes]), likes, strict=True)]
        h, z = (dict(zip(self.names, parts[k:], strict=False)) for k in (0, m))
        return h, parts[n:m], z, parts[m + n :]


class _Strides(Weights):
    """ω, and weights that go where an integrator says."""

    goal: Sequence[Tensor] = ()

    def overflow(self, tau: float, fresh: bool) -> tuple[str, str] | None:
        """Of ω, as ever, or of the θ it goes to."""
        wrong = not_finite(dict(zip(self.names, self.goal, strict=True)))
        return super().overflow(0.0, fresh) if wrong is None else ("theta", wrong)

    def commit(self, tau: float, fresh: bool) -> None:
        """The new ω, and the new θ."""
        super().commit(0.0, fresh)
        with torch.no_grad():
            torch._foreach_copy_(self.theta, list(self.goal))
