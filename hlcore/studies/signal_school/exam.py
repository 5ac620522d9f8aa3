"""The exams of the signal school (K): the student is told the tokens, and sings alone."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import known, number, whole
from ...law.arrays import moved
from ...law.network import Known, Network
from ...networks.preserved import preserved
from ...streams.lectures import SIGNALS, describe, heard
from ...streams.signals import Function


class Exam(NamedTuple):
    """What a student sang, what was asked, and the mean square of the difference."""

    mse: float
    output: Tensor
    target: Tensor


def exam(
    network: Network, x: Function, tokens: Sequence[str], steps: int = 1000, step: float = 0.1, order: str = "euler",
    silent: int = 0,
) -> Exam:  # fmt: skip
    """Let a network run free, given the tokens alone, and compare its first output with x(0), x(step), … .

    Nothing is learned, and network and generator are left as they were. `order` is that of the lectures: in "euler" y
    is read before the state moves, in "sequential" after it. Anyone's signal x: t -> number will do, with any
    TOKENS. Raises HLError for an unknown token.
    """
    u, target = describe(tokens, silent), heard(x, steps, number("step", step, positive=True))
    return Exam(float((sung := run_free(network, u, steps, step, order)).sub(target).square().mean()), sung, target)


def run_free(network: Network, u: Tensor, steps: int, step: float, order: str = "euler") -> Tensor:
    """The first output channel over `steps` steps of the network alone, (steps, batch, 1)."""
    known("order", order, ("euler", "sequential"))
    like = next(network.parameters(), u)
    u, training, sung = u.to(like), network.training, []
    network.eval()
    with torch.no_grad(), preserved(network):
        h: Known = network.initial_state(len(u))
        if any(x is None for x in h.values()):  # born by its announcement
            h = moved(dict(h), network.velocity(u, dict(h), step), step)
        for _ in range(whole("steps", steps)):
            v = network.velocity(u, dict(h), step)
            after = moved(dict(h), v, step)
            sung.append(network.output(u, h if order == "euler" else after)[:, :1])
            h = after
    network.train(training)
    return torch.stack(sung).to("cpu", torch.get_default_dtype())


def grades(
    network: Network, steps: int = 1000, step: float = 0.1, order: str = "euler", silent: int = 0
) -> dict[str, float]:
    """{name: mean square error} of an exam on each of the eight signals, all sung side by side."""
    u = torch.cat([describe(s.tokens, silent) for s in SIGNALS.values()])
    sung = run_free(network, u, steps, step, order).squeeze(2)
    target = torch.cat([heard(s.x, steps, step) for s in SIGNALS.values()], 2).squeeze(1)
    return dict(zip(SIGNALS, (sung - target).square().mean(0).tolist(), strict=True))
