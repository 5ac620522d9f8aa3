"""The lab as one page: the tracker of lab 00 learning live, the valley of lab 01, the directions of lab 07."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import experiments
from ..declared import BaseSettings, positive
from ..experiments.registry import DTYPES
from ..files import place, writable, write_whole
from ..lab.demos import valley
from ..learners.learner import REGIMES
from ..records.recorder import Recorder
from ..studies.directions import FLOATS, KEPT, LENGTHS, edge, errors
from .document import CANVAS_JS, HERE, document, packed

TRACKER, SEEDS, LINES = "tracker-water-flow", 12, 2  # seeds whose first weights it has; lines of a quantity
SCRIPTS = ("parts", "learner", "trial", "rows", "dials", "predictions", "tracker", "valley", "directions", "lab")


def write(folder: Any) -> Path:
    """Write FOLDER/index.html, whole or not at all; the folder is made where there is none."""
    path = writable(place(folder) / "index.html", folder=True)
    write_whole(path, lab_page())
    return path


def lab_page() -> str:
    """The page: needs no server, loads nothing."""
    scripts = [CANVAS_JS, *(HERE / f"{name}.js" for name in SCRIPTS)]
    parts = {"tracker": tracker(), "valley": two_weights(), "directions": directions()}
    return document("Hamiltonian Learning", scripts, parts)


def tracker() -> dict[str, Any]:
    """What the twin knows of its experiment: settings as declared, presets, the series, first weights of some seeds."""
    experiment = experiments.get(TRACKER)
    learner: Any
    stream: Any
    learner, stream = experiment.learner()
    network, recorder = learner.network, Recorder()
    fixed = {"units": [network.units], "horizon": [stream.horizon], "learner": [learner.name]}
    starts = {dtype: [packed(_first_weights(dtype, seed)) for seed in range(SEEDS)] for dtype in DTYPES}
    learner.run(stream, 1, recorder)
    quantities = [
        {"name": name, "symbol": quantity.symbol, "entries": recorder.names(name)[:LINES]}
        for name, quantity in learner.quantities.items()
    ]
    return {
        "name": experiment.name, "title": experiment.title, "dtype": experiment.dtype, "order": experiment.order,
        "units": network.units, "speed": network.speed, "horizon": stream.horizon,
        "series": packed(experiments.get(TRACKER, dtype="float64").stream.values.numpy()),  # type: ignore[attr-defined]
        "starts": starts, "options": {"dtype": [*DTYPES], "order": [*learner.orders], **fixed},
        "settings": declared(experiment.settings),
        "presets": {name: dict(changes) for name, changes in experiment.presets.items()},
        "regimes": [[kind, most if math.isfinite(most) else None] for kind, most, _ in REGIMES],
        "equations": learner.equations, "quantities": quantities,
    }  # fmt: skip


def declared(settings: BaseSettings) -> list[dict[str, Any]]:
    """Each setting as its field declares it, with its value here, and the one that it has by default."""
    default = type(settings)()
    return [
        {
            "name": name, "symbol": about.symbol, "choices": about.choices, "follows": about.follows,
            "positive": about.check is positive, "value": getattr(settings, name), "default": getattr(default, name),
        }
        for name, about in settings.about().items()
    ]  # fmt: skip


def two_weights() -> dict[str, Any]:
    """The valley of lab 01, and the path of torch.optim.SGD in it."""
    panel = valley.Valley()
    path = panel.by_sgd().tolist()
    panel.close()
    first = {name: getattr(valley.FIRST, name) for name in valley.FIRST.about()}
    return {
        "shape": valley.SHAPE, "start": valley.START, "target": valley.TARGET, "settings": first, "sgd": path,
        "sliders": valley.SLIDERS, "from": [-2.4, -1.6], "to": [2.6, 2.6],
    }  # fmt: skip


def directions() -> dict[str, Any]:
    """log₁₀ error of FPTT by |λ| and T for each type of numbers, and T up to which the formula trusts it."""
    shown = {kind: np.log10(np.clip(errors(kind=kind), 1e-16, 1e4)).round(2).tolist() for kind in FLOATS}
    edges = {kind: [float(x) if math.isfinite(x) else None for x in edge(KEPT, kind).round(1)] for kind in FLOATS}
    return {"kept": KEPT.tolist(), "lengths": LENGTHS.tolist(), "maps": shown, "edges": edges}


def _first_weights(dtype: str, seed: int) -> np.ndarray:
    """θ at the start of the run from a seed, all weights one after another."""
    point = experiments.get(TRACKER, dtype=dtype).learner(seed)[0].point
    return torch.cat([x.flatten() for x in point.theta.values()]).numpy()
