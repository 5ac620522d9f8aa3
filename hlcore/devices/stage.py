"""One rank's part of a chain: its groups' h, z, θ and ω, and the tick that moves them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import Diverged, HLError, bad
from ..law.hamiltonian import Hamiltonian, not_finite
from ..law.network import instantaneous
from ..law.orders import _costate
from ..law.point import Tensors
from ..law.preserved import preserved
from ..law.sample import Sample, moved
from ..law.weights import WeightCostate
from ..learners.hamiltonian import Learner
from .balance import both_passes
from .device import CPU
from .rank import Rank
from .requirements import checked
from .transport import Parcel
from .wire import Wire

FORWARD, BACKWARD, SENT, DONE = range(4)  # marks of a tick: when each of them was done


class Stage:
    """Groups own.start + 1 … own.stop of a Chain in Euler order, everything at t (P, Algorithm 1 and eq. 9-10).

    up      h_b⁺, the next state of the last group here, as soon as it is known, before anything is differentiated
    down    ∂H'/∂h_{a-1}, the addend that the first group here gives to the costate of the group below

    H' is a sum over groups, and each h_i stands in two terms of it; so every derivative here has at most two addends,
    one of them from the rank above, and a sum of two does not depend on their order: the bits are those of one
    process (theorem T8). Every rank walks the stream by itself: u is used on the first, the target on the last.
    """

    def __init__(self, learner: Learner, own: range, wire: Wire, rank: Rank, device: torch.device = CPU) -> None:
        self.chain, self.own, self.wire, self.rank = checked(learner), own, wire, rank
        self.below, self.above, n = rank.below, rank.above, rank.replicas
        self.settings, self.steps, self.t = learner.settings, learner.steps, learner.t
        self._law = Hamiltonian(self.chain, learner.loss)
        memory, point = learner.memory(), learner.point.clone()
        self.names = [f"h{i + 1}" for i in own]
        self.device = device
        self._skeleton = copy.deepcopy(self.chain).to("meta")
        self._take()
        self.own_names = [n for n, p in self.chain.named_parameters() if p.requires_grad and not p.is_meta]
        self.theta: list[Tensor] = [p for p in self.chain.parameters() if p.requires_grad and not p.is_meta]
        self.omega = WeightCostate(self.own_names, self.theta)
        self.omega.assign(point.omega)
        started = dict(zip(point.omega, memory["started"], strict=True))
        self.omega.begin([started[name] for name in self.own_names])
        self.omega.scale_by(self.settings.beta)
        fresh = memory["between_sequences"]
        near = [f"h{own.start}", *self.names]
        h, z = ({x: rank.share(part[x]).to(device) for x in near if x in part} for part in (point.h, point.z))
        self.h: Tensors | None = None if fresh else {x: h[x] for x in self.names}
        self.z: Tensors | None = None if memory["z_is_zero"] else {x: n * z[x] for x in self.names}
        self._from_below = None if fresh or self.below is None else h[f"h{own.start}"]
        self.reached: tuple[Tensors, Tensors] = ({x: h[x] for x in self.names if x in h}, {})
        self._shapes: dict[Any, list[Tensor]] = {}
        self.marks = [0.0] * 4  # seconds

    def rehearse(self, sample: Sample) -> None:
        """All groups here and the loss, forward and back on a first sample: what is made once is made now.

        Engines start and libraries load before patience counts. Weights, states, buffers and draws stay as they are.
        """
        shapes = self.shapes(sample)
        with torch.enable_grad(), preserved(self.chain):
            if self.below is None:
                x = moved(sample.u, self.device)
            else:
                x = torch.zeros_like(shapes[self.own.start - 1], device=self.device)
            for i in self.own:
                x = both_passes(self.chain, i, x)
            if self.above is None:
                leaf = torch.zeros_like(x).requires_grad_()
                L = self._law.instantaneous_loss(leaf, moved(sample.target, self.device))
                self._law.derivative(L, 1.0, None, {}, [leaf])

    def tick(self, sample: Sample) -> tuple[float, float, list[float], Tensor]:
        """One step of all groups here; returns L, φL, z·v of each group, and y (on the last rank).

        h_i⁺ = h_i + (f_i(h_{i-1}) - h_i)        ω⁺ = ω - τ (s ∂H'/∂θ + ηω)
        z_i⁺ = z_i - τ (s ∂H'/∂h_i + η_z z_i)    θ⁺ = θ - τβω
        """
        settings, k, last = self.settings, self.steps, self.names[-1]
        tau = settings.tau if sample.dt is None else sample.dt
        phi = settings.phi_at(self.t)
        fresh = self.h is None
        known = {n: x.detach().requires_grad_() for n, x in (self._zeros(sample) if fresh else self.h or {}).items()}
        z = {n: torch.zeros_like(x) for n, x in known.items()} if self.z is None else self.z
        read = None if self._from_below is None else self._from_below.detach().requires_grad_(not fresh)
        moves = self._moving(fresh)
        gives = read is not None and not fresh and moves[self.own.start]  # an addend, to the rank below
        takes = self.above is not None and not fresh and moves[self.own.stop]  # one, from the rank above
        heard = read is not None and not sample.end and moves[self.own.start - 1]
        news = self._expect(read, self.below, heard)
        addend = self._expect(known[last], self.above, takes)

        with torch.enable_grad():
            v = self._velocity(moved(sample.u, self.device) if read is None else read, known, moves, fresh, tau)
            h_next = {n: x.detach() + tau * v[n].detach() for n, x in known.items()}
            if self.above is not None and moves[self.own.stop - 1] and not sample.end:
                self.wire.send(h_next[last].contiguous(), self.above, k)
            self.marks[FORWARD] = time.monotonic()
            target = moved(sample.target, self.device) if self.above is None else None
            L = self._law.instantaneous_loss(known[last], target)
            wanted = [read] if gives and read is not None else []
            d, _ = self._law.derivative(L, phi, z, v, [*wanted, *known.values(), *self.theta])
        self.marks[BACKWARD] = time.monotonic()
        told, dh, dtheta = d[: len(wanted)], list(d[len(wanted) :][: len(known)]), d[len(wanted) + len(known) :]
        if read is not None and gives and self.below is not None:
            self.wire.send(torch.zeros_like(read) if told[0] is None else told[0].contiguous(), self.below, k)
        loss = 0.0 if L is None else float(L.detach())
        parts = [float((z[n] * x.detach()).sum()) for n, x in v.items()]
        self.marks[SENT] = time.monotonic()
        for parcel, _ in (news, addend):
            if parcel is not None:
                self.wire.arrived(parcel, k)
        self.wire.flush(k)
        self.marks[DONE] = time.monotonic()

        if addend[1] is not None:
            dh[-1] = addend[1] if dh[-1] is None else dh[-1] + addend[1]
        if self.rank.replicas > 1:
            dtheta, loss, parts = self._mean(dtheta, loss, parts)
        z_next = _costate(z, dict(zip(known, dh, strict=True)), settings, tau)
        self._commit(h_next, z_next, dtheta, loss, tau)
        self.h, self.z = (None, None) if sample.end else (h_next, z_next)
        if sample.end:
            self._from_below = None
        elif news[1] is not None:
            self._from_below = news[1]
        return loss, phi * loss, parts, known[last].detach()

    def traced(self) -> dict[str, Tensors]:
        """h and z as the last tick left them, θ and ω: of the groups here."""
        h, z = self.reached
        return {
            "h": h,
            "z": z,
            "theta": dict(zip(self.own_names, self.theta, strict=True)),
            "omega": self.omega.named(),
        }

    def _velocity(self, u: Any, known: Tensors, moves: list[bool], fresh: bool, tau: float) -> Tensors:
        """(f_i(h_{i-1}) - h_i)/τ; a state not begun yet is a constant zero, as Chain.velocity has it."""
        v: Tensors = {}
        for i, (name, x) in zip(self.own, known.items(), strict=True):
            if moves[i]:
                v[name] = instantaneous(self.chain._through(i, u), None if fresh else x, tau)
            else:
                v[name] = torch.zeros_like(x)
            u = x.detach() if fresh else x
        return v

    def _commit(
        self, h_next: Tensors, z_next: Tensors, dtheta: Sequence[Tensor | None], loss: float, tau: float
    ) -> None:
        """Refuse what is not finite, then move ω and θ."""
        settings = self.settings
        if not math.isfinite(loss):
            raise Diverged("loss", "", self.t, self.steps)
        for quantity, tensors in (("h", h_next), ("z", z_next)):
            bad = not_finite(tensors)
            if bad is not None:
                raise Diverged(quantity, bad, self.t, self.steps)
        keep, gain = 1 - tau * settings.eta, -settings.s * tau
        self.omega.propose(dtheta, gain, keep, missing="decay", lift=1.0)
        worse = self.omega.overflow(tau, fresh=False)
        if worse is not None:
            raise Diverged(*worse, self.t, self.steps)
        self.omega.commit(tau, fresh=False)
        self.t += tau
        self.steps += 1
        self.reached = h_next, z_next

    def _mean(
        self, dtheta: Sequence[Tensor | None], loss: float, parts: list[float]
    ) -> tuple[list[Tensor | None], float, list[float]]:
        """∂H'/∂θ, L and z·v as means over the replicas: those of the whole batch, whose loss is a mean of rows."""
        there = [g for g in dtheta if g is not None]
        scalars = torch.tensor([loss, *parts], dtype=there[0].dtype if there else torch.float64, device=self.device)
        flat = torch.cat([scalars, *(g.reshape(-1) for g in there)])
        flat = self.wire.mean(flat, self.rank.twins, self.steps)
        head, *rest = flat.split([len(scalars), *(g.numel() for g in there)])
        means = iter([x.view(g.shape) for x, g in zip(rest, there, strict=True)])
        loss, *parts = head.tolist()
        return [None if g is None else next(means) for g in dtheta], loss, parts

    def _expect(self, like: Tensor | None, source: int | None, wanted: bool) -> tuple[Parcel | None, Tensor | None]:
        if not wanted or like is None or source is None:
            return None, None
        space = torch.empty_like(like, requires_grad=False, memory_format=torch.contiguous_format)
        return self.wire.expect(space, source, self.steps), space

    def _moving(self, fresh: bool) -> list[bool]:
        """Which groups of the chain move now; every rank counts the turns."""
        groups = len(self.chain.groups)
        if self.chain.schedule == "parallel":
            return [True] * groups
        turn = 0 if fresh else int(self.chain.turn)
        self.chain.turn.fill_((turn + 1) % groups)
        return [i == turn for i in range(groups)]

    def shapes(self, sample: Sample) -> list[Tensor]:
        """States of all groups without numbers: a dry pass on torch's meta device tells their shapes."""
        parts = sample.u if isinstance(sample.u, tuple) else (sample.u,)
        key = tuple((x.shape, x.dtype) for x in parts)
        if key not in self._shapes:
            bare = tuple(x.to("meta") for x in parts)
            try:
                with torch.no_grad():
                    self._shapes[key] = self._skeleton._feed_forward(bare if isinstance(sample.u, tuple) else bare[0])
            except (RuntimeError, NotImplementedError) as error:
                raise HLError(
                    f"devices: got layers or an input that do not fit torch's meta device "
                    f"({str(error).splitlines()[0]}), expected an output shape that follows from the input's shape."
                ) from error
        return self._shapes[key]

    def _zeros(self, sample: Sample) -> Tensors:
        """States at the start of a sequence."""
        found = [torch.zeros_like(x, device=self.device) for x in self.shapes(sample)]
        self._from_below = found[self.own.start - 1] if self.below is not None else None
        return {n: found[i] for n, i in zip(self.names, self.own, strict=True)}

    def _take(self) -> None:
        """Bring the layers here to this rank's device and give back the memory of the others; their shapes stay."""
        own = {k for i in self.own for k in self.chain._cuts[i]}
        here = {id(x) for k in own for x in self.chain.layers[k].parameters()}
        for k in range(len(self.chain.layers)):
            if k in own:
                self.chain.layers[k].to(self.device)
                continue
            shared = [n for n, p in self.chain.layers[k].named_parameters() if id(p) in here]
            if shared:
                raise bad(
                    "balance", f"weights {shared} of layer {k} on two ranks", "tied layers on one rank", "change it"
                )
            self.chain.layers[k] = self._skeleton.layers[k]
