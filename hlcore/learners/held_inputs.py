"""Learners that hold the inputs of a sequence, not its states, and run them again where it ends."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..declared import BaseSettings, setting
from ..errors import HLError, whole
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.settings import WeightSettings
from .base import BaseLearner
from .reversed_stream import advance, first_state
from .terms import Step

LONGEST = 1_000_000  # tokens


def tokens_or_none(name: str, value: Any) -> int | None:
    """None, or a whole number >= 1."""
    return None if value is None else whole(name, value)


@dataclass(frozen=True)
class TurnSettings(WeightSettings):
    """The weights' settings, and

    every   k: learn every k tokens, too, from the losses and paths since the last time; None: at an end only
    """

    every: int | None = setting(None, "k", "learn every", "tokens", tokens_or_none, scale="whole")


class HeldInputs(BaseLearner):
    """The state moves on, the weights stand; at an end, or every k tokens, `_gradient` runs the held tokens again.

    ω⁺ = (1-τη) ω + τφ g.  memory: tokens (u, ŷ, dt) since the last time, start (the state they began from; {}: a
    sequence's own). Each token is learned from once: paths that reach back beyond the last time are cut.
    """

    settings_type = TurnSettings

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.memory = {"tokens": [], "start": {}}

    @classmethod
    def settings_from(cls, settings: BaseSettings) -> BaseSettings:
        """What both have, with turns for streams without end."""
        found = cls.settings_type.of(settings)
        return found if hasattr(settings, "every") else found.replace(every=20)

    def propose(self, sample: Sample) -> Step:
        """The state moves on; at a turn the gradient is found."""
        c, tokens = self.numbers(sample), self.memory["tokens"]
        h = first_state(self.law, sample) if self._h is None else self._h
        start = self.memory["start"] if tokens else {} if self._h is None else dict(self._h)
        seen, after, y = advance(self.law, sample, h, c.tau, 1.0)
        L = self.law.loss(y, sample.target)
        loss = 0.0 if L is None else float(L)
        token = seen.u, seen.target, c.tau
        step = Step(after, None, y, loss, c.phi * loss, None, c.tau * c.phi, 1 - c.tau * c.eta)
        if sample.end or (c.every is not None and len(tokens) + 1 >= c.every):
            held = [Sample(u, target, dt=dt) for u, target, dt in (*tokens, token)]
            found = self._gradient(held, start or first_state(self.law, held[0]), c)
            return step._replace(dtheta=[found[name] for name in self.law.names], memory={"tokens": [], "start": {}})
        if len(tokens) >= LONGEST:
            raise HLError(f"{type(self).__name__}: got an endless sequence; learn every k tokens, or mark ends.")
        return step._replace(memory={"start": start}, longer={"tokens": token})

    @abstractmethod
    def _gradient(self, held: Sequence[Sample], start: State, c: Any) -> Tensors:
        """dΣL/dθ of the held tokens."""
