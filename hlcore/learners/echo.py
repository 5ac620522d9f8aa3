"""Recurrent Hamiltonian echo: the way back is made by the network itself, momenta flipped, inputs reversed.

G. Pourcel and M. Ernoult, arXiv 2506.05259 (2025); their code takes the kick at q, which is not reversible: here at q½.
The forward echo, which needs neither the inputs reversed nor a derivative of the step, is ours.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, number
from ..law.arrays import moved
from ..law.hamiltonian import Hamiltonian, derivative
from ..law.loss import Loss
from ..law.network import Known, Network
from ..law.point import Tensors
from ..law.sample import Sample
from ..networks import Leapfrog
from ..networks.preserved import preserved
from .reversed_stream import first_state, gather, one_sequence


def echo_gradient(
    network: Network, samples: Iterable[Sample], loss: Loss, eps: float = 1e-5, forward: bool = False,
    *, tau: float = 1.0,
) -> Tensors:  # fmt: skip
    """dΣL/dθ of one sequence, {name: gradient}, by physical runs of a `Leapfrog` alone, to O(ε²) (theorem T14).

    (q_T, -p_T), inputs reversed, and before each step p += ±ε ∂L/∂q:    gradient = -[Σ τ ∂V/∂θ(q½)]₊₋ / 2ε

    eps      ε; about 1e-6 is best in float64. One that is large nudges the network out of its basin
    forward  True: two twins run beside the network on the same inputs, from h_0 ± ε S⁻¹p_0, and kicked by ∓ε ∂L/∂q
             after each step; p_0 = dΣL/dh_0 is measured by 4 twins for each unit. Nothing is reversed or stored

    Losses must read q alone. Friction makes an error O(γT). Memory: the state and its twins. Raises HLError for
    another network.
    """
    return echo_from(Hamiltonian(require_leapfrog(network), loss), one_sequence(samples), None, eps, forward, tau)


def require_leapfrog(network: Network) -> Leapfrog:
    """The network, or an HLError: what runs back by itself must be reversible and have a potential."""
    if not isinstance(network, Leapfrog):
        raise bad("echo", type(network).__name__, "an hlcore.networks.Leapfrog", "fptt_gradient takes any network")
    return network


def echo_from(
    law: Hamiltonian, samples: Sequence[Sample], start: Known | None, eps: float, forward: bool, tau: float
) -> Tensors:
    """`echo_gradient` from any state."""
    eps, tau = number("eps", eps, positive=True), number("tau", tau, positive=True)
    first: Any = first_state(law, samples[0]) if start is None else start
    with preserved(law.network), torch.enable_grad():
        end, omega = first, [torch.zeros_like(p) for p in law.theta]
        for sample in samples:
            _, end = _step(law, sample, end, tau)
            gather(omega, _slope(law, sample, end)[1], 1.0)
        if forward:
            p0 = measured_start(law, samples, first, eps, tau)
            sums = [twin(law, samples, first, p0, kick, tau) for kick in (-eps, eps)]
        else:
            sums = [echoed(law, samples, end, kick, tau)[0] for kick in (eps, -eps)]
    for one, sign in zip(sums, (-1, 1), strict=True):
        gather(omega, one, sign / (2 * eps))
    return dict(zip(law.names, omega, strict=True))


def echoed(
    law: Hamiltonian, samples: Sequence[Sample], end: Tensors, kick: float, tau: float
) -> tuple[list[Tensor], Tensors]:
    """(Σ τ ∂V/∂θ(q½) of the way back, where it arrives); kick = 0 arrives at the start."""
    found = [torch.zeros_like(p) for p in law.theta]
    h = {"q": end["q"], "p": -end["p"]}
    for sample in reversed(samples):
        h = _kicked(h, kick, _slope(law, sample, h)[0])
        half, h = _step(law, sample, h, tau)
        gather(found, _potential_slopes(law, half, sample), sample.dt or tau)
    return found, {"q": h["q"], "p": -h["p"]}


def twin(
    law: Hamiltonian, samples: Sequence[Sample], start: Tensors, p0: Tensors, kick: float, tau: float
) -> list[Tensor]:
    """Σ τ ∂V/∂θ(q½) along x + ε S⁻¹p beside x, S⁻¹(a_q, a_p) = (-a_p, a_q): a turned tangent is a costate."""
    found = [torch.zeros_like(p) for p in law.theta]
    h, x = start, {"q": start["q"] - kick * p0["p"], "p": start["p"] + kick * p0["q"]}
    for sample in samples:
        half, x = _step(law, sample, x, tau)
        gather(found, _potential_slopes(law, half, sample), sample.dt or tau)
        _, h = _step(law, sample, h, tau)
        x = _kicked(x, -kick, _slope(law, sample, h)[0])
    return found


def measured_start(law: Hamiltonian, samples: Sequence[Sample], start: Tensors, eps: float, tau: float) -> Tensors:
    """p_0 = Σ g_t·∂q_t/∂h_0 by central differences: for each entry of (q, p) two twins, all in one batch."""
    batch, n = start["q"].shape
    shift = torch.eye(2 * n, dtype=start["q"].dtype, device=start["q"].device) * eps
    shift = torch.cat([shift, -shift]).unsqueeze(1)  # (4n, 1, 2n)
    h = start
    x = {"q": (start["q"] + shift[:, :, :n]).flatten(0, 1), "p": (start["p"] + shift[:, :, n:]).flatten(0, 1)}
    found = start["q"].new_zeros(2 * n, batch)
    for sample in samples:
        _, h = _step(law, sample, h, tau)
        _, x = _step(law, Sample(_repeated(sample.u, 4 * n), dt=sample.dt), x, tau)
        g = _slope(law, sample, h)[0]
        if g is not None:
            plus, minus = x["q"].view(2, 2 * n, batch, n)
            found += ((plus - minus) * g).sum(2) / (2 * eps)
    return {"q": found[:n].T, "p": found[n:].T}


def _step(law: Hamiltonian, sample: Sample, h: Tensors, tau: float) -> tuple[Tensor, Tensors]:
    """(q½, h⁺)."""
    dt, network = tau if sample.dt is None else sample.dt, law.network
    with torch.no_grad():
        return network.halfway(h, dt), moved(h, law.velocity(sample.u, dict(h), dt), dt)  # type: ignore[operator]


def _kicked(h: Tensors, kick: float, g: Tensor | None) -> Tensors:
    return h if g is None or not kick else {"q": h["q"], "p": h["p"] + kick * g}


def _slope(law: Hamiltonian, sample: Sample, h: Tensors) -> tuple[Tensor | None, Any]:
    """(∂L/∂q, ∂L/∂θ) at a state."""
    at = {name: x.detach().requires_grad_() for name, x in h.items()}
    dh, slopes = law.read(sample.u, at, sample.target).pull(1.0)
    return dh["q"], slopes


def _potential_slopes(law: Hamiltonian, q: Tensor, sample: Sample) -> Any:
    """∂V/∂θ at q½, summed over the batch."""
    V = law.network.potential(q, sample.u).sum()  # type: ignore[operator]
    return derivative([V], [torch.ones_like(V)], law.theta)


def _repeated(u: Any, times: int) -> Any:
    if isinstance(u, tuple):
        return tuple(_repeated(x, times) for x in u)
    return u.repeat(times, *[1] * (u.dim() - 1)) if isinstance(u, Tensor) else u
