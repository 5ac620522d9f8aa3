"""What a crowd of perceptrons does on the mean, and how it spreads: ODEs beside the samples."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import bad, unknown
from ..law.settings import Settings
from ..networks.crowd import RULES

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Path(NamedTuple):
    """The mean (times, d) and the covariance (times, d, d), or None, of the crowd."""

    mean: np.ndarray
    spread: np.ndarray | None


class MeanFlow:
    """dθ/dT = E[g(h) x] - λθ over slow time T = γk, x = y u, h = θ·x;  SL g = 1 - σ, RL g = 2σ(1 - σ).

    One step moves a learner by γ times a random update whose mean is the drift and whose covariance is D(θ). So

        SGD   dθ/dT = drift(θ) + ½ Σ_ij C_ij ∂_i∂_j drift      dC/dT = JC + CJᵀ + γ D(θ),   J = ∂drift/∂θ
        HL    ε θ'' = drift(θ) - θ',   ε = βφ/η²               (θ' = -βω, ω' = -φ drift - ηω in slow time; ours)

    Flow equations: Schmid and Murray, NeurIPS 2024 (their code, for the form; the expectations are ours, exact up to
    80 nodes of Gauss and Hermite). A baseline b leaves the mean and changes D.

    components  [(mean, covariance)] of x, equally likely     decay  λ     baseline  of RL: a number, or "best"
    """

    def __init__(
        self, rule: str, components: Sequence[tuple[Any, Any]], decay: float = 0.0, baseline: float | str = 0.0
    ) -> None:
        if rule not in RULES:
            raise unknown("rule", rule, RULES)
        if isinstance(baseline, str) and baseline != "best":
            raise bad("baseline", repr(baseline), "a number or 'best'", "the mean reward moves, its flow is not closed")
        self.rule, self.decay, self.baseline = rule, decay, baseline
        self.components = [(np.asarray(mu, float), np.asarray(cov, float)) for mu, cov in components]

    def drift(self, w: np.ndarray) -> np.ndarray:
        """E[g x] - λw."""
        return self._moment(w, self._gain, 1) - self.decay * w

    def jacobian(self, w: np.ndarray) -> np.ndarray:
        """E[g' x xᵀ] - λI."""
        return self._moment(w, self._slope, 2) - self.decay * np.eye(len(w))

    def noise(self, w: np.ndarray) -> np.ndarray:
        """D: the covariance of one update."""
        mean = self._moment(w, self._gain, 1)
        return self._moment(w, self._square, 2) - np.outer(mean, mean)

    def curvature(self, w: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Σ_ij C_ij ∂_i∂_j drift = E[g''(h) (xᵀCx) x]."""
        return self._moment(w, self._curve, 1, C)

    def path(
        self, w0: Any, times: Any, rate: float = 0.0, spread: Any = None, inertia: float = 0.0, order: int = 2
    ) -> Path:
        """Where the crowd is at the slow times, from w0 at T = 0.

        spread   C at T = 0: follow the covariance too, at rate γ; None: the mean alone, as for γ → 0
        inertia  ε = βφ/η² of the flow with momentum (mean alone); 0: the plain flow
        order    2: the spread bends the mean (½ the curvature); 1: it does not
        """
        from scipy.integrate import solve_ivp

        w0, times = np.asarray(w0, float), np.asarray(times, float)
        d = len(w0)
        if spread is not None and inertia:
            raise bad("spread", "a covariance with momentum", "None", "the flow of C is known without momentum")

        def moved(_: float, at: np.ndarray) -> np.ndarray:
            w, rest = at[:d], at[d:]
            if inertia:
                return np.concatenate([rest, (self.drift(w) - rest) / inertia])
            if spread is None:
                return self.drift(w)
            C, J = rest.reshape(d, d), self.jacobian(w)
            bend = 0.5 * self.curvature(w, C) if order == 2 else 0.0
            return np.concatenate([self.drift(w) + bend, (J @ C + C @ J.T + rate * self.noise(w)).ravel()])

        start = [w0, np.zeros(d)] if inertia else [w0] if spread is None else [w0, np.asarray(spread, float).ravel()]
        stiff = "LSODA" if d < 50 else "RK45"
        found: Any = solve_ivp(moved, (0.0, times[-1]), np.concatenate(start), stiff, times, rtol=1e-8, atol=1e-10).y.T
        return Path(found[:, :d], None if spread is None else found[:, d:].reshape(-1, d, d))

    @staticmethod
    def sigmoid(h: np.ndarray) -> np.ndarray:
        """σ(h) = P(a = +1)."""
        return 1 / (1 + np.exp(-h))

    # ---- expectations ------------------------------------------------------------------------------------------------

    def _moment(self, w: np.ndarray, f: Callable[[np.ndarray], np.ndarray], power: int, C: Any = None) -> np.ndarray:
        """E[f(h) x] or E[f(h) x xᵀ]; with C, E[f(h) (xᵀCx) x]. x = v(h) + a part that is independent of h."""
        total: Any = 0.0
        for mu, cov in self.components:
            along = cov @ w
            size = np.sqrt(max(float(w @ along), 0.0))
            h, F = float(w @ mu) + size * NODES, WEIGHTS
            unit = along / size if size > 0 else along
            v, F = mu + np.outer(NODES, unit), F * f(h)
            if power == 2:
                total = total + (v.T * F) @ v + F.sum() * (cov - np.outer(unit, unit))
            elif C is None:
                total = total + F @ v
            else:
                rest = cov - np.outer(unit, unit)
                F2 = F * (np.einsum("ki,ij,kj->k", v, C, v) + np.trace(C @ rest))
                total = total + F2 @ v + 2 * rest @ C @ (F @ v)
        return total / len(self.components)

    def _gain(self, h: np.ndarray) -> np.ndarray:
        p = self.sigmoid(h)
        return 1 - p if self.rule == "supervised" else 2 * p * (1 - p)

    def _slope(self, h: np.ndarray) -> np.ndarray:
        p = self.sigmoid(h)
        return -p * (1 - p) * (1 if self.rule == "supervised" else -2 * (1 - 2 * p))

    def _curve(self, h: np.ndarray) -> np.ndarray:
        p = self.sigmoid(h)
        q = p * (1 - p)
        return -q * (1 - 2 * p) if self.rule == "supervised" else 2 * q * (1 - 6 * q)

    def _square(self, h: np.ndarray) -> np.ndarray:
        """The mean square of what multiplies x in one update, over the actions."""
        p, b = self.sigmoid(h), self.baseline
        if self.rule == "supervised":
            return (1 - p) ** 2
        if b == "best":
            return (2 * p * (1 - p)) ** 2
        return p * (1 - p) * ((1 - b) ** 2 * (1 - p) + (1 + b) ** 2 * p)  # type: ignore[operator]


def slow(settings: Settings) -> tuple[float, float]:
    """(γ, ε): the rate γ = τβφ/η of slow time T = γk, and the inertia ε = βφ/η²."""
    eta, force = settings.eta, settings.beta * settings.phi_at(0.0)  # type: ignore[operator]
    if not eta > 0:
        raise bad("eta", eta, "a number > 0", "without dissipation there is no slow time")
    return settings.tau * force / eta, force / eta**2


def alignment(w: Any, mu: Any) -> Any:
    """cos of the angle between w, or each of its rows, and μ."""
    w, mu = np.asarray(w, float), np.asarray(mu, float)
    return (w @ mu) / np.maximum(np.linalg.norm(w, axis=-1) * np.linalg.norm(mu), 1e-300)


def reaches(aligned: np.ndarray, times: np.ndarray, goal: float = 0.8) -> float:
    """When an alignment that was below the goal first reaches it, between two times by a line; nan: never."""
    over = np.flatnonzero(aligned >= goal)
    if not len(over) or not over[0]:
        return float(times[0]) if len(over) else float("nan")
    k = over[0]
    share = (goal - aligned[k - 1]) / (aligned[k] - aligned[k - 1])
    return float(times[k - 1] + share * (times[k] - times[k - 1]))


def _sigmoid(h: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-h))
