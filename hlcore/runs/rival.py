"""A rival: another learner on the samples of a run, from where the run's learner was when the race began."""

import math
from typing import Any

import numpy as np
import torch

from ..errors import HLError
from ..law.sample import Sample
from ..learners import get
from ..records.recorder import Recorder


class Rival:
    """The learner `name` beside that of a run: the same network, samples and draws, settings mapped, ω taken over.

    It keeps the settings it was born with, and its own record. It stands still once it has diverged.

    gap    the largest |Δθ| so far over the weights that both have; nan if there are none, inf once it has diverged
    error  what stopped it, or None
    """

    def __init__(self, name: str, leader: Any, recorder: Recorder) -> None:
        self.name, self.learner = name, get(name).beside(leader)
        self.recorder = Recorder(recorder.every, recorder.capacity, recorder.width)
        self.born, self.error = leader.steps, None
        theirs, own = (learner.traced().get("theta", {}) for learner in (leader, self.learner))
        self._shared = [weight for weight, p in own.items() if weight in theirs and theirs[weight].shape == p.shape]
        self.gap = 0.0 if self._shared else math.nan
        self._gaps = np.full(recorder.capacity, np.nan)

    error: HLError | None

    @property
    def steps(self) -> int:
        """Steps since the race began."""
        return self.learner.steps - self.born

    def step(self, sample: Sample, leader: Any) -> None:
        """One step on the sample that `leader` has just taken; then look how far apart they are."""
        if self.error is not None:
            return
        try:
            report = self.learner.step(sample)
        except HLError as error:
            self.error, self.gap = error, math.inf if self._shared else math.nan
            return
        if self._shared:
            theirs, own = leader.traced()["theta"], self.learner.traced()["theta"]
            with torch.no_grad():
                apart = [float((theirs[name] - own[name]).abs().max()) for name in self._shared if own[name].numel()]
            self.gap = max(self.gap, *(d if math.isfinite(d) else math.inf for d in apart))
        slot = self.recorder.record(self.learner, report, sample)
        if slot is not None:
            self._gaps[slot] = self.gap

    def window(self, steps: np.ndarray, entry: int | None = None) -> np.ndarray:
        """The running gap (or one entry of its weights) at these steps of the run; nan where it was not there."""
        known = self.recorder.window("step")
        if not len(known):
            return np.full(len(steps), np.nan)
        at = np.searchsorted(known, steps).clip(max=len(known) - 1)
        first = self.recorder.count - len(known)
        rows = np.arange(first, self.recorder.count) % self.recorder.capacity
        source = self._gaps[rows] if entry is None else self.recorder.window("theta", entries=[entry])[:, 0]
        return np.where(known[at] == steps, source[at], np.nan)
