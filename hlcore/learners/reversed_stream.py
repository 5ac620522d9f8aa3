"""BPTT as a reversed stream: states are stored or undone, the weights stand, z walks back through the sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import HLError, bad, number
from ..law.hamiltonian import Hamiltonian, Loss
from ..law.network import Known, Network, State
from ..law.point import Tensors
from ..law.preserved import preserved
from ..law.sample import Sample
from ..law.settings import Settings
from ..streams.reversed import there_and_back

Watch = Callable[[Tensors, Tensors], None]


class Token(NamedTuple):
    """One step of the way there: what the way back needs to see it again."""

    sample: Sample
    h: Tensors  # the state that the token found
    tau: float
    gain: float  # τφ, the weight of its loss
    generator: Tensor  # torch's generator and the buffers as the token found them: the same dropout, the same turn
    buffers: list[Tensor]


def bptt_gradient(
    network: Network,
    samples: Iterable[Sample],
    loss: Loss,
    window: int | None = None,
    *,
    tau: float = 1.0,
    stored: bool = True,
) -> Tensors:
    """dΣL/dθ of one sequence through time, {name: gradient}, by the reversed stream (P, eq. 24-27; theorem T4).

    The law of `reversed_costate` with η = 0 and φ = 1/τ: L of token q is taken at the state that the token made.

    samples  the tokens of one sequence; a target of None means no loss there
    window   r: losses and paths of the last r tokens only, truncated BPTT(r); None: the whole sequence
    tau      step for samples without a dt of their own (no matter with instantaneous propagation, eq. 9)
    stored   False: no state is kept but the first and the last; the others are walked back by the network's exact
             inverse, `network.undo(u, h, tau)`, which `Rotations` and `Antisymmetric` have

    Nothing moves: weights, buffers and torch's generators are as before. Raises HLError for an empty sequence, for
    several in one call, and with stored=False for a network without inverse, with dropout or with buffers that move.
    """
    return _costate(network, samples, loss, window, number("tau", tau, positive=True), None, stored)


def reversed_costate(
    network: Network,
    samples: Iterable[Sample],
    loss: Loss,
    settings: Settings,
    window: int | None = None,
    watch: Watch | None = None,
) -> Tensors:
    """ω after the way back, with dissipation (P, eq. 24-27).

    z = ω = 0 at the turn, then for q = n-1 … 0

    z ← τφ ∂L(h_{q+1}, ŷ_q)/∂h_{q+1} + (∂h_{q+2}/∂h_{q+1})ᵀz - τη_z z
    ω ← ω + τφ ∂L/∂θ + (∂h_{q+1}/∂θ)ᵀz - τηω

    φ is read at the time of the way there. Equals `bptt_gradient` when η = 0 and φ = 1/τ.

    watch  called with (z, ω) at every token of the way back: to see them travel; it must not keep or change them
    """
    return _costate(network, samples, loss, window, settings.tau, settings, watch=watch)


def _costate(
    network: Network,
    samples: Iterable[Sample],
    loss: Loss,
    window: int | None,
    tau: float,
    settings: Settings | None,
    stored: bool = True,
    watch: Watch | None = None,
) -> Tensors:
    if not stored and not callable(getattr(network, "undo", None)):
        raise bad("stored", f"False for {type(network).__name__}", "a network with undo(u, h, tau)", "store them")
    law, sequence = Hamiltonian(network, loss), _one_sequence(samples)
    path = there_and_back(len(sequence), window)
    theta: Tensors = {name: p for name, p in network.named_parameters() if p.requires_grad}
    eta, eta_z = (0.0, 0.0) if settings is None else (settings.eta, settings.dissipation_z)
    with preserved(network):
        start = first_state(law, sequence[0])
        tokens: list[Token] = []
        h: Known = start
        t = 0.0
        for sample in sequence:
            step = tau if sample.dt is None else sample.dt
            token, h, _ = advance(law, sample, h, step, 1.0 if settings is None else step * settings.phi_at(t))
            tokens.append(token if stored or not tokens else _bare(token, tokens[0]))
            t += step
        back = [tokens[q] for q in path[len(tokens) - 1 :]]
        walk = back if stored else _retraced(network, back, h, tokens[0])
        return way_back(law, walk, theta, eta, eta_z, start if len(back) == len(tokens) else {}, watch)


def _bare(token: Token, first: Token) -> Token:
    """The token without its state; what it drew and its buffers must be those of the first."""
    same = torch.equal(token.generator, first.generator) and all(map(torch.equal, token.buffers, first.buffers))
    if not same:
        raise bad("stored", "False for a network that draws numbers or moves its buffers", "one that does not")
    return token._replace(h={}, generator=first.generator, buffers=first.buffers)


def _retraced(network: Any, back: list[Token], h: Known, first: Token) -> Iterator[Token]:
    """The tokens of the way back, each with the state that it found: the exact inverse of the step, h from h⁺."""
    for token in back:
        with torch.no_grad():
            h = first.h if token is first else network.undo(token.sample.u, h, token.tau)
        yield token._replace(h={name: x for name, x in h.items() if x is not None})


def first_state(law: Hamiltonian, sample: Sample) -> State:
    """h at the beginning of a sequence, as the network gives it."""
    with torch.enable_grad():
        return law.network.initial_state(sample.batch_size)


def advance(law: Hamiltonian, sample: Sample, h: Known, tau: float, gain: float) -> tuple[Token, Tensors, Tensor]:
    """One step there, without derivatives: (what to remember of it, h⁺ = h + τ f^h(u,h,θ), y at h⁺)."""
    generator, buffers = torch.get_rng_state(), [b.clone() for b in law.network.buffers()]
    with torch.no_grad():
        v = law.velocity(sample.u, dict(h), tau)
        known = {name: torch.zeros_like(v[name]) if x is None else x.detach() for name, x in h.items()}
        moved = {name: x + tau * v[name] for name, x in known.items()}
        y = law.output(sample.u, moved)
    return Token(sample, known, tau, gain, generator, buffers), moved, y


def way_back(
    law: Hamiltonian,
    tokens: Iterable[Token],
    theta: Tensors,
    eta: float,
    eta_z: float,
    start: Known,
    watch: Watch | None = None,
) -> Tensors:
    """{name: ω} after walking `tokens`, the turning one first, as `reversed_costate` says.

    start  the initial state if the walk reaches it: weights that it was made of receive (∂h_0/∂θ)ᵀz
    """
    weights = list(theta.values())
    omega = [torch.zeros_like(p) for p in weights]
    z: Tensors = {}
    for token in tokens:
        for x in omega:
            x.mul_(1 - token.tau * eta)
        there, z = _step_back(law, token, weights, z, omega, eta_z)
        if watch is not None:
            watch(there, dict(zip(theta, omega, strict=True)))
    learned = {name: x for name, x in start.items() if x is not None and x.requires_grad}
    if learned:
        _derivative(list(learned.values()), [z[name] for name in learned], weights, omega)
    return dict(zip(theta, omega, strict=True))


def _step_back(
    law: Hamiltonian, token: Token, weights: list[Tensor], z: Tensors, omega: list[Tensor], eta_z: float
) -> tuple[Tensors, Tensors]:
    """One token of the way back: ω receives its share; returned are z at the token's h⁺, and what it carries to h.

    Both are derivatives of the move h⁺(h, θ) and of the loss at h⁺, which is a leaf: no gradient flows through time.
    """
    torch.set_rng_state(token.generator)
    with torch.no_grad():
        for buffer, then in zip(law.network.buffers(), token.buffers, strict=True):
            buffer.copy_(then)
    u = token.sample.u
    with torch.enable_grad():
        h = {name: x.requires_grad_() for name, x in token.h.items()}
        v = law.velocity(u, dict(h), token.tau)
        moved = {name: x + token.tau * v[name] for name, x in h.items()}
        seen = {name: x.detach().requires_grad_() for name, x in moved.items()}
        L = law.instantaneous_loss(law.output(u, seen), token.sample.target)
    z = {name: x.clone() for name, x in z.items()} or {name: torch.zeros_like(x) for name, x in seen.items()}
    if L is not None and L.requires_grad:
        gain = torch.full_like(L, token.gain)
        _derivative([L], [gain], [*seen.values(), *weights], [*z.values(), *omega])
    if not h:
        return {}, {}
    carried = {name: x * (-token.tau * eta_z) for name, x in z.items()}
    _derivative(list(moved.values()), list(z.values()), [*h.values(), *weights], [*carried.values(), *omega])
    return z, carried


def _derivative(of: list[Tensor], factors: list[Tensor], by: list[Tensor], to: list[Tensor]) -> None:
    """to += Σ factor · ∂of/∂by."""
    for x, g in zip(to, torch.autograd.grad(of, by, factors, allow_unused=True), strict=True):
        if g is not None:
            x.add_(g)


def _one_sequence(samples: Iterable[Sample]) -> list[Sample]:
    """The tokens, checked: end=True at the last, or nowhere, or everywhere (a Sample's default, no mark at all)."""
    try:
        sequence = list(samples)
    except TypeError:
        raise bad("samples", type(samples).__name__, "an iterable of Samples") from None
    for sample in sequence:
        if not isinstance(sample, Sample):
            raise bad("samples", type(sample).__name__, "hlcore.Sample", "write Sample(u, target)")
    if not sequence:
        raise HLError("samples: got no sample at all, expected the tokens of one sequence; give at least one.")
    ends = [k for k, sample in enumerate(sequence[:-1]) if sample.end]
    if ends and len(ends) < len(sequence) - 1:
        raise bad(
            "samples",
            f"end=True at token {ends[0]} of {len(sequence)}",
            "one sequence",
            "call it once per sequence, and add the gradients",
        )
    return sequence
