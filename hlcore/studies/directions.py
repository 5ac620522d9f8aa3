"""One diagonal system, every direction of credit: where a costate carried forward is right, and what each law sums."""

from typing import NamedTuple

import numpy as np

from ..errors import unknown
from ..learners.forward_costate import USABLE

UNITS = 8
KEPT = np.array([0.9, 0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998, 0.999, 1.0])
LENGTHS = np.array([30, 50, 100, 200, 300, 500, 1000, 2000, 3000])
FLOATS = {"float64": np.complex128, "float32": np.complex64}


def errors(kept: np.ndarray = KEPT, lengths: np.ndarray = LENGTHS, kind: str = "float64") -> np.ndarray:
    """Relative error of FPTT's gradient by the angles ϖ, (|λ|, T), beside BPTT in float64; inf where it overflows.

    h⁺ = λh + b_t, L = Σ Re(ḡ_t h_t), λ = |λ|e^{-iϖ}; g and b drawn once. All cells at once, one loop over time.
    """
    if kind not in FLOATS:
        raise unknown("kind", kind, FLOATS)
    exact, given = _system(kept, int(lengths.max()), np.complex128), _system(kept, int(lengths.max()), FLOATS[kind])
    truth = np.stack([_backward(*exact, int(n)) for n in lengths], 1)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = _forward(*given, lengths)
        gap = np.linalg.norm(found - truth, axis=2) / np.linalg.norm(truth, axis=2)
    return np.where(np.isfinite(gap), gap, np.inf)


def edge(kept: np.ndarray, kind: str = "float64") -> np.ndarray:
    """T up to which the error is at most 1e-3: log10 error = log10 eps - T log10|λ| + 1.8; inf at |λ| = 1."""
    room = np.log10(USABLE) - np.log10(np.finfo(FLOATS[kind]).eps) - 1.8
    with np.errstate(divide="ignore"):
        return room / np.abs(np.log10(kept))


class Sums(NamedTuple):
    """Costates of one unit over time in the frame that turns with it (T,), real part, and the total of all errors."""

    exact: np.ndarray
    forward: np.ndarray
    hl: np.ndarray
    present: np.ndarray
    total: float


def sums(keep: float, steps: int, kind: str = "float64") -> Sums:
    """z of BPTT, of FPTT in a float type, of HL and of the one-step law, each turned back by its own turn (T15)."""
    turn, _, g = (x[0] if k == 0 else x for k, x in enumerate(_system(np.array([keep]), steps, FLOATS[kind])))
    turn, g, time = turn[0], g[:, 0], np.arange(1, steps + 1)
    exact, forward, hl = (np.empty(steps, complex) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore"):
        back = 0j
        for t in range(steps - 1, -1, -1):
            back = exact[t] = np.conj(turn) * back + g[t] if t < steps - 1 else g[t]
        p = (np.conj(turn) ** time * g).sum().astype(g.dtype)
        total, past = p, 0j
        for t in range(steps):
            z = (p / np.conj(turn)).astype(g.dtype)
            forward[t], p = z, z - g[t]
            past = hl[t] = np.conj(turn) * past + g[t]
        phase = turn / abs(turn)
        own, other = np.conj(phase) ** time, phase**time
    return Sums((exact * own).real, (forward * own).real, (hl * other).real, (g * own).real, float(total.real))


def _system(kept: np.ndarray, steps: int, kind: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(λ of (|λ|, unit), drives b and errors g of (t, unit)), the same for every type."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0.05, 1.0, UNITS)
    b, g = (rng.normal(size=(steps, UNITS)) + 1j * rng.normal(size=(steps, UNITS)) for _ in range(2))
    turn = kept[:, None] * np.exp(-1j * angle)
    return turn.astype(kind), b.astype(kind), g.astype(kind)


def _backward(turn: np.ndarray, b: np.ndarray, g: np.ndarray, steps: int) -> np.ndarray:
    """dL/dϖ by BPTT, (|λ|, unit)."""
    h, states = np.zeros_like(turn), []
    for t in range(steps):
        states.append(h)
        h = turn * h + b[t]
    z, found = np.zeros_like(turn), np.zeros(turn.shape)
    for t in range(steps - 1, -1, -1):
        z = z + g[t]
        found += (np.conj(z) * -1j * turn * states[t]).real
        z = np.conj(turn) * z
    return found


def _forward(turn: np.ndarray, b: np.ndarray, g: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """dL/dϖ by FPTT for every length at once, (|λ|, T, unit)."""
    back, start, held = np.conj(turn), np.zeros((len(lengths), *turn.shape), turn.dtype), np.ones_like(turn)
    total = np.zeros_like(turn)
    for t in range(int(lengths.max())):
        held = held * back
        total = total + held * g[t]
        start[lengths == t + 1] = total
    p, found, h, raised = start, np.zeros(start.shape), np.zeros_like(turn), 1 / back
    for t in range(int(lengths.max())):
        z = p * raised
        running = (lengths > t)[:, None, None]
        found += np.where(running, (np.conj(z) * -1j * turn * h).real, 0)
        p = np.where(running, z - g[t], p)
        h = turn * h + b[t]
    return found.swapaxes(0, 1)
