"""A million steps without a loop: in the frame that turns with the state, a rotation network only adds up.

h̃_t = R^{-t} h_t = Σ of all drives; the exact costate is (total of all errors) - (past errors). Ours.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number, whole
from ..law.arrays import moved, tensor
from ..law.hamiltonian import Hamiltonian
from ..law.loss import Loss
from ..law.point import Tensors
from ..networks import Rotations
from .reversed_stream import gather

Tokens = Callable[[int, int], tuple[Tensor, Tensor]]  # (first, last + 1) -> u (n, inputs), targets (n, outputs)


def turning_gradient(
    network: Rotations, tokens: Tokens, steps: int, loss: Loss, *, tau: float = 1.0, chunk: int = 100_000
) -> Tensors:
    """dΣL/dθ of one sequence of `steps` tokens through a driven rotation network, {name: gradient} (theorem T13).

    z_t = R^t (total - Σ_{k<t} R^{-k} g_k), total = Σ R^{-k} g_k: two passes, cumulative sums, angles from t·ϖ and not
    from products; memory of one chunk. |λ| = 1 alone has it. L of a chunk is the mean over its tokens, as in a batch.
    """
    if not isinstance(network, Rotations) or network.start != "rest" or network.keep != 1:
        raise bad("network", type(network).__name__, 'Rotations(start="rest", keep=1)', "fptt_gradient takes any")
    law, tau = Hamiltonian(network, loss), number("tau", tau, positive=True)
    steps, chunk = whole("steps", steps), whole("chunk", chunk)
    omega = [torch.zeros_like(p) for p in law.theta]
    p: Any = 0.0
    for start, _, _, _, g in _chunks(law, tokens, steps, tau, chunk):
        p = p + turned(network, (_turns(network, g, tau) * g).sum(0), start, tau)
    for _, f, turns, reading, g in _chunks(law, tokens, steps, tau, chunk):
        past = (turns * g).cumsum(0)
        z = (p - past + turns * g) / turns
        p = (p - past[-1]) / turns[-1]
        gather(omega, reading, 1.0)
        gather(omega, f.to_weights(f.as_given({"h": _real(z)})), tau)
    return dict(zip(law.names, omega, strict=True))


def turned(network: Rotations, x: Tensor, t: Any, tau: float = 1.0) -> Tensor:
    """R^{-t} x for complex x = x1 + i x2, (…, units): what stands still where nothing happens."""
    frequency = network.frequency.detach()
    angle = frequency * (torch.as_tensor(t).to(frequency.device).unsqueeze(-1) * tau)
    return torch.polar(torch.ones_like(angle), angle) * x


def _chunks(law: Hamiltonian, tokens: Tokens, steps: int, tau: float, chunk: int) -> Iterator[Any]:
    """(first step, flow, R^{-k}, ∂L/∂θ, g) of each chunk, its tokens as one batch."""
    network: Any = law.network
    h = network.initial_state(1)["h"]
    for a in range(0, steps, chunk):
        u, target = tokens(a, min(a + chunk, steps))
        with torch.no_grad():
            drive = _complex(tau * network.driven(network.B(u), tau))
            turns = _turns(network, drive, tau)
            states = _real((_complex(h) + (turns * drive).cumsum(0)) / turns)
        f = law.flow(u, {"h": torch.cat([h, states[:-1]])}, tau)
        dh, reading = f.read(moved(f.h, f.v, tau), target).pull(float(len(u)))
        yield a, f, turns, reading, _complex(tensor(dh["h"]))
        h = states[-1:]


def _turns(network: Rotations, like: Tensor, tau: float) -> Tensor:
    """R^{-k}, k = 1 … n."""
    return turned(network, torch.ones_like(like[0]), torch.arange(1, len(like) + 1, dtype=network.frequency.dtype), tau)


def _complex(x: Tensor) -> Tensor:
    return torch.complex(*x.chunk(2, 1))


def _real(x: Tensor) -> Tensor:
    return torch.cat([x.real, x.imag], 1)
