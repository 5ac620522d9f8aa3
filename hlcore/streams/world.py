"""A stream that answers: its next sample depends on what the learner did."""

import copy
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import HLError, bad, share, whole
from ..law.sample import Sample
from .plain import plain, unplain
from .stream import Stream

ACTION, MOVE, START = range(3)  # what a generator of step k is for


class Move(NamedTuple):
    """The move made last: from which state, the action, its reward, and 1, or 0 where it ended an episode."""

    state: Any
    action: int
    reward: float
    alive: float


class World(Stream):
    """Sample k is fixed by the seed and by what was done at steps 0 … k-1: `act` on its output, then ask for k + 1.

    u = (x(s_{k-1}), x(s_k)), (1, 2, d);  target = (a, r, alive) of the move between them, (1, 3), where alive is -1
    before the first move and 0 for one that ended an episode; s_k is then a fresh start. The output, (1, 2, actions),
    is learned in row 0 and acted on in row 1. Every sample has end=True: the pairs stand by themselves.

    explore  chance of an action drawn at random instead of the best one, in [0, 1]

    A subclass writes `begin`, `move`, `features` and perhaps `allowed` and `names`, what its actions are called. A
    state is a tuple (or list, dict) of numbers, strings and arrays, so that it can be written down. All chance comes
    from the generators that are passed, which are made from (seed, step): a world keeps no generator of its own, and
    `state` is small.
    """

    answers = True
    names: tuple[str, ...] = ()

    def __init__(self, seed: int = 0, explore: float = 0.1) -> None:
        self.seed, self.explore = whole("seed", seed, 0), share("explore", explore)
        self.dtype = torch.get_default_dtype()
        self.by_hand: dict[int, int] = {}  # {step: the action that somebody takes in the learner's place}
        self._place: tuple[int, Any, Move | None] | None = None  # (k, s_k, the move into it); None: not begun

    @abstractmethod
    def begin(self, rng: np.random.Generator) -> Any:
        """The state in which an episode begins."""

    @abstractmethod
    def move(self, state: Any, action: int, rng: np.random.Generator) -> tuple[float, Any, bool]:
        """(reward, next state, whether the episode has ended)."""

    @abstractmethod
    def features(self, state: Any) -> Any:
        """x(s), a 1-D array of numbers."""

    def allowed(self, state: Any) -> Any:
        """Mask of the actions that can be taken; None: all."""
        return None

    @property
    def k(self) -> int:
        """The step at which the world is."""
        return self._at()[0]

    @property
    def now(self) -> Any:
        """s_k."""
        return self._at()[1]

    @property
    def last(self) -> Move | None:
        """The move into s_k; None before the first."""
        return self._at()[2]

    def sample(self, k: int) -> Sample:
        """Sample k, if the world is there."""
        here, now, last = self._at()
        if k != here:
            mend = "call act(output) after each step" if k > here else "restore a state, or begin anew with reset()"
            raise bad("world index", k, f"{here}, the step at which this world is", mend)
        before, action, reward, alive = last or Move(now, 0, 0.0, -1.0)
        u = np.stack([self._features(before), self._features(now)])
        told = torch.tensor([[float(action), reward, alive]], dtype=self.dtype)
        return Sample(torch.from_numpy(u).to(self.dtype)[None], told)

    def act(self, output: Tensor) -> None:
        """Take the action that the output of sample k asks for: the best of row 1 (of equals by chance), or any.

        A move in `by_hand` goes before. Raises HLError, and stays where it is, for an output that is no such row and
        where no action is allowed.
        """
        values, told = self._values(output), self.by_hand.get(self.k)
        self.take(self._choice(values, self._rng(self.k, ACTION)) if told is None else _free(told, values, self.names))

    def take(self, action: int) -> None:
        """Make this move, whoever chose it: the output of `act`, or a person."""
        k, now, _ = self._at()
        made = self.move(copy.deepcopy(now), action, self._rng(k, MOVE))
        if not isinstance(made, tuple) or len(made) != 3 or not np.isfinite(made[0]):
            raise bad(f"{type(self).__name__}.move", repr(made), "(a finite reward, the next state, ended)")
        reward, following, ended = made
        if ended:
            following = self.begin(self._rng(k, START))
        self._place = k + 1, following, Move(now, action, float(reward), 0.0 if ended else 1.0)

    def reset(self, seed: int | None = None) -> None:
        """Begin anew, from the same seed or another."""
        self.seed = self.seed if seed is None else whole("seed", seed, 0)
        self._place = None

    def state(self) -> Any:
        """Everything that the next samples depend on, as JSON has it."""
        k, now, last = self._at()
        what = f"state of {type(self).__name__}"
        told = None if last is None else [plain(part, what) for part in last]
        return {"seed": self.seed, "explore": self.explore, "k": k, "now": plain(now, what), "last": told}

    def restore(self, state: Any) -> None:
        """Go back to where `state` was told; the next samples are the same to the bit."""
        try:
            last = None if state["last"] is None else Move(*map(unplain, state["last"]))
            self._place = whole("k", state["k"], 0), unplain(state["now"]), last
            self.seed, self.explore = state["seed"], state["explore"]
        except (TypeError, KeyError, ValueError) as error:
            raise bad(f"state of {type(self).__name__}", repr(state)[:60], "what state() told") from error

    def __iter__(self) -> Iterator[Sample]:
        """Walk on from where the world is."""
        return self.since(self.k)

    def _at(self) -> tuple[int, Any, Move | None]:
        if self._place is None:
            start = self.begin(self._rng(0, START))
            plain(start, f"state of {type(self).__name__}")  # told at the beginning, not at the first snapshot
            self._place = 0, start, None
        return self._place

    def _rng(self, k: int, what: int) -> np.random.Generator:
        words = self.seed, what, k
        if max(words) < 1 << 32:  # the same generator; numpy takes four times as long to see that they are words
            return np.random.default_rng(np.array(words, np.uint32))
        return np.random.default_rng(words)

    def _features(self, state: Any) -> np.ndarray:
        x = np.asarray(self.features(state), dtype=float)
        if x.ndim != 1 or not np.isfinite(x).all():
            raise bad(f"{type(self).__name__}.features", f"{x.tolist()}", "finite numbers in one axis")
        return x

    def _values(self, output: Any) -> np.ndarray:
        """Row 1 of an output, -inf where an action is not allowed."""
        y = output.detach().cpu().double().numpy() if isinstance(output, Tensor) else np.asarray(output, float)
        if y.ndim != 3 or y.shape[:2] != (1, 2) or not y.shape[2]:
            raise bad("output to act on", f"shape {y.shape}", "(1, 2, actions)", "u has two rows, so has the output")
        if not np.isfinite(y).all():
            raise HLError("output to act on: got inf or nan, expected finite numbers; the world stays where it is.")
        values, mask = y[0, 1].copy(), self.allowed(self._at()[1])
        if mask is not None:
            mask = np.asarray(mask, dtype=bool)
            if mask.shape != values.shape:
                raise bad("allowed", f"a mask of shape {mask.shape}", f"one of {values.shape}, one entry per action")
            if not mask.any():
                raise bad("allowed", "no action at all", "at least one", "let move() say that the episode has ended")
            values[~mask] = -np.inf
        return values

    def _choice(self, values: np.ndarray, rng: np.random.Generator) -> int:
        """ε-greedy; ties are broken by chance."""
        free = rng.random() < self.explore
        return int(rng.choice(np.flatnonzero(values > -np.inf if free else values == values.max())))


def _free(action: int, values: np.ndarray, names: tuple[str, ...]) -> int:
    """`action`, if it is one and can be taken here."""
    if not 0 <= action < len(values) or values[action] == -np.inf:
        free = [names[a] if names else str(a) for a in np.flatnonzero(values > -np.inf)]
        named = names[action] if 0 <= action < len(names) else action
        raise bad("move", named, f"one that can be made here: {', '.join(free)}")
    return action
