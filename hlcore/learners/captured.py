"""A learner's step as one CUDA graph: all its kernels are launched at once."""

import math
import warnings
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..errors import MISTAKES, Diverged, HLError, bad, first_line, kind, whole
from ..law.arrays import not_finite, owned, scalar, tensor
from ..law.move import Move, stateless
from ..law.network import Network
from ..law.point import Report
from ..law.sample import Sample
from ..law.step import ORDERS
from ..law.weights import received
from ..streams.stream import walked


class Captured:
    """The steps of a `Learner` (E*1-E*4 in its own order), from where it is; a replay of one CUDA graph each.

    learner  it has taken its first step, which tells shapes. Its weights move in place; h, z, ω, t are its own again
             after each look, at the latest after `every` steps: `look()` before it is read or saved
    sample   as all others: the same shapes, dtypes and device, with a target or without. Its copy, `graph.sample`, is
             what the graph reads: filled in place, `graph.step()` takes it without copying
    every    steps between two looks for inf and nan. Where a look finds some, the point of the look before is put back
             and `Diverged` raised; what a dropout has drawn since is not drawn again
    live     True: settings are numbers in the device's memory, a change of them needs no new capture, the steps are the
             learner's to rounding. False: they are a part of the graph, the steps have the learner's own bits, a change
             captures anew

    On the CPU the same function runs uncaptured, in closed form with plain numbers. HLError for what no graph can hold.
    The law is the paper's; the graph is ours.
    """

    def __init__(self, learner: Any, sample: Sample, every: int = 100, live: bool = False) -> None:
        kind("sample", sample, Sample, "an hlcore.Sample")
        self.every, self.learner = whole("every", every, 1), learner
        self._require(learner, sample)
        self._at, self._t = (learner.t, learner.steps), float(learner.t)
        self._report = Report(learner.t, math.nan, math.nan, torch.empty(0))
        kind("live", live, bool, "True or False")
        self.live = live and not (sample.u.is_cpu and learner.law._closed is not None)
        point, omega = learner.point, learner._omega.named()
        self.sample = Sample(sample.u.clone(), None if sample.target is None else sample.target.clone(), sample.end)
        self._h = {name: x.clone() for name, x in point.h.items()}
        self._z = {name: x.clone() for name, x in point.z.items()}
        self._theta, self._omega = list(learner.law.theta), list(omega.values())
        self._sound = torch.zeros_like((*self._theta, sample.u)[0]).sum()  # nan after inf or nan
        self._told: Any = None  # the settings in force, as the graph has them
        self._c: Any = None  # the same as the step takes them: floats, or numbers on the device
        self._keep, self._move, self._end = None, None, sample.end  # type: Any, Any, bool
        self._output, self._powers = torch.empty(0), []  # type: tuple[Tensor, list[Any]]
        self._graph: Any = None
        self._after = 0  # steps since the last look
        self._good = [x.detach().clone() for x in self._parts()]
        self._tell()

    def step(self, sample: Sample | None = None) -> None:
        """One step, on what lies in `self.sample` or on another; nothing is looked at or reported: see `look`."""
        learner = self.learner
        if (learner.t, learner.steps) != self._at:
            raise bad("captured", "a learner that has moved by itself", "the point of the last look", AGAIN)
        if sample is not None:
            self._fit(sample)
            self._end = sample.end
            self.sample.u.copy_(sample.u)
            if self.sample.target is not None:
                self.sample.target.copy_(sample.target)
        self._tell()
        if self._graph is None:
            self._once()
        else:
            self._graph.replay()
        self._after += 1
        self._t += self._told.tau
        if self._end:
            self._begin()
        if self._after == self.every:
            self.look()

    def run(self, stream: Iterable[Sample], steps: int | None = None) -> Report:
        """Step through a stream from its beginning, look, and report."""
        for sample in islice(walked(stream), None if steps is None else whole("steps", steps, 0)):
            self.step(sample)
        return self.look()

    def look(self) -> Report:
        """Give the point to the learner and report the last step; `Diverged` where it is not finite."""
        if not self._after:
            return self._report
        self.learner.inventory.check()
        self._refuse()
        learner = self.learner
        with torch.no_grad():
            for kept, x in zip(self._good, self._parts(), strict=True):
                kept.copy_(x)
        learner._omega.assign(learner._omega.named())  # its bounds are those of another time
        h, z = ({name: x.clone() for name, x in part.items()} for part in (self._h, self._z))
        learner._h, learner._z, learner._reached = h, z or None, (h, z)
        learner.t, learner.steps = self._t, learner.steps + self._after
        self._at, self._after = (learner.t, learner.steps), 0
        move, c = self._move, self._told
        loss = scalar(move.loss)
        H = c.phi * loss + sum(map(float, self._powers))
        self._report = Report(learner.t, loss, H, self._output.clone())
        return self._report

    def _require(self, learner: Any, sample: Sample) -> None:
        """HLError for what no graph can hold."""
        what, network = "captured", learner.network
        if not learner.steps:
            raise bad(
                what, "a learner before its first step", "one that has taken it", "call learner.step(sample) first"
            )
        if type(network).absorb is not Network.absorb:
            raise bad(
                what, f"{type(network).__name__}, which does more after a step", "a network without absorb", BY_STEP
            )
        if not isinstance(sample.u, Tensor) or not isinstance(sample.target, Tensor | None):
            raise bad(what, "several inputs or targets in a sample", "one tensor each", BY_STEP)
        if learner.torch_start and not all(learner._omega.started):
            late = [name for name, begun in zip(learner.law.names, learner._omega.started, strict=True) if not begun]
            raise bad(
                what, f"{late} before their first gradient, which torch does not dampen", "a later point", BY_STEP
            )

    def _fit(self, sample: Sample) -> None:
        """HLError for a sample of another form than the graph's."""
        ours = self.sample
        for name, held, given in (("u", ours.u, sample.u), ("target", ours.target, sample.target)):
            form = [(x.shape, x.dtype, x.device) if isinstance(x, Tensor) else x for x in (held, given)]
            if form[0] != form[1]:
                raise bad(f"Sample.{name}", form[1], f"{form[0]}, as captured", AGAIN)
        if sample.dt is not None:
            raise bad("Sample.dt", sample.dt, "none: the graph steps by τ", BY_STEP)

    def _tell(self) -> None:
        """The settings in force now: written where the graph reads them, or captured with it."""
        learner = self.learner
        found = learner.settings.at(self._t)
        if found is self._told:
            return
        if isinstance(found.beta, Mapping) or found.metric != "none":
            raise bad("captured", "β per weight or a metric", "one β", BY_STEP)
        if found == self._told:
            return
        like, momentum = learner._momentum
        keep = momentum if momentum is not None and like == learner.settings else 1 - found.tau * found.eta
        self._told = found
        if not self.live:
            self._c, self._keep = found, keep
        elif self._c is None:
            self._c = type(found)(*[x if isinstance(x, str) else self._number(x) for x in found])
            self._keep = self._number(keep)
        else:
            for held, x in zip((*self._c, self._keep), (*found, keep), strict=True):
                if isinstance(held, Tensor):
                    held.fill_(x)
            return
        if self.sample.u.is_cuda or self._move is None:
            self._capture()

    def _number(self, x: float) -> Tensor:
        return torch.full((), float(x), dtype=torch.float64, device=self.sample.u.device)

    def _capture(self) -> None:
        """The step as a graph, after three on a stream aside, as torch asks; then all is as it was."""
        buffers, parts = self.learner.inventory.kept(), self._parts()
        kept, held = [x.detach().clone() for x in parts], self.learner.inventory.buffers()
        try:
            if self.sample.u.is_cuda:
                self._graph = self._record()
            else:
                self._once()
        except MISTAKES as error:
            if isinstance(error, HLError):
                raise
            first = error.__context__ if isinstance(error.__context__, Exception) else error  # before the capture ended
            raise HLError(
                f"captured: got {first_line(first)}; expected a network and a loss that never look at a number "
                f"(no .item(), no branch on a tensor); {BY_STEP}."
            ) from error
        finally:
            now = self.learner.inventory.buffers()
            self.learner.inventory.put_back(buffers)
            with torch.no_grad():
                for x, before in zip(parts, kept, strict=True):
                    x.copy_(before)
        if any(a is not b for a, b in zip(held, now, strict=True)):
            raise bad(
                "captured", "a forward that puts a new buffer in the place of an old", "one moved in place", BY_STEP
            )

    def _record(self) -> Any:
        side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        side.wait_stream(torch.cuda.current_stream())
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The AccumulateGrad node's stream")  # which takes no part in a gradient
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._once()
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                self._once()
        return graph

    def _once(self) -> None:
        """One step in place, without a look at any number: E*1 and E*3 by the learner's order, E*4, E*2."""
        learner, c = self.learner, self._c
        sample = self.sample
        with torch.enable_grad():
            if self._h:
                move: Move = ORDERS[learner.order](learner.law, sample, self._h, self._z, c)
            else:
                move = stateless(learner.law, sample, c)
        self._output, self._powers = owned(move.output, move.h), move.powers()  # before h and z move
        slopes, gain, _ = received(self._theta, move.dtheta, move.scale, c)
        felt = [i for i, g in enumerate(slopes) if g is not None]
        moving = felt if learner.torch_start else range(len(slopes))
        theta, omega = ([part[i] for i in moving] for part in (self._theta, self._omega))
        stride = -c.tau * c.beta
        with torch.no_grad():
            for part, after in ((self._h, move.h), (self._z, move.z or {})):
                for name, x in part.items():
                    x.copy_(tensor(after[name]))
            if not learner.fresh:
                _add(theta, omega, stride)
            _scale(omega, self._keep)
            _add([self._omega[i] for i in felt], [slopes[i] for i in felt], gain)
            if learner.fresh:
                _add(theta, omega, stride)
            self._sound.add_(torch.as_tensor(move.loss), alpha=0)
            if self._h:
                sizes = torch._foreach_norm([*self._h.values(), *self._z.values()], math.inf)
                self._sound.add_(torch.stack(sizes).sum(), alpha=0)
        self._move = move

    def _begin(self) -> None:
        """The start of a sequence, after its end."""
        start = self.learner.law.initial_state(self.sample.batch_size)
        for name, x in self._h.items():
            x.zero_() if start[name] is None else x.copy_(start[name].detach())
            self._z[name].zero_()
        if self.learner.reset_omega:
            self.learner._omega.reset()

    def _parts(self) -> list[Tensor]:
        """All that a step moves."""
        buffers = self.learner.inventory.buffers()
        return [self._sound, *self._h.values(), *self._z.values(), *self._theta, *self._omega, *buffers]

    def _refuse(self) -> None:
        """Back to the point of the last look, and `Diverged`, if anything is not finite."""
        names = self.learner.law.names
        parts = {"h": self._h, "z": self._z} | {
            part: dict(zip(names, (x.detach() for x in held), strict=True))
            for part, held in (("omega", self._omega), ("theta", self._theta))
        }
        worst = [(part, name) for part, held in parts.items() if (name := not_finite(held)) is not None]
        if not worst and not self._sound.isnan():
            return
        first, last = self.learner.steps + 1, self.learner.steps + self._after
        with torch.no_grad():
            for x, kept in zip(self._parts(), self._good, strict=True):
                x.copy_(kept)
        self._t, self._after = self.learner.t, 0
        cure = self.learner.regime(self.learner.settings).cure
        cure = cure.format(**{name: name for name in self.learner.settings.about()})
        why = (
            f"got inf or nan in one of the steps {first} to {last}, expected finite numbers; "
            f"the point at t = {self._t:g} was kept: {cure}, and go on"
        )
        raise Diverged(*(worst or [("loss", "")])[0], self._t, self.learner.steps, why=why)


BY_STEP = "call learner.step, which takes it"
AGAIN = "make a new one: learner.captured(sample)"


def _add(to: list[Tensor], what: list[Tensor], factor: Any) -> None:
    """to += factor · what."""
    if to and not isinstance(factor, Tensor):
        torch._foreach_add_(to, what, alpha=factor)
        return
    for x, y in zip(to, what, strict=True):
        x.addcmul_(y, factor.to(x.dtype))


def _scale(what: list[Tensor], factor: Any) -> None:
    """what *= factor."""
    if what and not isinstance(factor, Tensor):
        torch._foreach_mul_(what, factor)
        return
    for x in what:
        x.mul_(factor)
