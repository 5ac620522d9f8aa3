"""The weights' law as a torch.optim.Optimizer, for those who have a training loop."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..declared import BaseSettings
from ..errors import Diverged, bad, kind, known, unknown
from ..law.arrays import not_finite
from ..law.settings import Settings, WeightSettings
from ..law.step import ORDERS
from ..law.weights import advanced

NAMES = (*WeightSettings.about(), "s")  # the settings that a group of weights may have for itself


class Optimizer(torch.optim.Optimizer):
    """ω⁺ = (1-τη) ω - τ s φ ∂L/∂θ  (E*4), θ⁺ = θ - τβω⁺  (E*2; "euler": with the ω before): H' = φL has no state.

    params    weights, or groups of them: {"params": …, "beta": 0.1} has settings of its own; HL's names, as in Settings
    settings  those of all groups without their own; `Settings.from_sgd(lr, momentum)` are SGD's (P, section 4)
    order     "sequential" or "euler"

    On an output network it is the Learner of the same order and settings, to the bit (with a metric to a rounding).
    ω is the state of each weight, with v where a metric is in force; t, the time of schedules, is the group's. A
    weight without gradient glides on: its ω only dissipates. A step that would write inf or nan raises `Diverged` and
    moves nothing.
    HLError for settings that only a network with a state has (eta_z, control), and for a sparse or complex gradient.
    """

    def __init__(self, params: Any, settings: BaseSettings | None = None, order: str = "sequential") -> None:
        found = Settings.of(Settings() if settings is None else settings)
        if found.eta_z is not None or found.control:
            mend = "learn with hlcore.Learner where there is one"
            raise bad("settings", "eta_z or control", "those of the weights: this law has no state", mend)
        defaults: dict[str, Any] = {name: getattr(found, name) for name in NAMES}
        super().__init__(params, defaults | {"order": known("order", order, ORDERS), "t": 0.0, "steps": 0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """One group more; an unknown or wrong setting is an HLError."""
        for name in param_group.keys() - {"params", "param_names", *self.defaults}:
            raise unknown("setting", name, NAMES)
        _settings({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all weights by their `.grad`; what `closure` returns, if there is one."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group, moved in [(group, self._moved(group)) for group in self.param_groups]:
            for p, *after in zip(group["params"], *moved, strict=True):
                p.copy_(after[0])
                self.state[p].update(zip(("omega", "v"), after[1:], strict=False))
            group["t"] += group["tau"]
            group["steps"] += 1
        return loss

    def _moved(self, group: dict[str, Any]) -> list[list[Tensor]]:
        """[θ⁺, ω⁺] of a group, and v⁺ with a metric; nothing moves."""
        theta, t = group["params"], group["t"]
        settings = _settings(group)
        measured = settings.metric != "none"
        omega, v = ([self._held(p, name) for p in theta] for name in ("omega", "v"))
        grads = [_dense(p) for p in theta]
        c = settings.at(t)
        after = advanced(theta, omega, v if measured else [], grads, c.phi, c, group["order"] == "sequential")
        names = group.get("param_names", [f"[{i}]" for i in range(len(theta))])
        for quantity, found in zip(("omega", "theta"), (after[1], after[0]), strict=True):
            if (named := not_finite(dict(zip(names, found, strict=True)))) is not None:
                raise Diverged(quantity, named, t, group["steps"], "lower tau, beta or phi, or raise eta")
        return list(after if measured else after[:2])

    def _held(self, p: Tensor, name: str) -> Tensor:
        found = self.state[p].get(name) if p in self.state else None
        return torch.zeros_like(p) if found is None else found


def _settings(group: dict[str, Any]) -> Settings:
    """The settings of a group, checked."""
    if isinstance(group["beta"], Mapping):
        raise bad("beta", "one value per parameter", "a number", "give each its group: {'params': …, 'beta': …}")
    kind("group t", group["t"], float, "a time")
    return Settings(**{name: group[name] for name in NAMES})


def _dense(p: Tensor) -> Tensor | None:
    g = p.grad
    if g is not None and (g.is_sparse or g.is_complex()):
        raise bad("gradient", "a sparse or complex one", "a dense tensor of real numbers", "use sparse=False")
    return g
