"""What the four equations leave open, frozen and checked; each setting is declared once, at its field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import torch

from ..declared import BaseSettings, positive, setting
from ..errors import bad, known, number

Phi = float | Callable[[float], float]
Beta = float | Mapping[str, float | torch.Tensor]
METRICS = (("none", "none"), ("rms of g", "rms"))
Sign = int | Callable[[float], int]
FORWARD = (("-1 forward", -1), ("+1 original", 1))


def _phi(name: str, value: Any) -> Phi:
    return value if callable(value) else number(name, value)


def _sign(name: str, value: Any) -> Sign:
    if callable(value):
        return value
    if isinstance(value, bool) or not isinstance(value, Real) or value not in (-1, 1):
        raise bad(name, repr(value), "-1 (forward) or +1 (original)", "write s=-1 to learn forward in time")
    return -1 if value == -1 else 1


def _metric(name: str, value: Any) -> str:
    return str(known(name, value, [kind for _, kind in METRICS]))


def _beta(name: str, beta: Any) -> Beta:
    if not isinstance(beta, Mapping):
        if isinstance(beta, torch.Tensor) and beta.numel() != 1:
            raise bad(
                name,
                f"a tensor of shape {tuple(beta.shape)}",
                "a number or {parameter name: tensor}",
                "say which parameter it belongs to, as in beta={'readout.weight': tensor}",
            )
        return number(name, beta)
    checked: dict[str, float | torch.Tensor] = {}
    for weight, value in beta.items():
        if not isinstance(weight, str):
            raise bad(name, f"the key {weight!r}", "names of parameters", "use network.named_parameters()")
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            if not (value.is_floating_point() and bool(torch.isfinite(value).all()) and bool((value >= 0).all())):
                raise bad(f"{name}[{weight!r}]", "a tensor with negative or non-finite entries", "numbers >= 0")
            checked[weight] = value.detach().clone()
        else:
            checked[weight] = number(f"{name}[{weight!r}]", value)
    return checked


@dataclass(frozen=True)
class WeightSettings(BaseSettings):
    """What the weights' two equations leave open (P, E*2 and E*4).

    tau    step of integration, > 0, in units of time; a sample's own `dt` takes its place
    eta    dissipation of the weight costates ω, >= 0, per unit of time
    beta   scale of the weight velocity, >= 0 (0 freezes): shared, {parameter name: float}, or
           {parameter name: tensor of the weight's shape}; names left out keep beta = 1
    phi    scale of the loss, >= 0: a number, or a schedule t -> number
    metric "rms": β per weight, as P leaves it free, divided by the running root mean square of the weight's gradient:
           θ' = -(β/(√v + 1e-8)) ⊙ ω,   v' = ((∂H'/∂θ)² - v)/memory;   "none": β as it is (`law.metric`)
    memory time over which v remembers, > 0; no matter without a metric

    Raises HLError for anything else. Source: P, section 3.
    """

    tau: float = setting(1.0, "τ", "step", "time per step", positive)
    eta: float = setting(0.0, "η", "dissipation of ω", "1/time; type 0 for none")
    beta: Beta = setting(1.0, "β", "weight speed", "θ' = -βω; type 0 to freeze", _beta)
    phi: Phi = setting(1.0, "φ", "loss scale", "H' = φL + z·h'", _phi)
    metric: str = setting("none", "v", "metric of θ", "", _metric, scale="choice", choices=METRICS)
    memory: float = setting(100.0, "m", "memory of v", "time", positive)

    @classmethod
    def from_sgd(cls, lr: float, momentum: float = 0.0, dampening: float = 0.0, tau: float = 1.0) -> Self:
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

        Raises HLError when beta is not shared (torch.optim.SGD then needs one group per weight), and where a setting
        is in force of which SGD knows nothing.
        """
        if isinstance(self.beta, Mapping):
            raise bad("beta", "one value per parameter", "a shared number", "map each parameter by itself")
        for name in self.about():
            if name not in MAPPED and getattr(self, name) != (default := type(self).__dataclass_fields__[name].default):
                raise bad(name, getattr(self, name), f"{default}", "torch.optim.SGD has nothing like it")
        tau, phi = self.tau, self.phi_at(t)
        return {"lr": tau * self.beta, "momentum": 1 - tau * self.eta, "dampening": 1 - tau * phi}

    def phi_at(self, t: float) -> float:
        """φ_t, checked when it comes from a schedule."""
        return self.at(t).phi


MAPPED = ("tau", "eta", "beta", "phi", "s", "eta_z", "memory")  # those of which SGD knows, or that no SGD could feel


@dataclass(frozen=True)
class Settings(WeightSettings):
    """What the four equations (P, E*1-E*4) leave open: the weights' settings, and

    s      sign of the costate equations: -1 forward in time (HL), +1 the original boundary-value problem; or a schedule
           t -> ±1, as of a network that learns by day and unlearns by night
    eta_z  dissipation of the neuron costate z, >= 0; None: eta
    control  g, weight of a control ψ on the neurons whose cost is |ψ|²/2g, >= 0: minimising over ψ gives ψ = -g z,
           so h' = f^h - g z and H' = φL + z·f^h - (g/2)|z|² (ours; 0: HL, at rest any other: least control)

    Raises HLError for anything else. Source: P, section 3.
    """

    s: Sign = setting(-1, "s", "sign", "", _sign, scale="choice", choices=FORWARD)
    eta_z: float | None = setting(None, "η<sub>z</sub>", "dissipation of z", "1/time; type 0 for none", follows="eta")
    control: float = setting(0.0, "g", "control", "h' = f - g z; type 0 for none")

    @property
    def dissipation_z(self) -> float:
        """The dissipation that the neuron costate z really has: eta_z, or eta."""
        return self.in_force("eta_z")
