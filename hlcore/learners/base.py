"""What the learners of a race share: one interface, that of `Learner`, and one law for the weights."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import Diverged, HLError, bad
from ..law.hamiltonian import Hamiltonian, Loss, not_finite
from ..law.network import Known, Network
from ..law.point import PhasePoint, Tensors
from ..law.preserved import preserved
from ..law.sample import Sample
from ..law.settings import Settings
from ..law.weights import WeightCostate
from .hamiltonian import Report

if TYPE_CHECKING:
    from ..records.recorder import Recorder


class Look(NamedTuple):
    """One step, not yet taken: ω⁺ = keep ω + gain g, or ω and θ stand where there is no g."""

    h: Tensors
    output: Tensor
    loss: float
    g: list[Tensor] | None
    gain: float
    keep: float


class OnlineLearner(ABC):
    """State first, then the loss at the moved state, then ω⁺ = (1-τη) ω + τφ g and θ⁺ = θ - τβ ω⁺ (E*4, E*2).

    A subclass says what g is. Everything else is `Learner` in sequential order: the same stream, settings, point,
    report and record, so that what differs in a race is the gradient alone. There is no costate z between steps.
    """

    def __init__(self, network: Network, loss: Loss, settings: Settings | None = None) -> None:
        if not isinstance(network, Network):
            raise bad("network", type(network).__name__, "an hlcore.Network")
        self.network, self.loss, self.order = network, loss, "sequential"
        self.steps, self.t = 0, 0.0
        self._law = Hamiltonian(network, loss)
        self._theta: Tensors = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._omega = WeightCostate(list(self._theta), list(self._theta.values()))
        self._h: Known | None = None  # None: at the start of a sequence
        self._reached: Tensors = {}
        self.settings = Settings() if settings is None else settings

    @property
    def settings(self) -> Settings:
        """The settings in force; assign others between steps."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        if not isinstance(settings, Settings):
            raise bad("settings", type(settings).__name__, "hlcore.Settings", "learner.settings.replace(eta=0.3)")
        self._omega.scale_by(settings.beta)
        self._settings = settings

    @property
    def point(self) -> PhasePoint:
        """Where the learner is, with z = 0; the tensors are live."""
        h = dict(self._reached)
        theta = {name: p.detach() for name, p in self._theta.items()}
        return PhasePoint(self.t, h, theta, {k: torch.zeros_like(x) for k, x in h.items()}, self._omega.named())

    def step(self, sample: Sample) -> Report:
        """Take in one token; raises `Diverged` before anything non-finite is written."""
        tau, phi = self._tau_for(sample), self._settings.phi_at(self.t)
        look = self._look(sample, tau, phi)
        bad = not_finite(look.h)
        if bad is not None:
            raise Diverged("h", bad, self.t, self.steps)
        if not math.isfinite(look.loss):
            raise Diverged("loss", "", self.t, self.steps)
        if look.g is not None:
            self._omega.propose(look.g, look.gain, look.keep, missing="decay", lift=1.0)
            overflow = self._omega.overflow(tau, fresh=True)
            if overflow is not None:
                raise Diverged(*overflow, self.t, self.steps)
            self._omega.commit(tau, fresh=True)
        self._remember(sample, look)
        self.t += tau
        self.steps += 1
        self._reached, self._h = look.h, None if sample.end else look.h
        return Report(self.t, look.loss, phi * look.loss, look.output)

    def gradient(self, sample: Sample) -> Tensors:
        """φ g as the next step on `sample` finds it, {name: tensor}, zero where the weights stand; nothing moves."""
        tau = self._tau_for(sample)
        with preserved(self.network):
            look = self._look(sample, tau, self._settings.phi_at(self.t))
        if look.g is None:
            return {name: torch.zeros_like(p) for name, p in self._theta.items()}
        return {name: g * (look.gain / tau) for name, g in zip(self._theta, look.g, strict=True)}

    def run(self, stream: Iterable[Sample], steps: int | None = None, recorder: Recorder | None = None) -> Report:
        """Step through `stream` from its beginning, at most `steps` samples; returns the last report."""
        report = None
        for sample in islice(stream, steps):
            report = self.step(sample)
            if recorder is not None:
                recorder.record(self, report, sample)  # type: ignore[arg-type]  # it reads what both kinds have
        if report is None:
            raise HLError("stream: got no sample at all, expected at least one; check that it is not used up.")
        return report

    def traced(self) -> dict[str, Tensors]:
        """What a Recorder takes down."""
        return {"h": self._reached, "z": self.point.z, "theta": self._theta, "omega": self._omega.named()}

    @abstractmethod
    def _look(self, sample: Sample, tau: float, phi: float) -> Look:
        """The step on `sample`, with nothing moved but buffers and torch's generator."""

    @abstractmethod
    def _remember(self, sample: Sample, look: Look) -> None:
        """Take over what the last `_look` found, once it is known to be finite."""

    def _tau_for(self, sample: Sample) -> float:
        if not isinstance(sample, Sample):
            raise bad("step", type(sample).__name__, "an hlcore.Sample", "write Sample(u, target)")
        return self._settings.tau if sample.dt is None else sample.dt
