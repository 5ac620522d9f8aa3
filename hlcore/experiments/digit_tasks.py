"""Experts that are told neither the task nor that it has changed."""

import torch

from ..errors import unknown
from ..law.settings import Settings
from ..networks import OutputNetwork
from ..networks.experts import Experts
from ..streams.tasks import permuted, split
from .experiment import Setup
from .registry import register

PRESETS = {"good": {}, "sluggish": {"beta": 0.01}, "diverges": {"eta": 3.0}}
STREAMS = {"split": split, "permuted": permuted}
DAMPED = Settings(eta=0.1, beta=0.2, phi=0.1)  # as SGD: lr .2, momentum .9, dampening .9


@register("experts-digits", "Experts · digits in turn", PRESETS)
def experts_digits(
    seed: int, data: str = "digits", tasks: str = "split", gate: str = "keys", experts: int = 12, units: int = 16,
    sharpness: float = 5.0, reach: float = 5.0, scale: float = 3.0, spring: float = 0.0, follow: float = 0.0,
    noise: float = 0.0, batch: int = 20, epochs: int = 8, joint: bool = False,
) -> Setup:  # fmt: skip
    """Twelve experts learn 0-1, then 2-3, …: nobody tells them the task, and still they do not forget.

    data  "digits" (8×8) or "mnist" (28×28)     tasks  "split" (odd or even) or "permuted" (pixels)     gate  "keys",
    "linear"; or as in `hlcore.networks.experts.Experts`
    """
    if tasks not in STREAMS:
        raise unknown("tasks", tasks, STREAMS)
    stream = STREAMS[tasks](data, seed, batch=batch, epochs=epochs, joint=joint)
    inputs, classes = stream.tasks[0].inputs.shape[1], int(stream.tasks[0].targets.max()) + 1
    how = {"scale": scale, "reach": reach, "spring": spring, "follow": follow, "noise": noise}
    network = Experts(inputs, classes, experts, units, sharpness, gate, **how)
    return Setup(network, stream, network.loss, DAMPED)


@register("dense-digits", "One network · digits in turn", PRESETS)
def dense_digits(
    seed: int, data: str = "digits", tasks: str = "split", units: int = 80, batch: int = 20, epochs: int = 8,
    joint: bool = False,
) -> Setup:  # fmt: skip
    """One network of 80 units learns the same tasks in turn, and forgets: what the experts are compared with."""
    if tasks not in STREAMS:
        raise unknown("tasks", tasks, STREAMS)
    stream = STREAMS[tasks](data, seed, batch=batch, epochs=epochs, joint=joint)
    inputs, classes = stream.tasks[0].inputs.shape[1], int(stream.tasks[0].targets.max()) + 1
    body = [torch.nn.Linear(inputs, units), torch.nn.Tanh(), torch.nn.Linear(units, classes)]
    return Setup(OutputNetwork(torch.nn.Sequential(*body)), stream, torch.nn.functional.cross_entropy, DAMPED)
