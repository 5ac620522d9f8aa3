"""Many runs side by side: one pure step for all, batched over their settings by vmap."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from ..law.point import PhasePoint, Tensors
from ..law.settings import Settings
from ..law.step import Phase, first_phase
from .traced import PureStep, Taken, Traced

LONG = 500  # steps that are worth the seconds of a trace


class Place(NamedTuple):
    """Where the lanes are after `steps` steps; the first axis of every tensor is the lane. One that diverged is nan.

    loss, total  L of the last step, and the sum of L over all steps
    diverged     the step in which a lane would have written inf or nan, as `Diverged.step`; -1: none
    """

    steps: int
    phase: Phase
    loss: Tensor
    total: Tensor
    diverged: Tensor


class Lanes:
    """Runs of one experiment and seed, one for each of `settings`; `varying` are the numbers in which they differ.

    steps  how far they will go: the step of a long run is traced
    """

    def __init__(self, experiment: Any, seed: int, varying: Sequence[str], steps: int) -> None:
        self.pure = PureStep(experiment, seed)
        self.varying = varying
        self._step = Traced(self._batched) if steps >= LONG else self._batched

    def begin(self, settings: Sequence[Settings]) -> Place:
        """All at step 0."""
        n, tau = len(settings), settings[0].tau
        first = first_phase(self.pure.network, self.pure.sample(0), tau)
        theta, omega, h = (_repeated(x, n) for x in first[:3])
        like = torch.full((n,), torch.nan, dtype=torch.float64)
        return Place(0, Phase(theta, omega, h, None), like, torch.zeros_like(like), torch.full((n,), -1))

    def numbers(self, settings: Sequence[Settings], steps: int) -> Tensors:
        """The settings in force in that step, (lanes,) each: those of `varying`."""
        found = [c.at(steps * c.tau) for c in settings]
        dtype = next((p.dtype for p in self.pure.network.parameters()), torch.float64)
        return {name: torch.tensor([getattr(c, name) for c in found], dtype=dtype) for name in self.varying}

    def step(self, place: Place, numbers: Tensors) -> Place:
        """One step of every lane; what is not finite any more turns to nan."""
        sample = self.pure.sample(place.steps)
        taken: Taken = self._step(*place.phase[:3], place.phase.z or {}, numbers, sample.u, sample.target, sample.end)
        phase, lost, loss = taken.phase, ~taken.fine, taken.loss.double()
        diverged = place.diverged
        if bool(lost.any()):
            loss = loss.masked_fill(lost, torch.nan)
            diverged = torch.where(lost & (diverged < 0), place.steps, diverged)
            for part in (phase.theta, phase.omega):
                for x in part.values():
                    x[lost] = torch.nan
        return Place(place.steps + 1, phase._replace(z=phase.z or None, v=None), loss, place.total + loss, diverged)

    def point(self, place: Place, i: int, settings: Settings) -> PhasePoint:
        """Where lane i is."""
        z = place.phase.z or {name: torch.zeros_like(x) for name, x in place.phase.h.items()}
        parts = place.phase.h, place.phase.theta, z, place.phase.omega
        return PhasePoint(place.steps * settings.tau, *({k: x[i].clone() for k, x in part.items()} for part in parts))

    def packed(self, place: Place) -> np.ndarray:
        """All that the next steps depend on, (lanes, numbers), for `unpacked`."""
        parts = [x for x in tree_leaves((place.phase, place.loss, place.total)) if x is not None]
        return torch.cat([x.reshape(len(place.loss), -1).double() for x in parts], 1).numpy()

    def unpacked(self, settings: Sequence[Settings], steps: int, rows: np.ndarray) -> Place:
        """The place that was packed after so many steps."""
        place, left = self.begin(settings), torch.from_numpy(rows)
        if place.phase.h and not self.pure.sample(steps - 1).end:
            place = place._replace(phase=place.phase._replace(z=dict(place.phase.h)))
        parts, form = tree_flatten((place.phase, place.loss, place.total))
        found = []
        for x in parts:
            if x is not None:
                n = x[0].numel()
                x, left = left[:, :n].reshape(x.shape).to(x.dtype), left[:, n:]
            found.append(x)
        phase, loss, total = tree_unflatten(found, form)
        return Place(steps, phase, loss, total, place.diverged)

    def _batched(self, theta: Any, omega: Any, h: Any, z: Any, numbers: Any, u: Any, target: Any, end: bool) -> Any:
        def one(theta: Any, omega: Any, h: Any, z: Any, numbers: Any) -> Any:
            taken = self.pure(Phase(theta, omega, h, z or None), numbers, u, target, end)
            phase: Any = taken.phase._replace(z=taken.phase.z or {}, v={})
            return taken._replace(phase=phase, h={}, z={})

        return vmap(one)(theta, omega, h, z, numbers)


def _repeated(parts: Tensors, n: int) -> Tensors:
    return {name: x.expand(n, *x.shape).clone() for name, x in parts.items()}
