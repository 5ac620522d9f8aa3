"""What the lab asks of runs and learners, as long as not all of them answer by themselves."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch

from ..errors import unknown
from ..learners.hamiltonian import Learner
from ..runs.run import Session as Run

__all__ = ["Run", "kind", "race", "rival", "rivals"]


class Quantity(NamedTuple):
    """Its symbol, words, and axis in a record."""

    symbol: str
    words: str
    axis: str = "unit"


class Regime(NamedTuple):
    """A name, a sentence, whether it alarms, one more line."""

    kind: str
    words: str
    alarm: bool = False
    note: str = ""


class Hamiltonian:
    """What the learner will say of itself."""

    title = "Hamiltonian Learning"
    quantities: ClassVar[dict[str, Quantity]] = {
        "h": Quantity("h", "state"),
        "z": Quantity("z", "costate of h"),
        "theta": Quantity("θ", "weights", "weight"),
        "omega": Quantity("ω", "costate of θ", "weight"),
    }
    conjugate = ("h", "z")
    equations = (
        "H' = {phi} L + z·h'",
        "h' = f(u, h, θ)",
        "θ' = -{beta} ω",
        "z' = -{s} ∂H'/∂h - {eta_z} z",
        "ω' = -{s} ∂H'/∂θ - {eta} ω",
        "each step: x ← x + {tau} x'",
    )

    @classmethod
    def regime(cls, settings: Any) -> Regime:
        """Known before the first step."""
        x, frozen = settings.tau * settings.eta, isinstance(settings.beta, float) and settings.beta == 0
        for name, holds, words in (
            ("frozen", frozen, "β = 0: the weights stand still"),
            ("undamped", x == 0, "η = 0: nothing is forgotten, the weights swing without loss"),
            ("overdamped", x <= 1, "τη ≤ 1: ω forgets smoothly"),
            ("oscillating", x <= 2, "1 < τη ≤ 2: ω changes sign at every step and settles"),
            ("unstable", True, "τη > 2: ω grows at every step, whatever the data say"),
        ):
            if holds:
                return Regime(name, words, name == "unstable", _as_sgd(settings))
        raise AssertionError


def _as_sgd(settings: Any) -> str:
    if not isinstance(settings.beta, float) or callable(settings.phi):
        return "as SGD: β or φ is not one number"
    sgd, x = settings.to_sgd(), settings.tau * settings.eta
    memory = "for ever" if x == 0 else f"≈ {1 / x:.3g} step{'s' if 1 / x >= 1.5 else ''}" if x < 1 else "the last step"
    return (
        f"as SGD: lr τβ = {sgd['lr']:.3g} · momentum 1-τη = {sgd['momentum']:.3g} (memory {memory})"
        f" · dampening 1-τφ = {sgd['dampening']:.3g}"
    )


def kind(learner: Any) -> Any:
    """The class of a learner, which says what it is."""
    return Hamiltonian if isinstance(learner, Learner) else type(learner)


def rivals() -> list[str]:
    """Who can be raced."""
    return ["sgd"]


def race(run: Any, name: str | None) -> None:
    """Let another learner run beside, or no more."""
    if name not in (None, "sgd"):
        raise unknown("learner", name, rivals())
    run.race(name is not None)


class _Title(NamedTuple):
    title: str = "torch.optim.SGD"
    name: str = "sgd"


def rival(run: Any) -> Any:
    """The other learner of a race, or None."""
    if run.twin is not None:
        run.twin.learner = _Title()
    return run.twin


class SGD:
    """torch.optim.SGD as a learner, for as long as there is none on the list."""

    def __init__(self, network: Any, loss: Any, settings: Any, order: str = "sequential") -> None:
        sgd = settings.to_sgd()
        self.network, self.loss = network, loss
        self.optimiser = torch.optim.SGD(network.parameters(), sgd["lr"], sgd["momentum"], sgd["dampening"])

    def step(self, sample: Any) -> None:
        """One step."""
        self.optimiser.zero_grad()
        self.loss(self.network.output(sample.u, {}), sample.target).backward()
        self.optimiser.step()
