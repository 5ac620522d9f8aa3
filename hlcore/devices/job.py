"""What all ranks are asked to do together."""

import importlib
import inspect
import json
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any, Self

import torch

from ..errors import HLError, bad, known, number, whole
from ..experiments import Experiment, get
from ..law.settings import Settings
from .device import KINDS


def _version() -> str:
    """Of this package; a folder that is on the path but not installed has none."""
    try:
        return metadata.version("hlcore")
    except metadata.PackageNotFoundError:
        return "not installed"


def _option(default: Any, words: str, flag: str = "", **more: Any) -> Any:
    """A field that the command line has too: its words, its --flag where it has another name there, and its type."""
    return field(default=default, metadata={"flag": flag, "more": more | {"help": words, "default": default}})


@dataclass(frozen=True)
class Job:
    """An experiment by name, how long it runs, and what is written; the same on every rank, as text in the handshake.

    Each field says what it is, and how the command line has it (`python -m hlcore.devices --help`); `overrides` are
    settings and options of the experiment, `module` is the one that registers it, imported by every rank.
    """

    name: str
    steps: int  # after those of a resumed checkpoint
    seed: int = _option(0, "seed of network and stream (0)", type=int)
    overrides: dict[str, Any] = field(default_factory=dict)
    module: str = "hlcore.experiments"
    record: str | None = _option(None, "write the trajectory of all ranks: .nc (NetCDF) or .csv (scalars)", "--out")
    every: int = _option(1, "record every N-th tick (1)", type=int)
    capacity: int = _option(10_000, "records kept (10000)", type=int)
    checkpoint: str | None = _option(None, "write the checkpoint of all ranks at the end", metavar="FILE")
    save_every: int | None = _option(None, "and after every N ticks", type=int, metavar="N")
    resume: str | None = _option(None, "go on from a checkpoint, of any number of ranks", metavar="FILE")
    balance: tuple[int, ...] | None = _option(None, "groups per rank, as 2+1; by measured cost if none", metavar="A+B")
    replicas: int = _option(1, "copies of the whole chain, sharing the batch (1)", type=int)
    patience: float = _option(10.0, "seconds a rank may be silent once all have made a tick (10)", type=float)
    lanes: str | None = _option(None, "write what each rank did when: .nc", metavar="FILE")
    device: str = _option("cpu", "where ranks compute: cpu or cuda (cpu)")
    staged: bool = _option(False, "send through CPU memory even where nccl could", action="store_true")
    owners: int = _option(1, "of a graph: ranks that keep the dual of an edge between two, 1 or 2 (1)", type=int)
    late: int = _option(0, "of a graph: ticks that a letter is under way beside its own (0)", type=int)
    lost: float = _option(0.0, "of a graph: share of letters that never come (0)", type=float)

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
    def of(cls, experiment: Experiment, steps: int, **others: Any) -> Self:
        """The job of an experiment that `experiments.get` made."""
        for name in others:
            known("devices option", name, [f.name for f in fields(cls)])
        known("device", others.get("device", "cpu"), KINDS)
        if not isinstance(experiment.settings, Settings):
            got = f"the learner {experiment.learner_name!r}"
            raise bad("experiment for devices", got, "'hamiltonian'", "only it is spread over ranks")
        if experiment.stream.answers:
            got = "a world, whose next sample depends on the output"
            raise bad("experiment for devices", got, "a replayable stream", "every rank walks it by itself")
        settings = {name: getattr(experiment.settings, name) for name in Settings.about()}
        if callable(settings["phi"]) or not isinstance(settings["beta"], float):
            got = "phi as a function or beta per weight"
            raise bad("experiment for devices", got, "numbers", "every rank rebuilds it")
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
        try:
            return json.dumps(asdict(self), sort_keys=True)
        except TypeError as error:
            raise HLError(f"job: got an option that is no text ({error}); expected numbers and strings.") from error

    @classmethod
    def read(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def greeting(self) -> dict[str, str]:
        """What must agree on all ranks before the first tick."""
        told = {name: json.dumps(value, sort_keys=True) for name, value in asdict(self).items()}
        return {"hlcore": _version(), "torch": torch.__version__, "experiment": told.pop("name")} | told
