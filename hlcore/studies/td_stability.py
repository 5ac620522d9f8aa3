"""Where semi-gradient TD with momentum is stable: the eigenvalues of A inside a parabola, and the exact maps a step."""

from typing import Any

import numpy as np

from ..errors import bad, unknown, whole
from ..networks import Targeted
from ..streams.worlds import MDP, Sweep, visits
from ..streams.worlds.mean_moves import Mean


def parabola(settings: Any) -> float:
    """c of p = c q²: stable if and only if every eigenvalue p + iq of A has p > c q², c = βφ/η² (ours).

    Mean TD is θ' = -βω, ω' = φ(Aθ - b) - ηω; its modes λ² + ηλ + βφa = 0 for each eigenvalue a of A. With
    a = p + iq both roots lie in the left half plane iff p > 0 and η²p > βφq² (Bilharz). Plain TD is η → ∞: p > 0.
    """
    return np.inf if settings.eta == 0 else settings.beta * settings.phi / settings.eta**2


def outside(A: np.ndarray, settings: Any, rounding: float = 1e-9) -> np.ndarray:
    """The eigenvalues of A that make the flow unstable; those that are 0 but for rounding move nothing."""
    found = np.linalg.eigvals(A)
    found = found[abs(found) > rounding]
    return found[found.real <= parabola(settings) * found.imag**2]


def border(A: np.ndarray, rounding: float = 1e-9) -> float:
    """η* at βφ = 1, below which momentum breaks what plain TD learns: the largest |q|/√p; inf where some p <= 0."""
    found = np.linalg.eigvals(A)
    found = found[abs(found) > rounding]
    return float(np.inf if (found.real <= 0).any() else (abs(found.imag) / np.sqrt(found.real)).max())


def step_map(A: np.ndarray, settings: Any, order: str = "sequential") -> np.ndarray:
    """The exact map of a step, (ω, θ) ↦ M(ω, θ) about the fixed point: E*4 and E*2 with ∂H'/∂θ = φAθ.

    sequential  [[1-τη, τφA], [-τβ(1-τη), 1 - τ²βφA]]     euler  [[1-τη, τφA], [-τβ, 1]]
    """
    if order not in ("sequential", "euler"):
        raise unknown("order", order, ("sequential", "euler"))
    tau, one = settings.tau, np.eye(len(A))
    keep, gain, pace = 1 - tau * settings.eta, tau * settings.phi * A, tau * settings.beta
    fresh = [-pace * keep * one, one - pace * gain]
    return np.block([[keep * one, gain], fresh if order == "sequential" else [-pace * one, one]])


def sync_map(mean: Mean, discount: float, settings: Any, every: int, order: str = "sequential") -> np.ndarray:
    """The exact map of θ̄ and all, (ω, θ) ↦ M(ω, θ) from one sync to the next, `every` steps later, about Q = 0.

    Within, ∂H'/∂θ = φ(Gθ - γCθ̄) with θ̄ the θ of the last sync; G is symmetric: no parabola, and M → G⁺γC as K → ∞.
    """
    inner = step_map(mean.G, settings, order)
    d = len(mean.G)
    push = settings.tau * settings.phi * discount * np.vstack([-mean.C, np.zeros((d, d))])
    if order == "sequential":
        push[d:] = settings.tau * settings.beta * settings.tau * settings.phi * discount * mean.C
    held, power = np.zeros((2 * d, d)), np.eye(2 * d)
    for _ in range(whole("every", every)):
        held, power = inner @ held + push, inner @ power
    return power + np.hstack([np.zeros((2 * d, d)), held])


def felt(mean: Mean, rounding: float = 1e-9) -> Mean:
    """The same in coordinates of what x spans: what no x feels never moves, and would count as a factor of 1."""
    size, base = np.linalg.eigh(mean.G)
    base = base[:, size > rounding * size.max()]
    return Mean(base.T @ mean.G @ base, base.T @ mean.C @ base, base.T @ mean.b)


def radius(M: np.ndarray) -> float:
    """The largest |eigenvalue|: what a step, or a sync, multiplies by in the long run."""
    return float(abs(np.linalg.eigvals(M)).max())


def growth(A: np.ndarray, settings: Any, order: str = "sequential", rounding: float = 1e-9) -> float:
    """log of what a step multiplies by in the long run; what A does not feel (eigenvalue 0) is left out."""
    found = np.linalg.eigvals(A)
    modes = [radius(step_map(np.array([[a]]), settings, order)) for a in found if abs(a) > rounding]
    return float(np.log(max(modes)))


def mean_now(learner: Any, stream: Any) -> Mean:
    """G, C and b of a run: of a `Sweep`, or of an `MDP` under the weights of now and its own way to explore."""
    if isinstance(stream, Sweep):
        return stream.mean
    if not isinstance(stream, MDP) or stream.levels is not None:
        raise bad("world", type(stream).__name__, "a Sweep, or an MDP without levels")
    theta = learner.law.theta[0].detach().double().numpy()
    greedy = np.eye(stream.actions)[(stream.X @ theta).argmax(1)]
    share = stream.behaviour
    if share is None:
        share = (1 - stream.explore) * greedy + stream.explore / stream.actions
    return Sweep(stream, greedy, visits(stream, share)).mean


def synced(learner: Any) -> int:
    """K: steps after which the learner's target network is renewed; 1 without one."""
    module = getattr(learner.network, "module", None)
    return module.every if isinstance(module, Targeted) else 1


def pace(learner: Any, mean: Mean) -> float:
    """log of what a step multiplies the error by in the long run, with or without a target network."""
    discount, K = learner.loss.discount, synced(learner)
    if K == 1:
        return growth(mean.A(discount), learner.settings, learner.order)
    return float(np.log(radius(sync_map(felt(mean), discount, learner.settings, K, learner.order)))) / K
