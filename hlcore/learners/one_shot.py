"""A start for an online learner: offline backpropagation through time on one short trace."""

import torch
from torch import Tensor

from ..errors import bad, whole
from ..networks import Recurrent

BATCH, RATE = 32, 0.01


def one_shot(network: Recurrent, u: Tensor, target: Tensor, steps: int = 250, length: int = 40, seed: int = 0) -> float:
    """Move `network` by Adam on windows of `length` tokens of one trace u (N, inputs), target (N, outputs); last loss.

    Each step unfolds a batch of windows from h = 0 (theorem T3) and takes the mean square of their readouts. After
    Pereg et al., arXiv 2209.14267, as far as its abstract tells (ours in all details).
    """
    if len(u) != len(target) or len(u) <= whole("length", length):
        raise bad("one shot", f"{len(u)} inputs and {len(target)} targets", f"the same number, above {length}")
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    draw, loss = torch.Generator().manual_seed(whole("seed", seed, 0)), torch.empty(0)
    with torch.enable_grad():
        for _ in range(whole("steps", steps)):
            rows = torch.randint(0, len(u) - length, (BATCH, 1), generator=draw) + torch.arange(length)
            h, codes = network._zeros(BATCH, network.units), []
            for x in u[rows].unbind(1):
                h = network.cell(x, h)
                codes.append(h)
            loss = ((network.readout(torch.stack(codes, 1)) - target[rows]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.zero_grad()
    return float(loss.detach())


@torch.no_grad()
def scanned(
    network: Recurrent, u: Tensor, inner: int = 1, warm: bool = True, hold: torch.nn.Module | None = None
) -> Tensor:
    """Readouts (N, outputs) of a trace u (N, inputs): `inner` steps of the cell a token.

    warm  False: each token begins at h = 0      hold  the cell for the steps after a token's first; None: the same
    """
    h, found, again = network._zeros(1, network.units), [], network.cell if hold is None else hold
    for x in u[:, None]:
        h = network.cell(x, h if warm else torch.zeros_like(h))
        for _ in range(inner - 1):
            h = again(x, h)
        found.append(network.readout(h)[0])
    return torch.stack(found)
