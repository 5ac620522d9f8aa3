"""Runs of many seeds side by side: each with its own start, its own samples and its own numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import make_fx

from ..errors import bad
from ..experiments import Experiment
from ..law.sample import Sample
from ..law.step import Phase, first_phase, step
from ..learners.learner import Learner


class Answers(NamedTuple):
    """What all of them said in one step, the first axis being the run: y, ŷ (zero where `asked` is 0), L."""

    y: Tensor
    target: Tensor
    asked: Tensor
    loss: Tensor


class SideBySide:
    """One pure step (`law.step`) for all, batched by vmap, with the metric; in `phase` the first axis is the run.

    runs  (experiment, seed) pairs: networks of one form, one loss and order, settings that differ in numbers alone

    For `hlcore.Learner`, schedules as they are at t = 0, and streams that end where the others end; who is not asked
    has φ = 0, which is the same. One that flies away turns to nan, by itself. They are the single runs to round-off.
    """

    def __init__(self, runs: Sequence[tuple[Experiment, int]]) -> None:
        made = [experiment.learner(seed) for experiment, seed in runs]
        if any(type(one) is not Learner for one, _ in made):
            raise bad("learner", repr(runs[0][0].learner_name), "'hamiltonian', whose step is a pure function")
        first, self.streams, self.steps = made[0][0], [stream for _, stream in made], 0
        self._network, self._loss, self._order = first.network, first.loss, first.order
        self.numbers = first.settings.at(0.0)
        phases = [first_phase(one.network, stream[0], self.numbers.tau) for one, stream in made]
        theta, omega, h = (_stacked([phase[i] for phase in phases]) for i in range(3))
        self._start, self._zero = h, {k: torch.zeros_like(x) for k, x in h.items()}
        v = {k: torch.zeros_like(x) for k, x in theta.items()} if self.numbers.metric != "none" else None
        self.phase, self._graphs = Phase(theta, omega, h, self._zero, v), dict[Any, Any]()
        self._like = next(iter(theta.values()))
        told = [experiment.settings.at(0.0)._asdict() for experiment, _ in runs]
        varying = ("phi", *(name for name in told[0] if len({one[name] for one in told}) > 1))
        self._told = {name: self._like.new_tensor([one[name] for one in told]) for name in varying}

    def step(self, **numbers: float) -> Answers:
        """One step of every run; `numbers` stand in for settings, unchecked: a step of -τ is one back in time."""
        u, target, asked, end = self._samples()
        told = self._told | {name: torch.full_like(asked, x) for name, x in numbers.items()}
        given = self.phase, told | {"phi": told["phi"] * asked}, u, target
        if (form := tuple(given[1])) not in self._graphs:  # derivatives are taken apart once, slopes in place and all
            self._graphs[form] = make_fx(lambda *given: self._batched(*given))(*given)
        phase, y, loss = self._graphs[form](*given)
        self.phase = phase._replace(h=self._start, z=self._zero) if end else phase
        self.steps += 1
        return Answers(y, target, asked, loss)

    def _samples(self) -> tuple[Any, Tensor, Tensor, bool]:
        samples = [stream[self.steps] for stream in self.streams]
        ends = {sample.end for sample in samples}
        if len(ends) > 1:
            raise bad("end", "sequences of several lengths", "one length for all", "run them one by one")
        asked = self._like.new_tensor([sample.target is not None for sample in samples])
        like = next((sample.target for sample in samples if sample.target is not None), None)
        if like is None:  # of the shape of y
            h = {k: x[0] for k, x in self._start.items()}
            like = self._network.output(samples[0].u, h).detach()
        target = torch.stack([torch.zeros_like(like) if s.target is None else s.target for s in samples])
        u = None if samples[0].u is None else torch.stack([sample.u for sample in samples])
        return u, target, asked, ends.pop()

    def _batched(self, phase: Phase, numbers: dict[str, Tensor], u: Any, target: Tensor) -> Any:
        def one(theta: Any, omega: Any, h: Any, z: Any, v: Any, numbers: Any, u: Any, target: Any) -> Any:
            at, c = Phase(theta, omega, h, z, v or None), self.numbers._replace(**numbers)
            after, move = step(self._network, self._loss, self._order, at, Sample(u, target, end=False), c)
            return after._replace(v=after.v or {}), move.output, move.loss

        after, y, loss = vmap(one, in_dims=(0, 0, 0, 0, 0, 0, None if u is None else 0, 0))(
            phase.theta, phase.omega, phase.h, phase.z, phase.v or {}, numbers, u, target
        )
        return after._replace(v=after.v or None), y, loss


def _stacked(parts: Sequence[Any]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
