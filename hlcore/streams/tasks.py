"""Tasks one after the other, that nobody announces."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, flag, known, whole
from ..law.sample import Sample
from .datasets import Labelled, digits, mnist
from .stream import Stream

DATA: dict[str, tuple[Callable[[], Labelled], int]] = {
    "digits": (digits, 497),
    "mnist": (mnist, 1000),
}  # and how many images are kept to be asked


class Pairs(NamedTuple):
    """Inputs (n, d) and their classes (n,)."""

    inputs: Tensor
    targets: Tensor


class InTurn(Stream):
    """Each task for `epochs` rounds, then the next; after the last the stream ends. A sample has end=True.

    tasks  what is to be learned     asked  what each task is tested on; never shown
    joint  True: all tasks at once, shuffled, as long
    """

    def __init__(
        self,
        tasks: list[Pairs],
        asked: list[Pairs],
        seed: int = 0,
        batch: int = 20,
        epochs: int = 8,
        joint: bool = False,
    ) -> None:
        for name, given in (("tasks", tasks), ("asked", asked)):
            if not isinstance(given, list) or not all(isinstance(part, Pairs) for part in given):
                raise bad(name, type(given).__name__, "a list of Pairs(inputs, targets)")
        if not tasks or len(tasks) != len(asked):
            raise bad("tasks", f"{len(tasks)} of them and {len(asked)} tests", "as many of either, at least one")
        self.tasks, self.asked = tasks, asked
        whole("epochs", epochs)
        shown = [Pairs(*(torch.cat(x) for x in zip(*tasks, strict=True)))] if flag("joint", joint) else tasks
        self._parts = [Labelled(*part, seed=seed, batch=batch, epochs=epochs) for part in shown]
        self.ends = np.cumsum([part.length for part in self._parts]).tolist()
        self.length = self.ends[-1]

    def sample(self, k: int) -> Sample:
        """The task in force says."""
        task = self.task(k)
        return self._parts[task].sample(k - (self.ends[task - 1] if task else 0))

    def task(self, k: int) -> int:
        """Which of the parts sample k is of."""
        return int(np.searchsorted(self.ends, whole("k", k, 0), "right"))


def split(data: str = "digits", seed: int = 0, **how: Any) -> InTurn:
    """Real digits in five tasks, 0-1, 2-3, …, 8-9: is it odd? One head for all of them (domain-incremental)."""
    train, test = _halves(data)
    shown, asked = ([Pairs(x.inputs[g], x.targets[g] % 2) for g in _groups(x.targets)] for x in (train, test))
    return InTurn(shown, asked, seed, **how)


def permuted(data: str = "digits", seed: int = 0, tasks: int = 5, **how: Any) -> InTurn:
    """Real digits, ten classes, the pixels of each task in an order of its own, drawn from the seed."""
    train, test = _halves(data)
    d = train.inputs.shape[1]
    orders = [torch.from_numpy(np.random.default_rng((seed, k)).permutation(d)) for k in range(whole("tasks", tasks))]
    shown, asked = ([Pairs(x.inputs[:, o], x.targets) for o in orders] for x in (train, test))
    return InTurn(shown, asked, seed, **how)


def _halves(data: str) -> tuple[Pairs, Pairs]:
    """What is learned and what is asked: the same cut for every seed."""
    load, asked = DATA[known("data", data, DATA)]
    found = load()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(found.inputs)))
    x, y = found.inputs.flatten(1)[order], found.targets[order]
    return Pairs(x[asked:], y[asked:]), Pairs(x[:asked], y[:asked])


def _groups(targets: Tensor) -> list[Tensor]:
    return [(targets // 2 == g).nonzero().flatten() for g in range(5)]
