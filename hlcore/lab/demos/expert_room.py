"""Experts at work: who answers for what is shown, what they take for theirs, and what becomes of each task."""

from typing import Any

import ipywidgets as W
import numpy as np
import torch

from ...errors import bad
from ...networks.experts import Experts, responsibility
from ...streams.tasks import InTurn
from ...studies.continual import right
from ..figures.canvas import TARGET, Canvas
from ..figures.figure import Figure, View
from ..figures.heatmap import ZERO, Heat
from ..figures.strip import strip
from ..figures.time_rows import Line, Row, show_rows
from ..widgets import column

MOMENTS = 240  # columns of the map of responsibilities
LINES = ({"ink": 0}, {"ink": 1}, {"ink": 2}, {"ink": 3}, {"ink": TARGET})


class ExpertRoom(Figure):
    """Over the steps, each frame adding a moment: the responsibility of every expert for the sample that is shown, and
    how many images of each task, never shown, are told rightly. A dashed line is where the task changes: the learner is
    not told. Below, the key of every expert as a picture: the mean of what it answered for.

    For networks without experts (dense-digits) the tasks alone.
    """

    title = "who answers for what, and what becomes of each task"
    instead = True

    def __init__(self) -> None:
        self._told, self._rows, self._keys = W.HTML(), Canvas(height=0), Canvas(height=110)
        self.widget: Any = column([self._told, self._rows, self._keys])
        self._kept: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._of: Any = None

    def frame(self, run: Any, view: View) -> None:
        """Show the tasks and the experts."""
        network, stream, k = run.learner.network, run.stream, run.learner.steps
        if not isinstance(stream, InTurn):
            raise bad("ExpertRoom", type(stream).__name__, "tasks in turn", "experiments.get('experts-digits')")
        end = stream.ends[-1]
        if self._of != (run.experiment, run.seed):
            self._of, self._kept = (run.experiment, run.seed), []
        known, many = right(network, stream), isinstance(network, Experts)
        r = np.zeros(0)
        if many:
            sample = stream[min(k, end - 1)]
            with torch.no_grad():
                y = network.output(sample.u, {})
                r = responsibility(y, sample.target, network.sharpness).mean(0).numpy()
        self._kept = [each for each in self._kept if each[0] < k] + [(k, r, known)]
        steps, roles, shares = (list(x) for x in zip(*self._kept, strict=True))
        x = np.array([*steps, end], float) if steps[-1] < end else np.array(steps, float)
        lines = []
        for task, style in zip(range(len(known)), LINES, strict=False):
            values = np.full(len(x), np.nan)
            values[: len(steps)] = [share[task] for share in shares]
            lines.append(Line(f"task {task + 1}", values, style | {"width": 2.2}))
        rows = [Row("%", "right answers, images never shown", lines, tall=1.25)]
        if many:
            rows.insert(0, Row("r", "responsibility", [], heat=_roles(steps, roles, end)))
            self._keys.layout.display = "none" if network.gate is not None else "block"
            self._show_keys(network)
        marks = [(float(at), f"task {i + 2}") for i, at in enumerate(stream.ends[:-1])]
        show_rows(self._rows, rows, [x], marks=marks, axis="step k")
        told = [
            f"task {min(stream.task(k), len(known) - 1) + 1} of {len(known)}" if len(stream.ends) > 1 else "all tasks"
        ]
        told.append(f"right answers, mean of all tasks: {known.mean():.2f}")
        if many and network.gate is None:
            told.append(f"experts with a key: {int((network.seen > 0).sum())} of {len(network.W)}")
        self._told.value = " &nbsp;·&nbsp; ".join(told)

    def _show_keys(self, network: Experts) -> None:
        keys = network.keys.numpy()
        side = round(keys.shape[1] ** 0.5)
        if side * side != keys.shape[1]:
            return
        pictures = strip(keys.reshape(-1, side, side), "the mean of what each expert answered for")
        ends = np.array([0.0, len(keys)])
        show_rows(self._keys, [Row("k", "keys", [], heat=pictures)], [ends], axis="expert", about="keys as pictures")


def _roles(steps: list[int], roles: list[np.ndarray], length: int) -> Heat:
    """The responsibilities (experts, moments): each moment shows the last frame before it."""
    grid = np.linspace(0, length, MOMENTS)
    at = np.searchsorted(steps, grid, "right") - 1
    values = np.array([roles[max(i, 0)] if t <= steps[-1] else 0 * roles[0] for i, t in zip(at, grid, strict=True)]).T
    plan = {"units": len(values), "moments": MOMENTS, "from": 0.0, "to": float(length)}
    return Heat((ZERO + 127 * values).round().astype(np.uint8), plan, "a row for each expert")
