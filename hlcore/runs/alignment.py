"""How far a learner's gradient is from the true online gradient: angle and length, over time."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch

from ..errors import kind, whole
from ..law.sample import Sample
from ..learners.base import BaseLearner
from ..learners.rtrl import Sensitivity
from ..networks.preserved import preserved
from ..records.columns import Dataset
from ..streams.stream import Stream, walked


def alignment(learner: BaseLearner, stream: Iterable[Sample], steps: int) -> Dataset:
    """Run `learner` for `steps` steps with an exact oracle (`Sensitivity`) beside it, at the learner's own weights.

    Over time, where the learner has a gradient g (a BPTT learner has one per turn, compared with the sum of the true
    ones since the turn before): the cosine between g and φ dL/dθ and the ratio of their lengths, over all weights, and
    over those of the state network alone ("…_state"), where learners differ. nan where the true gradient is zero.
    """
    import xarray

    kind("learner", learner, BaseLearner, "a learner")
    walk = walked(stream)
    oracle = Sensitivity(learner.network, learner.loss, learner.order)
    true = {name: torch.zeros_like(p) for name, p in oracle.theta.items()}
    rows: list[list[float]] = []
    for sample in islice(walk, whole("steps", steps)):
        learner.require(sample)
        settings = learner.settings
        c = settings.at(learner.t, sample.dt)
        tau, phi = c.tau, getattr(c, "phi", getattr(settings, "phi", 1.0))
        with preserved(learner.network):
            for name, g in oracle.step(sample, tau).items():
                true[name].add_(g, alpha=phi)
        found = learner.gradient(sample)
        report = learner.step(sample)
        if isinstance(stream, Stream):
            stream.act(report.output)
        if getattr(learner, "waiting", False):
            continue
        moving = oracle.P.any(0)  # weights that the state depends on
        g, truth = (torch.cat([x[name].flatten() for name in true]) for x in (found, true))
        rows.append([report.t, report.loss, *_compare(g, truth), *_compare(g[moving], truth[moving])])
        true = {name: torch.zeros_like(x) for name, x in true.items()}
    data = np.array(rows).reshape(-1, 6)
    names = ("loss", "cosine", "length", "cosine_state", "length_state")
    columns = {name: ("time", data[:, k + 1]) for k, name in enumerate(names)}
    return xarray.Dataset(columns, {"time": data[:, 0]}, attrs={"learner": learner.name})


def _compare(g: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """(cosine, |g| / |truth|)."""
    a, b = float(g.norm()), float(truth.norm())
    if b == 0:
        return float("nan"), float("nan")
    return float(g @ truth) / (a * b) if a else 0.0, a / b
