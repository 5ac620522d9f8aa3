"""Five neurons on a digraph of which one is to follow a signal: N's demonstration, with settings that we found."""

import math
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from ..errors import number, unknown
from ..law.loss import DeclaredLoss
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.sign_flip import SignFlip
from ..networks import Digraph
from ..streams import Signal, sines
from ..streams.signals import Function
from .experiment import Setup
from .registry import register

COST_OF_WEIGHTS, COST_OF_SPEED = 1.0, 0.1  # r_w and ρ of N's demonstration; β = 1/ρ


Told: TypeAlias = float | None  # None: as the case has it


class Case(NamedTuple):
    """What is followed, how dearly it is missed (q), and the settings with which that goes well (ours)."""

    q: float
    step: float
    speed: float
    frequency: float
    clamp: bool = True
    spread: float = 0.5
    scale: float = 0.5
    hard: bool = False
    eta: float = 0.0
    eta_z: float = 0.0


FLIPS = {
    "clamped": Case(10, 0.1, 2.0, 0.02),
    "clamped-sharp": Case(1000, 0.1, 0.3, 0.01),
    "autonomous-sharp": Case(1000, 0.0636, 0.224, 0.0169, False, 1.7, 0.617),
    "autonomous": Case(10, 0.131, 1.51, 0.0077, False, 1.65, 0.397),
    "hard": Case(100, 0.109, 0.784, 0.01, hard=True),
    "autonomous-hard": Case(100, 0.127, 0.908, 0.0092, False, 1.02, 1.27, hard=True),
}
FORWARD = {
    "clamped": Case(10, 0.01, 50.0, 0.02, eta=5.5),
    "fast": Case(10, 0.01, 50.0, 0.2, eta=5.5),
    "clamped-sharp": Case(1000, 0.004, 100.0, 0.25, eta=120.0),
    "hard": Case(100, 0.01, 45.0, 0.01, hard=True, eta=20.0, eta_z=5.0),
    "hard-fast": Case(100, 0.005, 88.0, 0.13, hard=True, eta=20.0, eta_z=20.0),
    "autonomous": Case(10, 0.01, 50.0, 0.02, False, eta=5.5),
}


class Target(Signal):
    """A signal that is not told, only asked for: u is None, the target r(t_k)."""

    def sample(self, k: int) -> Sample:
        """(None, r(t_k))."""
        return Sample(None, self._at(k), end=False)


def patches(frequency: float) -> Function:
    """½ cos 2πft, and every second half period .25, -.25, 0 instead: N's hard signal, as far as its caption tells."""

    def r(t: float) -> float:
        turn, part = divmod(2 * frequency * t, 2)
        return 0.5 * math.cos(2 * math.pi * frequency * t) if part < 1 else (0.25, -0.25, 0.0)[int(turn) % 3]

    return r


def charge(q: float) -> DeclaredLoss:
    """L = q/2 (y - r)² + r_w ½|W|², the network's two columns being y and ½|W|²."""

    def loss(y: Tensor, r: Tensor) -> Tensor:
        return q / 2 * (y[:, :1] - r).square().sum() + COST_OF_WEIGHTS * y[0, 1]

    def slope(xp: Any, y: Any, r: Any) -> tuple[float, Any]:
        e, g = y[:, :1] - r, 0 * y
        g[:, :1], g[0, 1] = q * e, COST_OF_WEIGHTS
        return q / 2 * (e * e).sum() + COST_OF_WEIGHTS * y[0, 1], g

    return DeclaredLoss(loss, slope, own_shapes=True)


def _setup(table: dict[str, Case], case: str, units: int, **changes: Told) -> Setup:
    if case not in table:
        raise unknown("case", case, table)
    told: dict[str, Any] = {k: number(k, x, positive=True) for k, x in changes.items() if x is not None}
    c = table[case]._replace(**told)
    network = Digraph(units, speed=c.speed, clamp=c.clamp, spread=c.spread, scale=c.scale, costly=True)
    signal = patches(c.frequency) if c.hard else sines([c.frequency], [0.5])
    settings = Settings(tau=c.step, beta=1 / COST_OF_SPEED, eta=c.eta, eta_z=c.eta_z)
    return Setup(network, Target(signal, c.step, 0), charge(c.q), settings, "euler")


@register(
    "local-tracking",
    "Local propagation · sign flips",
    {"good": {}, "frozen": {"policy": "ball", "radius": 5.0}, "diverges": {"tau": 1.0}},
    learner="sign-flip",
)
def local_tracking(
    seed: int, case: str = "clamped", units: int = 5,
    q: Told = None, step: Told = None, speed: Told = None, frequency: Told = None,
) -> Setup:  # fmt: skip
    """One of five neurons follows a signal while time turns at every step; `order="rk4"` shows why it can.

    case   clamped | clamped-sharp | autonomous | autonomous-sharp | hard | autonomous-hard: q = 10, 1000 (sharp), 100
           (hard), with and without a neuron that is always 1; sinusoids, and patches of cosine and constants
    q, step, speed, frequency  of the case, unless told: cost of an error, τ of learner and signal, c, the signal's f
    """
    setup = _setup(FLIPS, case, units, q=q, step=step, speed=speed, frequency=frequency)
    return setup._replace(settings=SignFlip.settings_from(setup.settings))


@register(
    "local-tracking-forward",
    "Local propagation · forward",
    {"good": {}, "sluggish": {"eta": 100.0}, "rings": {"eta": 0.0}, "diverges": {"eta": 230.0}},
)
def local_tracking_forward(
    seed: int, case: str = "clamped", units: int = 5,
    q: Told = None, step: Told = None, speed: Told = None, frequency: Told = None,
) -> Setup:  # fmt: skip
    """The same neurons, cost and signal under Hamiltonian Learning: the sign of the costates alone is turned.

    case   clamped | fast (f = .2) | clamped-sharp | hard | hard-fast | autonomous: with this one it dies to zero
    q, step, speed, frequency  as for local-tracking
    """
    return _setup(FORWARD, case, units, q=q, step=step, speed=speed, frequency=frequency)
