"""One cell of the grid: train it, keep its weights and curves in a small file."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.nn.utils import parameters_to_vector as _flat

from ... import experiments
from ...errors import MISTAKES, bad, first_line
from ...files import write_whole
from ...learners import SGD, BaseLearner, Learner
from ...learners.sgd import SGDSettings
from .cells import CASES, MODELS, Cell


class Result(NamedTuple):
    """Weights before and after, and the mean training loss and accuracy of every epoch."""

    start: np.ndarray
    weights: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray


def run(cell: Cell, epochs: int | None = None, seed: int = 0, tick: Callable[[int], Any] = lambda n: None) -> Result:
    """Train one cell in float64 from `seed`; tick(1) after every epoch."""
    model = MODELS[cell.model]
    form = "output" if cell.learner == "sgd" else cell.learner
    setup = experiments.get(model.experiment, form=form, dtype="float64").setup(seed)
    lr, momentum, dampening, tau = CASES[cell.case]
    start = _flat(setup.network.parameters()).detach().numpy()
    learner: BaseLearner
    if cell.learner == "sgd":
        learner = SGD(setup.network, setup.loss, SGDSettings(lr, momentum, dampening, tau))
    else:
        learner = Learner.like_sgd(setup.network, setup.loss, lr, momentum, dampening, tau)
    per_epoch = setup.stream.per_epoch  # type: ignore[attr-defined]
    losses, hits = [], []
    for epoch in range(epochs or model.epochs):
        total, right = 0.0, 0
        for k in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            sample = setup.stream[k]
            report = learner.step(sample)
            total += report.loss
            right += int(report.output.argmax(1).eq(sample.target).sum())
        losses.append(total / per_epoch)
        hits.append(right / per_epoch)
        tick(1)
    return Result(start, _flat(setup.network.parameters()).detach().numpy(), np.array(losses), np.array(hits))


def save(result: Result, path: Path) -> None:
    """Write it, whole or not at all."""
    content = io.BytesIO()
    np.savez_compressed(content, **result._asdict())
    write_whole(path, content.getvalue())


def load(path: Path) -> Result:
    """Read it."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return Result(**{name: data[name] for name in Result._fields})
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, *MISTAKES) as error:
        raise bad(
            f"result {path}", first_line(error), "a whole one of this grid", "remove the file: it is run anew"
        ) from error
