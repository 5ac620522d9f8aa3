"""One experiment: a network, a stream, a loss and settings, named and seeded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import torch

from ..declared import BaseSettings
from ..errors import bad, kind, whole
from ..law.hamiltonian import Loss
from ..law.network import Network
from ..learners import catalogue as learners
from ..records.columns import Dataset
from ..records.recorder import Recorder
from ..streams.stream import Stream


class Setup(NamedTuple):
    """What a builder returns: the parts of an experiment, drawn from one seed."""

    network: Network
    stream: Stream
    loss: Loss
    settings: BaseSettings
    order: str = "sequential"


Build = Callable[[int], Setup]


def set_up(build: Build, seed: int, dtype: str) -> Setup:
    """Fresh parts from `seed`; torch's own generator and default dtype are left as they were."""
    if whole("seed", seed, 0) >= 2**63:
        raise bad("seed", seed, "a number below 2**63")
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(getattr(torch, dtype))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(seed)
    finally:
        torch.set_default_dtype(before)


def differing(old: BaseSettings, new: BaseSettings) -> dict[str, Any]:
    """{name: new value} of the settings, of one kind, that are not the same."""
    for settings in (old, new):
        kind("settings", settings, BaseSettings, "a learner's settings")
    return {k: v for k in new.about() if not _same(v := getattr(new, k), getattr(old, k))}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return a is b
    return a is b or a == b


@dataclass(frozen=True)
class Experiment:
    """A named set-up, used by labs, command line, tests and benchmarks alike.

    `network` and `stream` are made from `seed` when first asked for; `learner()` and `run()` make fresh ones.
    presets       {name: {setting: value}}, changes of `settings` worth trying
    options       what `get` was told beside settings and seed, so that the experiment can be made again by name
    learner_name  who learns, a name of `hlcore.learners.names()`; `settings` and `order` are that learner's
    origin        what `get` made, so that a change by hand is noticed; None for one that is not on the list
    """

    name: str
    title: str
    about: str
    build: Build
    loss: Loss
    settings: BaseSettings
    order: str
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)
    learner_name: str = "hamiltonian"
    origin: Mapping[str, Any] | None = None

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
        return set_up(self.build, seed, self.dtype)

    def learner(self, seed: int | None = None) -> tuple[Any, Stream]:
        """A learner at the beginning, and its stream."""
        setup = self.setup(self.seed if seed is None else seed)
        learner = learners.get(self.learner_name)
        return learner(setup.network, self.loss, self.settings, order=self.order), setup.stream

    def recipe(self) -> dict[str, Any]:
        """The options with which `experiments.get` makes this experiment again, but for settings and seed.

        Raises HLError for one that it cannot make: not on the list, or changed by hand.
        """
        mend = "put its builder on the list with @hlcore.experiments.register(name, title), and get it by name"
        if self.origin is None:
            raise bad(f"experiment {self.name!r}", "one made by hand", "one from hlcore.experiments.get", mend)
        for part in ("name", "build", "loss"):
            if getattr(self, part) != self.origin[part]:
                got = f"another {part} than {self.origin['name']!r} has"
                raise bad(f"experiment {self.name!r}", got, "the same", mend)
        now = {"order": self.order, "dtype": self.dtype, "learner": self.learner_name}
        return dict(self.options) | {k: v for k, v in now.items() if v != self.origin[k]}

    def run(self, steps: int, seed: int = 0, every: int = 1, capacity: int = 10_000) -> Dataset:
        """The trajectory of `steps` steps from `seed`: the same bits every time on a CPU."""
        recorder = Recorder(every, capacity)
        with torch.random.fork_rng(devices=[]):
            learner, stream = self.learner(seed)
            torch.manual_seed(seed)
            learner.run(stream, whole("steps", steps), recorder)
        return recorder.trajectory()

    def replace(self, **changes: Any) -> Self:
        """A copy with another seed, settings or order."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"
