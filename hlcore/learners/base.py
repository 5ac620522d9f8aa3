"""What all learners share: checked input, a step that is refused or taken whole, snapshots, checkpoints, a run."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from ..declared import BaseSettings
from ..errors import MISTAKES, Diverged, HLError, bad, explain, kind, known, whole
from ..files import place
from ..law.arrays import not_finite
from ..law.gap import bridged, dissipations
from ..law.hamiltonian import Hamiltonian
from ..law.loss import Loss
from ..law.network import Network, State
from ..law.point import PhasePoint, Report, Tensors
from ..law.sample import Sample
from ..law.settings import WeightSettings
from ..law.weights import Weights
from ..networks.preserved import preserved
from ..records import checkpoint
from ..records.recorder import Recorder
from ..records.snapshots import Snapshot
from ..streams.stream import Stream, walked
from . import resume
from .inventory import Inventory
from .refusal import told
from .terms import Quantity, Regime, Step

log = logging.getLogger("hlcore")
GRADIENTS = nullcontext()  # they are on already
IDLE = 200  # steps that move weights after which one that had no gradient is told


class BaseLearner(ABC):
    """A learner is one file: its settings, its quantities, its equations, and `propose`.

    network, loss   what learns, and by what it is judged     order  in which order it takes its equations
    memory          what `propose` needs from the steps before, beside h, z, θ and ω: read it there, return what comes
                    next as `Step.memory`; numbers, texts, tensors, and lists and dicts of them are saved by themselves

    A step that would write inf or nan raises `Diverged` and leaves all as before: weights, memory, buffers, generator.
    """

    name: ClassVar[str] = ""  # on the list, see `register`
    title: ClassVar[str] = ""
    settings_type: ClassVar[type[BaseSettings]] = WeightSettings
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("ω", "costate of θ", "weight"),
    }
    conjugate: ClassVar[tuple[str, str]] = ("theta", "omega")  # the axes of the phase portrait
    equations: ClassVar[tuple[str, ...]] = ()  # in HTML, a setting's symbol as {phi}
    orders: ClassVar[tuple[str, ...]] = ("sequential",)
    fresh: ClassVar[bool] = True  # θ moves with the new ω
    stateful: ClassVar[bool | None] = None  # True: it needs a network with a state, False: one without

    def __init__(
        self, network: Network, loss: Loss, settings: BaseSettings | None = None, order: str | None = None
    ) -> None:
        order = known("order", self.orders[0] if order is None else order, self.orders)
        self.inventory = Inventory(network, self.stateful, self.title)
        self.law = Hamiltonian(network, loss)
        self.network, self.loss, self.order = network, loss, order
        self.steps, self.t = 0, 0.0
        self.memory: dict[str, Any] = {}
        self._omega = Weights(self.law.names, self.law.theta)
        self._h: State | None = None  # None: at the start of a sequence, made anew for the next sample's batch
        self._z: Tensors | None = None  # None: zeros
        self._kept_of_z = 1.0  # what a gap before the sample at hand leaves of z
        self._idle = IDLE  # steps until weights without a gradient are told
        self._reached: tuple[Tensors, Tensors] = ({}, {})  # h and z of the last step, before a clear
        self.settings = self.settings_type() if settings is None else settings

    @abstractmethod
    def propose(self, sample: Sample) -> Step:
        """The step on `sample`; nothing moves but the network's buffers and torch's generator."""

    @classmethod
    def regime(cls, settings: Any) -> Regime:
        """What these settings mean, in words."""
        cure = "lower {tau}, {beta} or {phi}" if issubclass(cls.settings_type, WeightSettings) else ""
        return Regime("", "", cure=cure)

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> BaseSettings:
        """This learner's settings nearest to those of another: what both have under the same names."""
        return cls.settings_type.of(settings)

    @property
    def options(self) -> dict[str, Any]:
        """What its constructor was told beside network, loss, settings and order, as numbers, texts or None."""
        return {}

    @property
    def settings(self) -> Any:
        """The settings in force; assign others between steps."""
        return self._settings

    @settings.setter
    def settings(self, settings: BaseSettings) -> None:
        if not isinstance(settings, self.settings_type):
            if not isinstance(settings, BaseSettings):
                wanted = f"hlcore.{self.settings_type.__name__}"
                raise bad("settings", type(settings).__name__, wanted, "learner.settings.replace(eta=0.3)")
            settings = self.settings_from(settings)
        self._omega.scale_by(getattr(settings, "beta", 1.0), getattr(settings, "metric", "none"))
        self._settings = settings

    @property
    def point(self) -> PhasePoint:
        """Where the learner is; the tensors are live, `point.clone()` keeps them."""
        h = resume.start_of(self) if self._h is None else {k: x for k, x in self._h.items() if x is not None}
        z = {k: torch.zeros_like(x) for k, x in h.items()} if self._z is None else dict(self._z)
        theta = {name: p.detach() for name, p in zip(self.law.names, self.law.theta, strict=True)}
        return PhasePoint(self.t, h, theta, z, self._omega.named())

    @point.setter
    def point(self, point: PhasePoint) -> None:
        resume.put(self, point)

    def step(self, sample: Sample) -> Report:
        """Take one step of tau (or of the sample's dt)."""
        self.require(sample)
        self.inventory.check()
        kept = self.inventory.kept()
        step: Any = None
        try:
            step, tau = self._proposed(sample)
            self._refuse(step)
            if step.dtheta is not None:
                measured = getattr(self._settings, "metric", "none") != "none"
                self._weigh(step, self._settings.at(self.t, tau) if measured else None)
                if (overflow := self._omega.overflow(tau, self.fresh)) is not None:
                    raise Diverged(*overflow, self.t, self.steps)
            self.law.absorb(sample, step.output)
        except HLError as error:
            self.inventory.put_back(kept)
            raise told(self, sample, step, error) from error.__cause__
        if step.dtheta is not None:
            self._omega.commit(tau, self.fresh)
            if self._idle:
                self._look_for_idle_weights()
        self.memory.update(step.memory)
        for name, x in step.longer.items():
            self.memory[name].append(x)
        self.t += tau if sample.dt is None else sample.dt
        self.steps += 1
        self._arrive(step, sample)
        return Report(self.t, step.loss, step.hamiltonian, step.output)

    def gradient(self, sample: Sample) -> Tensors:
        """∂H'/∂θ as the next step on `sample` finds it: {name: tensor}, zero where the weights stand; nothing moves."""
        self.require(sample)
        with preserved(self.network):
            step, tau = self._proposed(sample)
        found, scale = step.dtheta or [None] * len(self.law.theta), abs(step.gain) / tau
        return {
            name: torch.zeros_like(p) if g is None else g * scale
            for name, p, g in zip(self.law.names, self.law.theta, found, strict=True)
        }

    def run(self, stream: Iterable[Sample], steps: int | None = None, recorder: Recorder | None = None) -> Report:
        """Step through `stream` from its beginning, at most `steps` samples; returns the last report.

        HLError for an empty stream, `Diverged` at the first non-finite value: what was before it is kept.
        """
        if steps is not None:
            whole("steps", steps, 0)
        if recorder is not None:
            kind("recorder", recorder, Recorder, "an hlcore.Recorder")
        walk = walked(stream)
        act = stream.act if isinstance(stream, Stream) else None
        report = None
        for sample in islice(walk, steps):
            report = self.step(sample)
            if recorder is not None:
                recorder.record(self, report, sample)
            if act is not None:
                act(report.output)
        if report is None:
            if steps == 0:
                return Report(self.t, math.nan, math.nan, torch.empty(0))
            raise HLError("stream: got no sample at all, expected at least one; check that it is not used up.")
        return report

    def clear(self) -> None:
        """h to its initial state, z to zero, as after a sample with end=True."""
        self._h = self._z = None

    def traced(self) -> dict[str, Tensors]:
        """What a Recorder takes down, by quantity: h and z as the last step left them (before a clear), θ and ω."""
        theta = dict(zip(self.law.names, self.law.theta, strict=True))
        return {"h": self._reached[0], "z": self._reached[1], "theta": theta, "omega": self._omega.named()}

    def snapshot(self) -> Snapshot:
        """All that the next steps depend on, copied."""
        return resume.snapshot_of(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Go to where a snapshot was taken; one of another network or learner is an HLError and moves nothing."""
        resume.go_to(self, snapshot)

    def save(self, path: str | Path, stream: Any = None) -> None:
        """Write a checkpoint (safetensors, no pickle) from which `load` goes on bit for bit.

        stream  one that has a state of its own, such as a World: it is saved too
        """
        checkpoint.save(self.snapshot(), place(path), self.network, stream)

    @classmethod
    def load(
        cls, path: str | Path, network: Network, loss: Loss, settings: BaseSettings | None = None, stream: Any = None
    ) -> Self:
        """The learner of a checkpoint, which goes on as an uninterrupted run does, to the bit; so does `stream`.

        `settings` are needed only where one was a function, which a file cannot hold.
        """
        found = checkpoint.load(place(path), cls, settings, stream)
        told = found.snapshot
        learner = cls(network, loss, told.settings, order=told.order, **told.options)
        learner.restore(found.snapshot)
        found.resume(network, stream)
        return learner

    @classmethod
    def beside(cls, other: "BaseLearner") -> Self:
        """A rival of `other`: a copy of its network as it is now, settings mapped, ω taken over, at the same time."""
        return resume.beside(cls, other)

    def require(self, sample: Any) -> None:
        """HLError for anything that is no Sample."""
        if not isinstance(sample, Sample):
            raise bad("step", type(sample).__name__, "an hlcore.Sample", "write Sample(u, target)")

    def numbers(self, sample: Sample) -> Any:
        """The settings in force for this sample, as numbers by name."""
        return self._settings.at(self.t, sample.dt)

    def state_for(self, sample: Sample) -> tuple[State, Tensors | None]:
        """(h, z) that the sample finds; z = None is zero."""
        if self._h is not None:
            if self._kept_of_z == 1.0 or self._z is None:
                return self._h, self._z
            return self._h, {name: self._kept_of_z * z for name, z in self._z.items()}
        return self.law.initial_state(sample.batch_size), None

    def _proposed(self, sample: Sample) -> tuple[Step, float]:
        """`propose` with gradients on, and τ; what a learner or a network raises is told as an HLError."""
        kept = self._kept_of_z = 1.0
        if sample.dt is not None:
            sample, kept, self._kept_of_z = bridged(sample, *dissipations(self._settings))
        try:
            with GRADIENTS if torch.is_grad_enabled() else torch.enable_grad():
                step = self.propose(sample)
            tau = getattr(self._settings, "tau", 1.0) if sample.dt is None else sample.dt
            return (step if kept == 1.0 else step._replace(keep=kept * step.keep)), tau
        except MISTAKES as error:
            explain(f"step of {type(self).__name__}", self.network, sample.u, error)

    def _refuse(self, step: Step) -> None:
        """Raise `Diverged` if the loss, h, z or H' of this step is not finite."""
        finite = math.isfinite(step.loss)
        if not step.h and finite and math.isfinite(step.hamiltonian):
            return
        # in sequential order the state has moved before the loss is evaluated
        first = [("h", step.h), ("z", step.z or {})] if finite else [("h", step.h)] if self.fresh else []
        for quantity, tensors in first:
            if (named := not_finite(tensors)) is not None:
                raise Diverged(quantity, named, self.t, self.steps)
        for quantity, value in (("loss", step.loss), ("hamiltonian", step.hamiltonian)):
            if not math.isfinite(value):
                raise Diverged(quantity, "", self.t, self.steps)

    def _look_for_idle_weights(self) -> None:
        """Say once which weights had no gradient in the first steps: they stand still, and nobody would notice."""
        self._idle -= 1
        waiting = [name for name, begun in zip(self.law.names, self._omega.started, strict=True) if not begun]
        if waiting and not self._idle:
            log.warning("%s: no gradient in %d steps reached %s; they do not learn", type(self).__name__, IDLE, waiting)
        self._idle = self._idle if waiting else 0

    def _weigh(self, step: Step, c: Any) -> None:
        assert step.dtheta is not None
        self._omega.propose(step.dtheta, step.gain, step.keep, "decay", 1.0, c)

    def _arrive(self, step: Step, sample: Sample) -> None:
        """h and z are those of the step, or cleared at the end of a sequence."""
        if not step.h:  # a network without state
            self._h = {}
            return
        self._reached = step.h, step.z or {}
        self._h, self._z = (None, None) if sample.end else ({**step.h}, step.z)  # type: ignore[assignment]
