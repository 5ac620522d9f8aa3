"""The parameters of the Hamiltonian, frozen and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import torch

from ..errors import bad, number, unknown

Phi = float | Callable[[float], float]
Beta = float | Mapping[str, float | torch.Tensor]


@dataclass(frozen=True)
class Settings:
    """What the four equations (P, E*1-E*4) leave open.

    tau    step of integration, > 0, in units of time; a sample's own `dt` takes its place
    eta    dissipation of the weight costates ω (and of z unless eta_z is given), >= 0, per unit of time
    beta   scale of the weight velocity, >= 0 (0 freezes): shared, {parameter name: float}, or
           {parameter name: tensor of the weight's shape}; names left out keep beta = 1
    phi    scale of the loss, >= 0: a number, or a schedule t -> number
    s      sign of the costate equations: -1 forward in time (HL), +1 the original boundary-value problem
    eta_z  dissipation of the neuron costate z, >= 0; None: eta

    Raises HLError for anything else. Source: P, section 3.
    """

    tau: float = 1.0
    eta: float = 0.0
    beta: Beta = 1.0
    phi: Phi = 1.0
    s: int = -1
    eta_z: float | None = None

    def __new__(cls, *values: Any, **named: Any) -> Settings:
        """Refuse unknown names before the generated __init__ does, in the house form."""
        _refuse_unknown(cls, named)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "tau", number("tau", self.tau, positive=True))
        put(self, "eta", number("eta", self.eta))
        if self.eta_z is not None:
            put(self, "eta_z", number("eta_z", self.eta_z))
        if not callable(self.phi):
            put(self, "phi", number("phi", self.phi))
        if isinstance(self.s, bool) or not isinstance(self.s, Real) or self.s not in (-1, 1):
            raise bad("s", repr(self.s), "-1 (forward) or +1 (original)", "write s=-1 to learn forward in time")
        put(self, "s", int(self.s))
        put(self, "beta", _checked_beta(self.beta))

    @classmethod
    def from_sgd(cls, lr: float, momentum: float = 0.0, dampening: float = 0.0, tau: float = 1.0) -> Settings:
        """Settings under which an output network moves as under torch.optim.SGD.

        γ = βτ, μ = 1 - τη, ρ = 1 - τφ (P, section 4), hence beta = lr/tau, eta = (1-momentum)/tau,
        phi = (1-dampening)/tau.
        """
        tau = number("tau", tau, positive=True)
        lr, momentum, dampening = number("lr", lr), number("momentum", momentum), number("dampening", dampening)
        for name, value in (("momentum", momentum), ("dampening", dampening)):
            if value > 1:
                raise bad(name, value, "a number in [0, 1]", "1 keeps everything, 0 forgets at once")
        return cls(tau=tau, eta=(1 - momentum) / tau, beta=lr / tau, phi=(1 - dampening) / tau)

    def to_sgd(self, t: float = 0.0) -> dict[str, float]:
        """The inverse map at time t: {"lr": τβ, "momentum": 1-τη, "dampening": 1-τφ} (P, section 4).

        Raises HLError when beta is not shared: torch.optim.SGD then needs one group per weight.
        """
        if isinstance(self.beta, Mapping):
            raise bad("beta", "one value per parameter", "a shared number", "map each parameter by itself")
        tau, phi = self.tau, self.phi_at(t)
        return {"lr": tau * self.beta, "momentum": 1 - tau * self.eta, "dampening": 1 - tau * phi}

    def replace(self, **changes: Any) -> Settings:
        """A copy with some settings changed; an unknown name is an HLError."""
        _refuse_unknown(type(self), changes)
        return replace(self, **changes)

    def phi_at(self, t: float) -> float:
        """φ_t, checked when it comes from a schedule."""
        if callable(self.phi):
            return number(f"phi({t:g})", self.phi(t))
        return self.phi

    @property
    def dissipation_z(self) -> float:
        """The dissipation that the neuron costate z really has: eta_z, or eta."""
        return self.eta if self.eta_z is None else self.eta_z


def _refuse_unknown(cls: type[Settings], named: Mapping[str, Any]) -> None:
    known = {f.name for f in fields(cls)}
    for name in named:
        if name not in known:
            raise unknown("setting", name, known)


def _checked_beta(beta: Any) -> Beta:
    if not isinstance(beta, Mapping):
        if isinstance(beta, torch.Tensor) and beta.numel() != 1:
            raise bad(
                "beta",
                f"a tensor of shape {tuple(beta.shape)}",
                "a number or {parameter name: tensor}",
                "say which parameter it belongs to, as in beta={'readout.weight': tensor}",
            )
        return number("beta", beta)
    checked: dict[str, float | torch.Tensor] = {}
    for name, value in beta.items():
        if not isinstance(name, str):
            raise bad("beta", f"the key {name!r}", "names of parameters", "use network.named_parameters()")
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            if not (value.is_floating_point() and bool(torch.isfinite(value).all()) and bool((value >= 0).all())):
                raise bad(f"beta[{name!r}]", "a tensor with negative or non-finite entries", "numbers >= 0")
            checked[name] = value.detach().clone()
        else:
            checked[name] = number(f"beta[{name!r}]", value)
    return checked
