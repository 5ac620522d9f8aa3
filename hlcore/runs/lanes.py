"""Many runs side by side: one pure step for all, batched over their settings by vmap."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from ..law.point import PhasePoint, Tensors
from ..law.settings import Settings
from ..law.step import Phase, first_phase
from .traced import CPU, PureStep, Taken, Traced

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

    steps   how far they will go: the step of a long run is traced
    device  where they go
    """

    def __init__(
        self, experiment: Any, seed: int, varying: Sequence[str], steps: int, device: torch.device = CPU
    ) -> None:
        self.pure = PureStep(experiment, seed, device)
        self.varying = varying
        self._step = Traced(self._batched) if steps >= LONG else self._batched

    def begin(self, settings: Sequence[Settings]) -> Place:
        """All at step 0."""
        n, tau = len(settings), settings[0].tau
        first = first_phase(self.pure.network, self.pure.sample(0), tau)
        theta, omega, h = (_repeated(x, n) for x in first[:3])
        like = torch.full((n,), torch.nan, dtype=torch.float64, device=self.pure.device)
        never = torch.full((n,), -1, device=self.pure.device)
        return Place(0, Phase(theta, omega, h, None), like, torch.zeros_like(like), never)

    def numbers(self, settings: Sequence[Settings], steps: int) -> Tensors:
        """The settings in force in that step, (lanes,) each: those of `varying`."""
        found = [c.at(steps * c.tau) for c in settings]
        dtype = next((p.dtype for p in self.pure.network.parameters()), torch.float64)
        lists = {name: [getattr(c, name) for c in found] for name in self.varying}
        return {name: torch.tensor(values, dtype=dtype, device=self.pure.device) for name, values in lists.items()}

    def looked_at(self, before: Place, there: Place, fine: Tensor, numbers: Callable[[int], Tensors]) -> Place:
        """`there`, some steps after `before`; what is not finite any more turned to nan.

        fine  what those steps said. Where something was not finite they are taken once more, each looked at.
        """
        if not bool(_lost(there, fine).any()):
            return there._replace(loss=there.loss.masked_fill(there.diverged >= 0, torch.nan))
        while before.steps < there.steps:
            before, sound = self.step(before, numbers)
            before = _buried(before, _lost(before, sound))
        return before

    def step(self, place: Place, numbers: Callable[[int], Tensors]) -> tuple[Place, Tensor]:
        """(one step of every lane, whether its L, H', h and z are finite); the first is not traced, its z is open."""
        k, take = place.steps, cast(Any, self._step if place.steps else self._batched)
        sample = self.pure.sample(k)
        at: Any = place.phase
        taken: Taken = take(*at[:3], at.z or {}, numbers(k), sample.u, sample.target, sample.end)
        parts: Any = taken.phase[:4] if k else tree_map(_side_by_side, taken.phase[:4])
        theta, omega, h, z = parts
        phase, loss = Phase(theta, omega, h, z or None), taken.loss.double()
        return Place(k + 1, phase, loss, place.total + loss, place.diverged), taken.fine

    def point(self, place: Place, i: int, settings: Settings) -> PhasePoint:
        """Where lane i is."""
        z = place.phase.z or {name: torch.zeros_like(x) for name, x in place.phase.h.items()}
        parts = place.phase.h, place.phase.theta, z, place.phase.omega
        return PhasePoint(place.steps * settings.tau, *({k: x[i].clone() for k, x in part.items()} for part in parts))

    def home(self, place: Place) -> Place:
        """The same place in the processor's memory."""
        return place if self.pure.device == CPU else tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, place)

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
                x, left = _side_by_side(left[:, :n].reshape(x.shape).to(x)), left[:, n:]
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
    return {name: _side_by_side(x.expand(n, *x.shape)) for name, x in parts.items()}


def _side_by_side(x: Tensor) -> Tensor:
    """(lanes, ...), in memory the lane goes fastest: short rows and columns cost no loop of their own."""
    return x.movedim(0, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 0)


def _lost(place: Place, fine: Tensor) -> Tensor:
    """Lanes that have diverged in the last steps."""
    for x in (*place.phase.theta.values(), *place.phase.omega.values()):
        fine = fine & torch.isfinite(x).flatten(1).all(1)
    return ~fine & (place.diverged < 0)


def _buried(place: Place, lost: Tensor) -> Place:
    """Those lanes are nan from now on."""
    diverged = torch.where(lost, place.steps - 1, place.diverged)
    gone = diverged >= 0
    for part in (place.phase.theta, place.phase.omega):
        for x in part.values():
            x[gone] = torch.nan
    loss, total = (x.masked_fill(gone, torch.nan) for x in (place.loss, place.total))
    return place._replace(loss=loss, total=total, diverged=diverged)
