"""Credit carried forward: one costate law, p⁺ = (Jᵀ)^(-s) p - s g, with a sign, a transport and a start.

Errors through time, forward: N. Zucchet and co-authors, "Forward propagation of errors through time" (FPTT, 2026). The
start from sensitivities is ours, and so are transports without a matrix (`Network.transport`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import Diverged, bad, number, unknown, whole
from ..law.arrays import moved, tensors
from ..law.hamiltonian import Hamiltonian, derivative
from ..law.loss import Loss
from ..law.network import Network, State
from ..law.point import Tensors
from ..law.sample import Sample
from ..networks.preserved import preserved
from .reversed_stream import first_state, gather, one_sequence

SPREAD = 10**1.8  # error of a costate carried forward, in units of eps/|λ|^T (measured: neighbours' table)
USABLE = 1e-3  # expected relative error of a costate beyond which no gradient is given
LOOK = 100  # steps after which one looks whether it still can be held
Watch = Callable[[Tensors, list[Tensor]], None]


class Law(NamedTuple):
    """How a costate is carried. J = ∂h⁺/∂h, g = ∂L/∂h⁺, p the costate after the step's loss, z the one ω takes.

    s = -1    p⁺ = Jᵀp + g,   z = p⁺                 Hamiltonian Learning (sequential order, η = 0)
    s = +1    z = J⁻ᵀp,       p⁺ = z - g             FPTT; from p_T = 0 backward, the same law is BPTT
    ω⁺ = ω - s (∂h⁺/∂θ)ᵀz

    transport  "exact"; "euler": (2I - Jᵀ)p for s = +1, E*3 as it stands, right to first order in τ; "none": J dropped,
               z = -s g, the one-step law
    """

    s: int
    transport: str = "exact"


HL, FPTT, ONE_STEP = Law(-1), Law(1), Law(-1, "none")
TRANSPORTS = ("exact", "euler", "none")


class Moment(NamedTuple):
    """One step of the walk: p, the costate after its loss, may be changed in place before the next."""

    sample: Sample
    h: Tensors
    after: Tensors
    tau: float
    z: Tensors
    p: Tensors
    slopes: list[Tensor]  # what ω receives, up to the sign


def walk(
    law: Hamiltonian, samples: Sequence[Sample], start: State, p: Tensors, tau: float, how: Law
) -> Iterator[Moment]:
    """Run the network over `samples` with a costate beside it; p = {} is zero. Weights stand, nothing is stored."""
    if how.transport not in TRANSPORTS:
        raise unknown("transport", how.transport, TRANSPORTS)
    h, told = start, all(x is not None for x in start.values())
    for sample in samples:
        dt = tau if sample.dt is None else sample.dt
        f = law.flow(sample.u, h, dt)
        reached = moved(f.h, f.v, dt)
        dh, reading = f.read(reached, sample.target).pull(1.0)
        before, after, g = tensors(f.h), tensors(reached), tensors({k: x for k, x in dh.items() if x is not None})
        if not p:
            p = {name: torch.zeros_like(x) for name, x in before.items()}
        z = _carried(law, f, sample, before, after, p, dt, how) if told else dict(p)
        p = {name: x - how.s * g[name] if name in g else x for name, x in z.items()}
        z = p if how.s == -1 else z
        slopes = [torch.zeros_like(x) for x in law.theta]
        gather(slopes, reading, 1.0)
        gather(slopes, f.to_weights(f.as_given(z)), dt)
        yield Moment(sample, before, after, dt, dict(z), p, slopes)
        h, told = dict(after), True


def _carried(
    law: Hamiltonian, f: Any, sample: Sample, h: Tensors, after: Tensors, p: Tensors, tau: float, how: Law
) -> Tensors:
    """(Jᵀ)^(-s) p."""
    if how.transport == "none":
        return {name: torch.zeros_like(x) for name, x in p.items()}
    if how == FPTT:
        with torch.no_grad():
            return law.network.transport(sample.u, h, after, p, tau)
    back = tensors({k: x for k, x in f.to_state(f.as_given(p)).items() if x is not None})
    return {name: x - how.s * tau * back[name] if name in back else x for name, x in p.items()}


def fptt_gradient(
    network: Network,
    samples: Iterable[Sample],
    loss: Loss,
    passes: int | None = None,
    *,
    tau: float = 1.0,
    transport: str = "exact",
    watch: Watch | None = None,
) -> Tensors:
    """dΣL/dθ of one sequence, {name: gradient}, with the costate carried forward (theorem T13).

    From the shooting start p_0 = Σ (∂h_t/∂h_0)ᵀ g_t the costate reaches p_T = 0, and ω has counted the gradient down.

    passes     L + 1 for L layers (2 for a network without layers): pass k has the top k - 1 layers exact; fewer passes
               are a gradient of less quality. None: all
    transport  "euler": the first-order form, (2I - Jᵀ)p, E*3 with s = +1
    watch      called with (p, ω) after every step of the last pass

    The inputs are kept and shown once a pass, no state is stored: memory N for rotations, N² else. Raises `Diverged`
    where the start cannot be held in this float type: the network forgets too much, |λ|^T is too small.
    """
    law, sequence = Hamiltonian(network, loss), one_sequence(samples)
    start = first_state(law, sequence[0])
    return gradient_from(law, sequence, start, passes, number("tau", tau, positive=True), Law(1, transport), watch)


def shooting_start(
    network: Network, samples: Iterable[Sample], loss: Loss, *, tau: float = 1.0, how: str = "sensitivity"
) -> Tensors:
    """p_0 = dΣL/dh_0 of one sequence, with which the forward costate ends at zero.

    how  "sensitivity": Σ M_tᵀ g_t with M_t = ∂h_t/∂h_0 (ours); "residual": -M_Tᵀ p'_T with p' run from zero (FPTT).
         The same cost; the first has the smaller error in the mean
    """
    if how not in ("sensitivity", "residual"):
        raise unknown("how", how, ("sensitivity", "residual"))
    law, sequence = Hamiltonian(network, loss), one_sequence(samples)
    given = sequence, first_state(law, sequence[0]), number("tau", tau, positive=True), Law(1)
    return _shoot(law, *given, len(network.floors) or 1, how == "residual")


def gradient_from(
    law: Hamiltonian, samples: Sequence[Sample], start: State, passes: int | None, tau: float, how: Law,
    watch: Watch | None = None,
) -> Tensors:  # fmt: skip
    """`fptt_gradient` from any state."""
    depth = len(law.network.floors) or 1
    passes = depth + 1 if passes is None else whole("passes", passes)
    if passes > depth + 1:
        raise bad("passes", passes, f"at most {depth + 1}, one more than there are layers")
    first = _shoot(law, samples, start, tau, how, passes - 1, False)
    omega = [torch.zeros_like(p) for p in law.theta]
    with preserved(law.network), torch.enable_grad():
        for moment in walk(law, samples, start, first, tau, how):
            gather(omega, moment.slopes, 1.0)
            if watch is not None:
                watch(moment.p, omega)
    learned = {name: x for name, x in start.items() if x is not None and x.requires_grad}
    if learned and first:
        gather(omega, derivative(list(learned.values()), [first[name] for name in learned], law.theta), 1.0)
    return dict(zip(law.names, omega, strict=True))


def _shoot(
    law: Hamiltonian, samples: Sequence[Sample], start: State, tau: float, how: Law, floors: int, residual: bool
) -> Tensors:
    """p_0 of the top `floors` layers, one pass a layer; the others begin at zero. {}: no layer at all."""
    network, first = law.network, dict[str, Tensor]()
    order = list(network.floors[::-1]) or [""]
    for floor in order[:floors]:
        M, total = None, dict[str, Tensor]()
        mine: list[str] = []
        with preserved(network), torch.enable_grad():
            for k, moment in enumerate(walk(law, samples, start, first, tau, how)):
                mine = [floor] if network.floors else list(moment.p)
                if k or all(x is not None for x in start.values()):
                    with torch.no_grad():
                        M = network.product(moment.sample.u, moment.h, moment.tau, M)
                    if k % LOOK == LOOK - 1 or k == len(samples) - 1:
                        _require_held(network, M, moment, k + 1)
                if not residual:
                    felt = moment.p if M is None else network.to_start(M, moment.p)
                    total = {name: felt[name].detach() + total.get(name, 0.0) for name in mine}
                    for name in mine:
                        moment.p[name] = torch.zeros_like(moment.p[name])
        if residual:
            felt = moment.p if M is None else network.to_start(M, moment.p)
            total = {name: felt[name].detach() for name in mine}
        first = {n: -total[n] if n in total else first.get(n, torch.zeros_like(x)) for n, x in moment.p.items()}
    return first


def _require_held(network: Network, M: Any, moment: Moment, steps: int) -> None:
    """Refuse before it is too late: an error of eps grows by 1/|λ|^T on the way."""
    kind = next(iter(moment.p.values())).dtype
    held = network.held(M)
    if torch.finfo(kind).eps * SPREAD > USABLE * held:
        name = next(iter(moment.p))
        raise Diverged(
            "z", name, 0.0, steps,
            cause=f"z of {name!r}: the start cannot be held in {str(kind).removeprefix('torch.')}: |λ|^T = {held:.2g} "
            f"after T = {steps:,} "
            "steps; take fewer steps, BPTT, or a network that does not forget.",
        )  # fmt: skip
