"""Learners that remember the way and walk it back: by the reversed stream, or by autograd."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from ..declared import BaseSettings, setting
from ..errors import HLError
from ..law.arrays import moved
from ..law.loss import Loss
from ..law.network import Known, Network, State
from ..law.sample import Sample
from ..law.settings import WeightSettings
from ..networks.preserved import preserved
from .base import BaseLearner
from .catalogue import register
from .held_inputs import LONGEST, tokens_or_none
from .reversed_stream import StoredStep, advance, backward, first_state
from .terms import Step


@dataclass(frozen=True)
class BPTTSettings(WeightSettings):
    """The weights' settings, and

    window  r: losses and paths of the last r tokens only; None: the whole sequence
    every   k: turn every k tokens, too; None: at the end of a sequence only
    """

    window: int | None = setting(None, "r", "window", "tokens that the way back takes", tokens_or_none, scale="whole")
    every: int | None = setting(None, "k", "turn every", "tokens", tokens_or_none, scale="whole")


@dataclass(frozen=True)
class HLBPTTSettings(BPTTSettings):
    """Those of BPTT, and eta_z: the dissipation of the neuron costate on the way back; None: eta."""

    eta_z: float | None = setting(None, "η<sub>z</sub>", "dissipation of z", "1/time; type 0 for none", follows="eta")

    def shared(self, name: str) -> Any:
        """Without dissipation on the way back ω still begins anew at each turn, as elsewhere with η = 1/τ."""
        return 1 / self.tau if name == "eta" and self.eta == 0 else super().shared(name)


class _Backward(BaseLearner):
    """Stores states, turns at the end of a sequence and every `every` tokens; between turns the weights stand (β = 0).

    A turn takes the losses since the turn before, and their paths through the last `window` tokens.
    memory: steps (at most window - 1), length (tokens of the sequence so far), since (tokens since the last turn)
    """

    usual: ClassVar[dict[str, int]] = {"window": 20, "every": 1}  # in an experiment, whose stream may have no end

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: BaseSettings | None = None,
        window: int | None = None,
        every: int | None = None,
        *,
        order: str | None = None,
    ) -> None:
        given = self.settings_type() if settings is None else self.settings_type.of(settings)
        told = {"window": window, "every": every}
        super().__init__(network, loss, given.replace(**{k: v for k, v in told.items() if v is not None}), order)
        self.memory = {"steps": [], "length": 0, "since": 0}

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> BaseSettings:
        """What both have, with a window and turns for streams without end."""
        found = cls.settings_type.of(settings)
        return found if hasattr(settings, "window") else found.replace(**cls.usual)

    @classmethod
    def beside(cls, other: BaseLearner) -> Self:
        """A rival that has stored nothing yet; where a sequence goes on, its start is out of reach."""
        rival = super().beside(other)
        if type(other) is not cls:
            rival.memory["length"] = int(rival._h is not None)
        return rival

    @property
    def waiting(self) -> bool:
        """True: the last step was no turn."""
        return self.memory["since"] > 0

    def propose(self, sample: Sample) -> Step:
        """The state moves on; at a turn the way is walked back."""
        c, memory = self.numbers(sample), self.memory
        window, every = c.window, c.every
        h = first_state(self.law, sample) if self._h is None else self._h
        seen, after, y = advance(self.law, sample, h, c.tau, c.tau * c.phi)
        L = self.law.loss(y, sample.target)
        loss = 0.0 if L is None else float(L)
        turn = sample.end or (every is not None and memory["since"] + 1 >= every)
        dtheta, keep = None, 1.0
        if turn:
            path = [*(StoredStep(*step) for step in memory["steps"]), seen]
            path = path if window is None else path[-window:]
            old = max(0, len(path) - memory["since"] - 1)  # these have had their turn: paths, no losses
            path = [step._replace(target=None) for step in path[:old]] + path[old:]
            with preserved(self.network):
                start = first_state(self.law, sample) if len(path) == memory["length"] + 1 else {}
                dtheta, keep = self._walk(path, start, c)
        following = {"length": 0 if sample.end else memory["length"] + 1, "since": 0 if turn else memory["since"] + 1}
        if sample.end:
            following["steps"] = []
        elif window is not None:
            kept = [*memory["steps"], tuple(seen)]
            following["steps"] = kept[max(0, len(kept) - window + 1) :]
        elif len(memory["steps"]) >= LONGEST:
            raise HLError(f"{type(self).__name__}: got an endless sequence; give a window, or mark ends.")
        longer = {} if "steps" in following else {"steps": tuple(seen)}
        return Step(after, None, y, loss, c.phi * loss, dtheta, 1.0, keep, following, longer)

    @abstractmethod
    def _walk(self, path: list[StoredStep], start: Known, c: Any) -> tuple[list[Tensor], float]:
        """(what ω receives from the way back, the part of the old ω that is kept)."""


@register("hl-bptt")
class HLBPTT(_Backward):
    """Hamiltonian Learning on the reversed stream (P, eq. 24-27): at a turn z = 0, then `reversed_costate`.

    every        None: turn at the end of each sequence only; k: also every k tokens, for streams without end
    window       r: losses and paths of the last r tokens only
    reset_omega  ω = 0 at each turn (with η = 0 and φ = 1/τ: gradient descent on BPTT with rate τβ); False: ω goes on,
                 dissipated at every token of the way back
    """

    title = "HL on the reversed stream"
    settings_type = HLBPTTSettings
    usual: ClassVar[dict[str, int]] = {"window": 20, "every": 5}
    equations = (
        "there: h' = f(u, h, θ), the weights stand",
        "every {every} tokens back through {window}:",
        "z ← {tau} {phi} ∂L/∂h + (∂h⁺/∂h)ᵀ z - {tau} {eta_z} z",
        "ω ← ω + (∂h⁺/∂θ)ᵀ z - {tau} {eta} ω",
        "θ ← θ - {tau} {beta} ω",
    )

    def __init__(self, *given: Any, reset_omega: bool = True, **named: Any) -> None:
        super().__init__(*given, **named)
        self.reset_omega = reset_omega

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> BaseSettings:
        """Without dissipation, which would cut the way back short; β/(τη) does in the long run what η did."""
        found = cast(HLBPTTSettings, super().settings_from(settings))
        if isinstance(settings, cls.settings_type) or not found.eta:
            return found
        pace, beta = found.tau * found.eta, found.beta
        beta = {k: x / pace for k, x in beta.items()} if isinstance(beta, Mapping) else beta / pace
        return found.replace(eta=0.0, eta_z=None, beta=beta)

    @property
    def options(self) -> dict[str, Any]:
        """reset_omega."""
        return {"reset_omega": self.reset_omega}

    def _walk(self, path: list[StoredStep], start: Known, c: Any) -> tuple[list[Tensor], float]:
        omega = backward(self.law, path[::-1], c.eta, c.eta_z, start)
        return list(omega.values()), 0.0 if self.reset_omega else prod(1 - step.tau * c.eta for step in path)


@register("bptt")
class TruncatedBPTT(_Backward):
    """Truncated backpropagation through time by autograd: the losses since the last turn, through `window` tokens.

    The states of the window are made anew from the oldest one that is stored, with the weights of now.

    every=1 is the online form, one gradient per token; with window=None it sees the whole sequence so far, and its
    cost grows with it. ω⁺ = (1-τη) ω + τφ g: momentum as in `Learner`.
    """

    title = "Truncated BPTT"
    settings_type = BPTTSettings
    equations = (
        "h' = f(u, h, θ), the last {window} tokens stored",
        "every {every} tokens: g = Σ ∂L/∂θ through them",
        "ω ← ω + {tau} ({phi} g - {eta} ω)",
        "θ ← θ - {tau} {beta} ω",
    )

    def _walk(self, path: list[StoredStep], start: Known, c: Any) -> tuple[list[Tensor], float]:
        with torch.enable_grad():
            h: Known = _joined(path[0].h, start)
            total: Tensor | None = None
            for step in path if any(step.target is not None for step in path) else []:
                step.put_back(self.law)
                v = self.law.velocity(step.u, dict(h), step.tau)
                h = moved({name: torch.zeros_like(v[name]) if x is None else x for name, x in h.items()}, v, step.tau)
                L = self.law.loss(self.law.output(step.u, h), step.target)
                if L is not None:
                    total = step.gain * L if total is None else total + step.gain * L
        found: list[Tensor | None] = [None] * len(self.law.theta)
        if total is not None and total.requires_grad:
            found = list(torch.autograd.grad(total, self.law.theta, allow_unused=True))
        g = [torch.zeros_like(p) if x is None else x for p, x in zip(self.law.theta, found, strict=True)]
        return g, 1 - c.tau * c.eta


def _joined(h: State, start: Known) -> dict[str, Tensor | None]:
    """The stored state, with the graph of the weights that made it where it is the initial one."""
    return {k: x if x is None else x.detach() if start.get(k) is None else start[k] for k, x in h.items()}
