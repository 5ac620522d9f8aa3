"""With the teacher and without: what a controlled network says, and what it would say alone."""

from __future__ import annotations

from typing import Any

import torch

from ...studies.free_rest import control, free_rest
from ..figures.figure import Figure, View

MOMENTS = 400  # kept


class TeacherOff(Figure):
    """The taught loss, the loss of the free network at the same weights, and the control ½g|z|², at every frame."""

    title = "teacher on, teacher off, and what the teacher pays"

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[tuple[float, ...]] = []

    def frame(self, run: Any, view: View) -> None:
        """One moment more; anew after a reset."""
        learner, steps = run.learner, run.learner.steps
        self._seen = [row for row in self._seen if row[0] < steps][-MOMENTS:]
        if steps:
            sample, reached = run.stream[steps - 1], learner.traced()
            z, h = reached["z"], reached["h"]
            free = free_rest(learner.network, sample.u, 0.25, 80).y
            with torch.no_grad():
                losses = [float(learner.loss(y, sample.target)) for y in (learner.network.output(sample.u, h), free)]
            power = control(z, learner.settings.control) if z else 0.0
            self._seen.append((float(steps), *losses, power))
        columns: list[Any] = [*zip(*self._seen, strict=True)] or [[]] * 4
        lines = ["taught L", "free L, teacher off", "control ½g|z|²"]
        rows = [{"symbol": "L", "what": "loss", "weight": 2, "map": None, "log": True,
                 "lines": [{"name": n, "ink": k} for k, n in enumerate(lines[:2])]},
                {"symbol": "ψ", "what": lines[2], "weight": 1, "map": None, "log": True,
                 "lines": [{"name": lines[2], "ink": 2}]}]  # fmt: skip
        self.widget.show("rows", columns, rows=rows, start=0.0, marks=[], about="; ".join(lines), pick=False)
