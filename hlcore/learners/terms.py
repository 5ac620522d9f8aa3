"""What a learner says: of a step not yet taken, of what it moves, of what its settings mean."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..law.point import Tensors


class Quantity(NamedTuple):
    """Something that a learner moves: its symbol, what it is called, and along which axis a record has its entries."""

    symbol: str
    words: str
    axis: str = "unit"


class Regime(NamedTuple):
    """What settings mean, known before the first step: a name, a sentence, an alarm or not, a line more, a cure."""

    kind: str
    words: str
    alarm: bool = False
    note: str = ""
    cure: str = ""  # what to do where a run diverges, a setting as {phi}


class Step(NamedTuple):
    """A step on one sample, not yet taken.

    h, z       the next state and costate; {} and None for a learner or a network without
    output     y, the caller's own: no part of a state
    loss       L     hamiltonian  H', where the order of the learner evaluates them
    dtheta     ∂H'/∂θ in the order of θ up to `gain`, None where a weight has none; None: ω and θ stand
    gain, keep ω⁺ = keep ω + gain dtheta
    memory     what the learner carries on beside (h, z, θ, ω), once the step is taken
    longer     {name: what is appended to that list of the memory}, so that a long list is never copied
    """

    h: Tensors
    z: Tensors | None
    output: Tensor
    loss: float
    hamiltonian: float
    dtheta: Sequence[Tensor | None] | None
    gain: float = 1.0
    keep: float = 1.0
    memory: Mapping[str, Any] = {}
    longer: Mapping[str, Any] = {}
