"""One experiment: a network, a stream, a loss and settings, named and seeded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..errors import whole
from ..law.hamiltonian import Loss
from ..law.network import Network
from ..law.settings import Settings
from ..learners.hamiltonian import Learner
from ..records.recorder import Recorder
from ..streams.stream import Stream

if TYPE_CHECKING:
    import xarray


class Setup(NamedTuple):
    """What a builder returns: the parts of an experiment, drawn from one seed."""

    network: Network
    stream: Stream
    loss: Loss
    settings: Settings
    order: str = "sequential"


@dataclass(frozen=True)
class Experiment:
    """A named set-up, used by labs, command line, tests and benchmarks alike.

    `network` and `stream` are made from `seed` when first asked for; `learner()` and `run()` make fresh ones.
    presets  {name: {setting: value}}, changes of `settings` worth trying
    options  what `get` was told beside settings and seed, so that the experiment can be made again by name
    """

    name: str
    title: str
    about: str
    build: Callable[[int], Setup]
    loss: Loss
    settings: Settings
    order: str
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _setup(self) -> Setup:
        return self.setup(self.seed)

    @property
    def network(self) -> Network:
        """This experiment's network, at its initial weights until a learner moves it."""
        return self._setup.network

    @property
    def stream(self) -> Stream:
        """This experiment's replayable stream."""
        return self._setup.stream

    def setup(self, seed: int) -> Setup:
        """Fresh parts from `seed`; torch's own generator is left as it was."""
        before = torch.get_default_dtype()
        try:
            torch.set_default_dtype(getattr(torch, self.dtype))
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(whole("seed", seed, 0))
                return self.build(seed)
        finally:
            torch.set_default_dtype(before)

    def learner(self, seed: int | None = None) -> tuple[Learner, Stream]:
        """A learner at the beginning, and its stream."""
        setup = self.setup(self.seed if seed is None else seed)
        return Learner(setup.network, self.loss, self.settings, self.order), setup.stream

    def run(self, steps: int, seed: int = 0, every: int = 1, capacity: int = 10_000) -> xarray.Dataset:
        """The trajectory of `steps` steps from `seed`: the same bits every time on a CPU."""
        recorder = Recorder(every, capacity)
        with torch.random.fork_rng(devices=[]):
            learner, stream = self.learner(seed)
            torch.manual_seed(seed)
            learner.run(stream, whole("steps", steps), recorder)
        return recorder.trajectory()

    def replace(self, **changes: Any) -> Experiment:
        """A copy with another seed, settings or order."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"
