"""BPTT as a reversed stream: states are stored or undone, the weights stand, z walks back through the sequence."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import HLError, bad, kind, number
from ..law.arrays import axpy, moved, owned, plus, tensor
from ..law.flow import Slopes
from ..law.hamiltonian import Hamiltonian, derivative
from ..law.loss import Loss
from ..law.network import Known, Network, State, can_undo, require_network
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.settings import Settings
from ..networks.preserved import generators, preserved, rewind
from ..streams.reversed import there_and_back

Watch = Callable[[Tensors, Tensors], None]


class StoredStep(NamedTuple):
    """One step of the way there: what the way back needs to see it again."""

    u: Any
    target: Any
    h: State  # the state that the token found
    tau: float
    gain: float  # τφ, the weight of its loss
    states: Mapping[str, Tensor]  # torch's generators and the buffers as the token found them: the same dropout, turn
    buffers: list[Tensor]

    def put_back(self, law: Hamiltonian) -> None:
        """Generators and buffers as the token found them."""
        rewind(self.states, law.network)
        with torch.no_grad():
            for buffer, then in zip(law.network.buffers(), self.buffers, strict=True):
                buffer.copy_(then)


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
    if not kind("stored", stored, bool, "True or False") and not can_undo(require_network(network)):
        raise bad("stored", f"False for {type(network).__name__}", "a network with undo(u, h, tau)", "store them")
    if settings is not None and settings.control != 0:
        raise bad("control", settings.control, "0", "a stream is walked back along the flow that nobody controlled")
    law, sequence = Hamiltonian(network, loss), one_sequence(samples)
    path = there_and_back(len(sequence), window)
    eta, eta_z = (0.0, 0.0) if settings is None else (settings.eta, settings.dissipation_z)
    with preserved(network):
        start = first_state(law, sequence[0])
        steps: list[StoredStep] = []
        h: Known = start
        t = 0.0
        for sample in sequence:
            dt = tau if sample.dt is None else sample.dt
            step, h, _ = advance(law, sample, h, dt, 1.0 if settings is None else dt * settings.phi_at(t))
            steps.append(step if stored or not steps else _bare(step, steps[0]))
            t += dt
        back = [steps[q] for q in path[len(steps) - 1 :]]
        walk = back if stored else _retraced(network, back, h, steps[0])
        return backward(law, walk, eta, eta_z, start if len(back) == len(steps) else {}, watch)


def _bare(step: StoredStep, first: StoredStep) -> StoredStep:
    """The step without its state; what it drew and its buffers must be those of the first."""
    same = all(torch.equal(x, first.states[k]) for k, x in step.states.items())
    same = same and all(map(torch.equal, step.buffers, first.buffers))
    if not same:
        raise bad("stored", "False for a network that draws numbers or moves its buffers", "one that does not")
    return step._replace(h={}, states=first.states, buffers=first.buffers)


def _retraced(network: Network, back: list[StoredStep], h: Known, first: StoredStep) -> Iterator[StoredStep]:
    """The steps of the way back, each with the state that it found: the exact inverse of the step, h from h⁺."""
    for step in back:
        with torch.no_grad():
            h = first.h if step is first else network.undo(step.u, dict(h), step.tau)  # type: ignore[arg-type]
        yield step._replace(h=dict(h))


def first_state(law: Hamiltonian, sample: Sample) -> State:
    """h at the beginning of a sequence, as the network gives it."""
    with torch.enable_grad():
        return law.initial_state(sample.batch_size)


def advance(law: Hamiltonian, sample: Sample, h: Known, tau: float, gain: float) -> tuple[StoredStep, Tensors, Tensor]:
    """One step there, without derivatives: (what to remember of it, h⁺ = h + τ f^h(u,h,θ), y at h⁺)."""
    states, buffers = generators(law.network), [b.clone() for b in law.network.buffers()]
    with torch.no_grad():
        v = law.velocity(sample.u, dict(h), tau)
        found = {name: None if x is None else x.detach() for name, x in h.items()}
        after = moved(found, v, tau)
        y = law.output(sample.u, after)
    return StoredStep(_own(sample.u), _own(sample.target), found, tau, gain, states, buffers), after, owned(y, after)


def _own(x: Any) -> Any:
    """A copy of a part of a sample: the caller may go on to use it otherwise."""
    return tuple(map(_own, x)) if isinstance(x, tuple) else x.clone() if isinstance(x, Tensor) else x


def backward(
    law: Hamiltonian,
    steps: Iterable[StoredStep],
    eta: float,
    eta_z: float,
    start: Known,
    watch: Watch | None = None,
) -> Tensors:
    """{name: ω} after walking `steps`, the turning one first, as `reversed_costate` says.

    start  the initial state if the walk reaches it: weights that it was made of receive (∂h_0/∂θ)ᵀz
    """
    omega = [torch.zeros_like(p) for p in law.theta]
    z: Tensors = {}
    for step in steps:
        for x in omega:
            x.mul_(1 - step.tau * eta)
        there, z = _step_back(law, step, z, omega, eta_z)
        if watch is not None:
            watch(there, dict(zip(law.names, omega, strict=True)))
    learned = {name: x for name, x in start.items() if x is not None and x.requires_grad}
    if learned:
        gather(omega, derivative(list(learned.values()), [z[name] for name in learned], law.theta), 1.0)
    return dict(zip(law.names, omega, strict=True))


def _step_back(
    law: Hamiltonian, step: StoredStep, z: Tensors, omega: list[Tensor], eta_z: float
) -> tuple[Tensors, Tensors]:
    """One token of the way back: ω receives its share; returned are z at the token's h⁺, and what it carries to h.

    z ← z + τφ ∂L/∂h⁺          ω ← ω + τφ ∂L/∂θ + τ (∂f^h/∂θ)ᵀz          carried: z + τ (∂f^h/∂h)ᵀz - τη_z z
    """
    step.put_back(law)
    with torch.enable_grad():
        if not step.h:
            _, slopes = law.read(step.u, {}, step.target).pull(step.gain)
            gather(omega, slopes, 1.0)
            return {}, {}
        f = law.flow(step.u, dict(step.h), step.tau)
        after = moved(f.h, f.v, step.tau)
        dh, slopes = f.read(after, step.target).pull(step.gain)
        zero = {name: torch.zeros_like(tensor(x)) for name, x in after.items()}
        z = {name: plus(x, None if dh[name] is None else tensor(dh[name])) for name, x in (z or zero).items()}
        back, further = f.pull(f.as_given(z))
    gather(omega, slopes, 1.0)
    gather(omega, further, step.tau)
    keep = 1 - step.tau * eta_z
    return z, {
        name: tensor(axpy(keep, x, step.tau, None if back[name] is None else tensor(back[name])))
        for name, x in z.items()
    }


def gather(omega: list[Tensor], slopes: Slopes, factor: float) -> None:
    """ω += factor · slopes."""
    for x, g in zip(omega, slopes, strict=True):
        if g is not None:
            x.add_(g, alpha=factor)


def one_sequence(samples: Iterable[Sample]) -> list[Sample]:
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
