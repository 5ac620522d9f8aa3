"""What all ranks are asked to do together."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any

import torch

from ..devices import device
from ..errors import HLError, bad, number, unknown, whole
from ..experiments import Experiment, get
from ..law.settings import Settings


@dataclass(frozen=True)
class Job:
    """An experiment by name, how long it runs, and what is written; the same on every rank, as text in the handshake.

    overrides         settings and options of the experiment
    module            the module that registers it, imported by every rank
    steps             ticks to take (after those of a resumed checkpoint)
    record            file for the trajectory of all ranks; `every` and `capacity` as a Recorder has them
    checkpoint        file for the checkpoint of all ranks, at the end and at every `save_every`-th tick
    resume            checkpoint to go on from, of this or another number of ranks, or of one process
    balance           groups per rank, as (2, 1); None: by measured cost
    replicas          copies of the whole chain, each on its share of the batch
    patience          seconds for which a rank may be silent, once all ranks have made their first tick
    lanes             file for what each rank did when
    device            where ranks compute: "cpu" or "cuda"
    staged            send through CPU memory even where nccl could carry a message
    owners            ranks that keep the dual of an edge between two: 1 or 2; it, `late` and `lost` are for a graph
    late, lost        ticks that a letter is under way beside its own, and the share of letters that never come
    """

    name: str
    steps: int
    seed: int = 0
    overrides: dict[str, Any] = field(default_factory=dict)
    module: str = "hlcore.experiments"
    record: str | None = None
    every: int = 1
    capacity: int = 10_000
    checkpoint: str | None = None
    save_every: int | None = None
    resume: str | None = None
    balance: tuple[int, ...] | None = None
    replicas: int = 1
    patience: float = 10.0
    lanes: str | None = None
    device: str = "cpu"
    staged: bool = False
    owners: int = 1
    late: int = 0
    lost: float = 0.0

    def __post_init__(self) -> None:
        whole("steps", self.steps)
        whole("replicas", self.replicas)
        if self.save_every is not None:
            whole("save_every", self.save_every)
            if self.checkpoint is None:
                raise bad("save_every", self.save_every, "a checkpoint file beside it", "give checkpoint=")
        object.__setattr__(self, "patience", number("patience", self.patience, positive=True))
        whole("late", self.late, 0)
        if self.owners not in (1, 2) or not 0 <= number("lost", self.lost) < 1:
            raise bad("owners, lost", (self.owners, self.lost), "1 or 2, and a share below 1")
        if self.balance is not None:
            object.__setattr__(self, "balance", tuple(self.balance))

    @classmethod
    def of(cls, experiment: Experiment, steps: int, **others: Any) -> Job:
        """The job of an experiment that `experiments.get` made."""
        known = [f.name for f in fields(cls)]
        for name in others:
            if name not in known:
                raise unknown("devices option", name, known)
        device.known(others.get("device", "cpu"))
        if not isinstance(experiment.settings, Settings):
            got = f"the learner {experiment.learner_name!r}"
            raise bad("experiment for devices", got, "'hamiltonian'", "only it is spread over ranks")
        if experiment.stream.answers:
            got = "a world, whose next sample depends on the output"
            raise bad("experiment for devices", got, "a replayable stream", "every rank walks it by itself")
        settings = {name: getattr(experiment.settings, name) for name in Settings.about()}
        if callable(settings["phi"]) or not isinstance(settings["beta"], float):
            raise bad(
                "experiment for devices", "phi as a function or beta per weight", "numbers", "every rank rebuilds it"
            )
        overrides = {**experiment.options, **settings, "order": experiment.order}
        builder = inspect.unwrap(getattr(experiment.build, "func", experiment.build))
        module = others.pop("module", builder.__module__)
        if module == "__main__":
            raise bad("experiment for devices", "one registered in a script", "one of a module that ranks import")
        return cls(experiment.name, steps, experiment.seed, overrides, module, **others)

    def experiment(self) -> Experiment:
        """The experiment itself, built anew on each rank."""
        importlib.import_module(self.module)
        return get(self.name, seed=self.seed, **self.overrides)

    def text(self) -> str:
        """The job as JSON."""
        try:
            return json.dumps(asdict(self), sort_keys=True)
        except TypeError as error:
            raise HLError(f"job: got an option that is no text ({error}); expected numbers and strings.") from error

    @classmethod
    def read(cls, text: str) -> Job:
        """The job of such a text."""
        return cls(**json.loads(text))

    def greeting(self) -> dict[str, str]:
        """What must agree on all ranks before the first tick."""
        told = {name: json.dumps(value, sort_keys=True) for name, value in asdict(self).items()}
        return {"hlcore": metadata.version("hlcore"), "torch": torch.__version__, "experiment": told.pop("name")} | told
