"""The same run by torch.optim.SGD, beside the learner (theorem T1): they move as one until a setting is touched."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..errors import bad
from ..experiments import Experiment
from ..law.point import Tensors
from ..law.sample import Sample
from .hamiltonian import Learner


class Twin:
    """torch.optim.SGD with lr τβ, momentum 1-τη and dampening 1-τφ, from the learner's weights, its ω as buffer.

    It keeps the settings it was born with. `gap` is the largest |Δθ| so far.
    Raises HLError where the theorem does not hold: another order than "sequential", a state that lives on.
    """

    def __init__(self, experiment: Experiment, seed: int, learner: Learner, capacity: int) -> None:
        if learner.order != "sequential":
            raise bad("SGD twin", f"order {learner.order!r}", "order 'sequential'", "Euler order is one step behind")
        sgd = learner.settings.to_sgd(learner.t)
        if callable(learner.settings.phi):
            raise bad("SGD twin", "a schedule φ", "a number", "torch.optim.SGD has no schedule of its own")
        self.network, self.loss, self.tau = experiment.setup(seed).network, learner.loss, learner.settings.tau
        self.names = [name for name, p in self.network.named_parameters() if p.requires_grad]
        self.theta = [p for p in self.network.parameters() if p.requires_grad]
        momentum, weight = sgd["momentum"], 1 - sgd["dampening"]
        # without momentum torch keeps no buffer and never dampens: the weight of a gradient goes into lr
        self.optimiser = torch.optim.SGD(self.theta, lr=sgd["lr"] * (weight if momentum == 0 else 1.0))
        self.optimiser.param_groups[0].update(momentum=momentum, dampening=sgd["dampening"])
        point = learner.point
        self.network.load_state_dict(learner.network.state_dict())
        for name, p in zip(self.names, self.theta, strict=True):
            self.optimiser.state[p]["momentum_buffer"] = point.omega[name].clone()
        self.gap, self.born, self.steps = 0.0, learner.steps, 0
        self._gaps = np.full(capacity, np.nan)
        self._rows = np.full((capacity, min(sum(p.numel() for p in self.theta), 1024)), np.nan, np.float32)

    def step(self, sample: Sample, learner: Learner) -> None:
        """One step on the sample that `learner` has just taken; then look how far apart they are."""
        if not sample.end:
            raise bad("SGD twin", "a state that lives on after the sample", "samples with end=True", "see T3 for time")
        self.optimiser.zero_grad()
        self.loss(self._output(sample), sample.target).backward()
        self.optimiser.step()
        theirs = learner.traced()["theta"]
        with torch.no_grad():
            apart = [float((theirs[n] - p).abs().max()) for n, p in zip(self.names, self.theta, strict=True)]
            slot = self.steps % len(self._gaps)
            flat = torch.cat([p.reshape(-1) for p in self.theta])[: self._rows.shape[1]]
            self._rows[slot] = flat.numpy()
        self.gap = max(self.gap, *(d if math.isfinite(d) else math.inf for d in apart))
        self._gaps[slot] = self.gap
        self.steps += 1

    def window(self, steps: np.ndarray, entry: int | None = None) -> np.ndarray:
        """The running max |Δθ| (or one of the weights) at these steps of the learner; nan where it was not there."""
        k = np.asarray(steps, dtype=np.int64) - self.born - 1
        known = (k >= 0) & (k < self.steps) & (k >= self.steps - len(self._gaps))
        source = self._gaps if entry is None else self._rows[:, entry]
        return np.where(known, source[k % len(self._gaps)], np.nan)

    def _output(self, sample: Sample) -> Tensor:
        h = self.network.initial_state(sample.batch_size)
        moved: Tensors = {}
        if h:
            for name, v in self.network.velocity(sample.u, h, self.tau).items():
                here = h[name]
                moved[name] = self.tau * v if here is None else here + self.tau * v
        return self.network.output(sample.u, moved)
