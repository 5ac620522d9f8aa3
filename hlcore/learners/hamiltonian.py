"""The learner: a network that moves through phase space along a stream."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from ..errors import Diverged, HLError, bad, number, unknown
from ..law.hamiltonian import Hamiltonian, Loss, not_finite
from ..law.network import Network, State
from ..law.orders import ORDERS, Move
from ..law.point import PhasePoint, Tensors
from ..law.preserved import preserved
from ..law.sample import Sample
from ..law.settings import Settings
from ..law.weights import WeightCostate
from ..records import checkpoint

if TYPE_CHECKING:
    from ..records.recorder import Recorder


class Report(NamedTuple):
    """What a step says: the time it reached, L and H' where its order evaluates them, the output."""

    t: float
    loss: float
    hamiltonian: float
    output: Tensor


class Learner:
    """State (h, θ) and costate (z, ω) of a network, integrated forward over a stream (P, Algorithm 1).

    order        "euler" (everything at t) or "sequential" (state, costate, weights)
    torch_start  torch's two conventions, for `like_sgd`: the first step of a weight is undampened (τφ = 1), and a
                 weight without gradient in a step stands still. Off: the law itself, E*4 with ∂H'/∂θ = 0.
    reset_omega  clear ω together with h and z after a sample with end=True (P never does)

    A step that would write inf or nan raises `Diverged` and leaves everything at the point before it.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: Settings | None = None,
        order: str = "euler",
        *,
        torch_start: bool = False,
        reset_omega: bool = False,
    ) -> None:
        if not isinstance(network, Network):
            wrap = "wrap it: OutputNetwork(module) or StateNetwork(module)"
            mend = wrap if isinstance(network, torch.nn.Module) else ""
            raise bad("network", type(network).__name__, "an hlcore.Network", mend)
        if not callable(loss):
            raise bad(
                "loss", repr(loss), "a function (output, target) -> scalar", "torch.nn.functional.mse_loss is one"
            )
        if order not in ORDERS:
            raise unknown("order", order, ORDERS)
        self.network, self.loss, self.order = network, loss, order
        self.torch_start, self.reset_omega = torch_start, reset_omega
        self.steps, self.t = 0, 0.0
        self._step = ORDERS[order]
        self._law = Hamiltonian(network, loss)
        self._names = [name for name, p in network.named_parameters() if p.requires_grad]
        self._theta: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
        self._weights: Tensors = dict(zip(self._names, self._theta, strict=True))
        self._buffers = list(network.buffers())
        self._omega = WeightCostate(self._names, self._theta)
        self._h: State | None = None  # None: at the start of a sequence, made anew for the next sample's batch
        self._z: Tensors | None = None  # None: zeros
        self._cleared: Tensors = {}  # the initial state, shown between sequences
        self._reached: tuple[Tensors, Tensors] = ({}, {})  # h and z of the last step, before a clear
        self._momentum: tuple[Settings | None, float] = (None, 0.0)  # of `like_sgd`, while its settings are in force
        self.settings = Settings() if settings is None else settings

    @classmethod
    def like_sgd(
        cls, network: Network, loss: Loss, lr: float, momentum: float = 0.0, dampening: float = 0.0, tau: float = 1.0
    ) -> Learner:
        """A learner whose weights are those of torch.optim.SGD, step by step (P, section 4; theorem T1).

        Sequential order, `Settings.from_sgd`, and torch's two conventions (`torch_start`). Without momentum torch keeps
        no buffer and so never dampens: dampening then counts as 0. While these settings are in force, ω keeps the
        fraction `momentum` itself, not 1-τη with the rounding of η, which a chaotic run would amplify.
        """
        settings = Settings.from_sgd(lr, momentum, number("dampening", dampening) if momentum else 0.0, tau)
        learner = cls(network, loss, settings, order="sequential", torch_start=True)
        learner._momentum = settings, float(momentum)
        return learner

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
        """Where the learner is; the tensors are live, `point.clone()` keeps them."""
        h = self._cleared if self._h is None else {k: x for k, x in self._h.items() if x is not None}
        z = {k: torch.zeros_like(x) for k, x in h.items()} if self._z is None else self._z
        theta = {name: p.detach() for name, p in zip(self._names, self._theta, strict=True)}
        return PhasePoint(self.t, dict(h), theta, dict(z), self._omega.named())

    @point.setter
    def point(self, point: PhasePoint) -> None:
        here = self.point
        for part in ("theta", "omega"):
            have, given = getattr(here, part), getattr(point, part)
            if {k: x.shape for k, x in have.items()} != {k: x.shape for k, x in given.items()}:
                raise bad(f"point.{part}", sorted(given), f"the names and shapes of {sorted(have)}")
        if point.h.keys() != point.z.keys():
            raise bad("point.z", sorted(point.z), f"the names of h, {sorted(point.h)}")
        with torch.no_grad():
            for name, p in zip(self._names, self._theta, strict=True):
                p.copy_(point.theta[name])
        self._omega.assign(point.omega)
        point = point.clone()
        self.t, self._h, self._z = point.t, (dict(point.h) or None), point.z or None

    def step(self, sample: Sample) -> Report:
        """Take one step of τ (or of the sample's dt) along the four equations E*1-E*4."""
        settings, tau, fresh = self._settings, self._tau_for(sample), self.order == "sequential"
        phi = settings.phi_at(self.t)
        lift = 1.0  # what brings a weight's first gradient to τφ = 1, as torch has it
        if self.torch_start and self.steps == 0:
            phi = 1 / tau
        elif self.torch_start and phi > 0:
            lift = 1 / (tau * phi)
        buffers = [b.clone() for b in self._buffers]
        try:
            move = self._move(sample, tau, phi)
            self._check(move)
            gain, keep = -settings.s * tau * move.scale, self._kept(settings, sample, tau)
            self._omega.propose(move.dtheta, gain, keep, "stand" if self.torch_start else "decay", lift)
            bad = self._omega.overflow(tau, fresh)
            if bad is not None:
                raise Diverged(*bad, self.t, self.steps)
        except HLError:
            with torch.no_grad():
                for buffer, before in zip(self._buffers, buffers, strict=True):
                    buffer.copy_(before)
            raise
        self._omega.commit(tau, fresh)
        self.t += tau
        self.steps += 1
        if sample.end and self.reset_omega:
            self._omega.reset()
        if not move.h:  # a network without state: nothing to clear
            self._h = {}
        else:
            self._reached = move.h, move.z or {}
            if sample.end:
                self._clear(move.h)
            else:
                self._h, self._z = dict(move.h), move.z
        return Report(self.t, move.loss, move.hamiltonian, move.output.detach())

    def gradient(self, sample: Sample) -> Tensors:
        """∂H'/∂θ (E*4) as the next step on `sample` finds it, with φ_t: {name: tensor}; nothing moves."""
        with preserved(self.network):
            move = self._move(sample, self._tau_for(sample), self._settings.phi_at(self.t))
        return {
            name: torch.zeros_like(p) if g is None else g * move.scale
            for name, p, g in zip(self._names, self._theta, move.dtheta, strict=True)
        }

    def run(self, stream: Iterable[Sample], steps: int | None = None, recorder: Recorder | None = None) -> Report:
        """Step through `stream` from its beginning, at most `steps` samples; returns the last report.

        Raises HLError for an empty stream, and `Diverged` at the first non-finite value; learner and recorder
        then hold everything before it.
        """
        if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 0):
            raise bad("steps", repr(steps), "None or a whole number >= 0")
        try:
            walk = iter(stream)
        except TypeError:
            raise bad("stream", type(stream).__name__, "an iterable of Samples") from None
        report = None
        for sample in islice(walk, steps):
            report = self.step(sample)
            if recorder is not None:
                recorder.record(self, report, sample)
        if report is None:
            if steps == 0:
                return Report(self.t, math.nan, math.nan, torch.empty(0))
            raise HLError("stream: got no sample at all, expected at least one; check that it is not used up.")
        return report

    def clear(self) -> None:
        """h to its initial state, z to zero, as after a sample with end=True."""
        if self.reset_omega:
            self._omega.reset()
        self._clear({} if self._h is None else {k: x for k, x in self._h.items() if x is not None})

    def traced(self) -> dict[str, Tensors]:
        """What a Recorder takes down: h and z as the last step left them (before a clear), θ and ω."""
        h, z = self._reached
        return {"h": h, "z": z, "theta": dict(zip(self._names, self._theta, strict=True)), "omega": self._omega.named()}

    def save(self, path: str | Path) -> None:
        """Write a checkpoint (safetensors, no pickle) from which `load` goes on bit for bit."""
        checkpoint.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, network: Network, loss: Loss, settings: Settings | None = None) -> Learner:
        """The learner of a checkpoint; its next steps equal those of an uninterrupted run to the bit.

        `settings` are needed only where phi was a function, which a file cannot hold.
        """
        return checkpoint.load(cls, Path(path), network, loss, settings)

    def memory(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the point, the network and the settings."""
        return {
            "momentum": self._momentum[1] if self._momentum[0] is self._settings else None,
            "t": self.t,
            "steps": self.steps,
            "started": self._omega.started,
            "between_sequences": self._h is None,
            "z_is_zero": self._z is None,
        }

    def resume(self, memory: dict[str, Any], h: Tensors, z: Tensors, omega: Tensors) -> None:
        """Go on from what `memory` and the point told; the network's weights are in place already."""
        self.t, self.steps = memory["t"], memory["steps"]
        if memory["momentum"] is not None:
            self._momentum = self._settings, memory["momentum"]
        self._omega.assign(omega)
        self._omega.begin(memory["started"])
        if self._theta:
            h, z = ({name: x.to(self._theta[0].device) for name, x in part.items()} for part in (h, z))
        self._reached = h, z
        self._cleared = h if memory["between_sequences"] else {}
        self._h = None if memory["between_sequences"] else dict(h)
        self._z = None if memory["z_is_zero"] else z

    def _tau_for(self, sample: Sample) -> float:
        if not isinstance(sample, Sample):
            raise bad("step", type(sample).__name__, "an hlcore.Sample", "write Sample(u, target)")
        return self._settings.tau if sample.dt is None else sample.dt

    def _kept(self, settings: Settings, sample: Sample, tau: float) -> float:
        """The fraction 1 - τη of ω that a step keeps (E*4)."""
        like, momentum = self._momentum
        return momentum if settings is like and sample.dt is None else 1 - tau * settings.eta

    def _move(self, sample: Sample, tau: float, phi: float) -> Move:
        h, z = self._state_for(sample)
        if torch.is_grad_enabled():
            return self._step(self._law, self._settings, tau, phi, sample, h, z, self._weights)
        with torch.enable_grad():
            return self._step(self._law, self._settings, tau, phi, sample, h, z, self._weights)

    def _state_for(self, sample: Sample) -> tuple[State, Tensors | None]:
        if self._h is not None:
            return self._h, self._z
        return self._law.initial_state(sample.batch_size), None

    def _clear(self, last: Tensors) -> None:
        if last or self._h:
            batch = next(iter(last.values())).shape
            start = self.network.initial_state(int(batch[0]) if len(batch) else 1)
            self._cleared = {k: torch.zeros_like(last[k]) if x is None else x.detach() for k, x in start.items()}
        self._h = self._z = None

    def _check(self, move: Move) -> None:
        """Raise `Diverged` if the loss, h, z or H' of this move is not finite."""
        if not move.h and math.isfinite(move.hamiltonian) and math.isfinite(move.loss):
            return
        if math.isfinite(move.loss):
            first = [("h", move.h), ("z", move.z or {})]
        else:  # in sequential order the state has moved before the loss is evaluated
            first = [("h", move.h)] if self.order == "sequential" else []
        for quantity, tensors in first:
            bad = not_finite(tensors)
            if bad is not None:
                raise Diverged(quantity, bad, self.t, self.steps)
        for quantity, value in (("loss", move.loss), ("hamiltonian", move.hamiltonian)):
            if not math.isfinite(value):
                raise Diverged(quantity, "", self.t, self.steps)
