"""With the teacher and without: what a controlled network says, and what it would say alone."""

from typing import Any

import torch

from ...studies.free_rest import free_rest, taught_rest
from ..figures.figure import Figure, View

MOMENTS = 400  # kept


class TeacherOff(Figure):
    """The taught loss, the loss of the free network at the same weights, and the control ½g|z|², once a held sample."""

    title = "teacher on, teacher off, and what the teacher pays"

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[tuple[float, ...]] = []
        self._told = torch.empty(0)

    def frame(self, run: Any, view: View) -> None:
        """One moment more, if the sample is another; anew after a reset."""
        learner = run.learner
        self._seen = [row for row in self._seen if row[0] < learner.t][-MOMENTS:]
        sample = run.stream[learner.steps - 1] if learner.steps else None
        if sample is not None and not (self._seen and torch.equal(sample.u, self._told)):  # once for a held sample
            self._told = sample.u
            loss, power = taught_rest(learner, sample, 40)
            with torch.no_grad():
                free = learner.loss(free_rest(learner.network, sample.u, 0.25, 60).y, sample.target)
            self._seen.append((learner.t, loss, float(free), power))
        columns: list[Any] = [*zip(*self._seen, strict=True)] or [[]] * 4
        lines = ["taught L", "free L, teacher off", "control ½g|z|²"]
        rows = [{"symbol": "L", "what": "loss", "weight": 2, "map": None, "log": True,
                 "lines": [{"name": n, "ink": k} for k, n in enumerate(lines[:2])]},
                {"symbol": "ψ", "what": lines[2], "weight": 1, "map": None, "log": True,
                 "lines": [{"name": lines[2], "ink": 2}]}]  # fmt: skip
        self.widget.show("rows", columns, rows=rows, start=0.0, marks=[], about="; ".join(lines), pick=False)
