"""Real digits for a chain of layers that learn locally: the experiment to spread over devices."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn
from torch.nn.functional import cross_entropy

from ..errors import bad, whole
from ..law.settings import Settings
from ..networks import Chain
from ..streams import Held, digits
from .experiment import Setup
from .registry import register, usual


@register("digits-chain", "Digits · a chain of local layers", usual(0.002, 4.4))
def digits_chain(
    seed: int, depth: int = 4, width: int = 32, groups: str | Sequence[int] = "layer", schedule: str = "parallel",
    hold: int = 1, batch: int = 3,
) -> Setup:  # fmt: skip
    """A chain of tanh layers learns real digits, each group from its neighbours alone; `hlcore.devices` spreads it.

    groups  "layer", "one" or sizes, also as text: "2+3"
    hold    steps for which a sample stays; 1: a new one at every step, the wave of learning meets later ones
    batch   images per step; it must divide 1797, as 1, 3 and 599 do: the state keeps one batch size
    """
    if 1797 % whole("batch", batch):
        raise bad("batch", batch, "a divisor of 1797", "take 1, 3 or 599")
    sizes = [64, *[whole("width", width)] * (whole("depth", depth) - 1), 10]
    layers: list[nn.Module] = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes[:-1])]
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    if isinstance(groups, int) or (isinstance(groups, str) and groups.replace("+", "").isdigit()):
        groups = tuple(int(n) for n in str(groups).split("+") if n)
    chain = Chain(layers, groups, schedule)
    images = digits(seed, batch)
    images.inputs = images.inputs.flatten(1)  # (1797, 64)
    settings = Settings(tau=0.5, eta=0.2, beta=0.02, phi=1.0, eta_z=0.0)
    return Setup(chain, Held(images, hold), cross_entropy, settings, order="euler")
