"""Rooms with doors and, somewhere, a coin."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ...errors import number, share, whole
from ...law.sample import Sample
from ..world import World
from .logic import action_bounds

WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))
ACTIONS = ("north", "south", "east", "west", "take")
TAKE = 4


class Rooms(World):
    """A chain of rooms, the coin in the last; a new map each episode, which ends with the coin or after `moves`.

    length     rooms on the way, so many moves at best     dead_ends  True: every room before the last has one beside
    rules      what is held true of actions, see `action_bounds`; the bounds go with the target, (a, r, alive, L …, U …)
    hard       True: what they forbid is not allowed; where that is everything, nothing is done (it stands still)
    guidance   chance of a move drawn from what they recommend, in [0, 1]
    temperature  of a policy that draws ∝ exp(y/T); None: ε-greedy

    x = (found ×4, visited ×4, coin, 1), as the text games tell it (TextWorld's coin collector is the model, ours the
    code): no door and no room seen count as false. Actions: go north, south, east, west, take.
    """

    names = ACTIONS

    def __init__(
        self,
        length: int = 6,
        dead_ends: bool = False,
        rules: Iterable[str] = (),
        hard: bool = False,
        guidance: float = 0.0,
        temperature: float | None = None,
        moves: int = 50,
        seed: int = 0,
        explore: float = 0.1,
    ) -> None:
        super().__init__(seed, explore)
        self.path, self.dead_ends, self.hard, self.moves = whole("length", length, 2), dead_ends, hard, moves
        self.rules, self.guidance = tuple(rules), share("guidance", guidance)
        self.temperature = None if temperature is None else number("temperature", temperature, positive=True)
        _crisp(bytes(9), self.rules)  # an unknown rule is told here

    def begin(self, rng: np.random.Generator) -> Any:
        places = [(0, 0)]
        while len(places) < self.path:
            free = [to for to in _beside(places[-1]) if to not in places]
            if not free:
                return self.begin(rng)  # walked into itself
            places.append(free[rng.integers(len(free))])
        doors = list(zip(range(self.path - 1), range(1, self.path), strict=True))
        for k in range(self.path - 1 if self.dead_ends else 0):
            free = [to for to in _beside(places[k]) if to not in places]
            if free:
                doors.append((k, len(places)))
                places.append(free[rng.integers(len(free))])
        behind = np.full((len(places), 4), -1)
        for a, b in doors:
            step = (places[b][0] - places[a][0], places[b][1] - places[a][1])
            behind[a, WAYS.index(step)] = b
            behind[b, WAYS.index((-step[0], -step[1]))] = a
        seen = np.zeros(len(places), bool)
        seen[0] = True
        return {"places": np.array(places), "behind": behind, "at": 0, "seen": seen, "moves": 0}

    def move(self, state: Any, action: int, rng: np.random.Generator) -> tuple[float, Any, bool]:
        at, taken = state["at"], False
        if not self.hard or self.bounds(state)[action, 1] >= 0.5:
            taken = action == TAKE and at == self.path - 1
            if action != TAKE and state["behind"][at, action] >= 0:
                at = int(state["behind"][at, action])
        state["at"], state["moves"] = at, state["moves"] + 1
        state["seen"][at] = True
        return float(taken), state, taken or state["moves"] >= self.moves

    def features(self, state: Any) -> np.ndarray:
        return np.append(self.facts(state), 1.0)

    def facts(self, state: Any) -> np.ndarray:
        """found ×4, visited ×4, coin: (9,) of truths."""
        behind = state["behind"][state["at"]]
        found, coin = behind >= 0, state["at"] == self.path - 1
        return np.concatenate([found, found & state["seen"][behind], [coin]])

    def bounds(self, state: Any) -> np.ndarray:
        """[L_a, U_a] of the five actions, as the rules have it."""
        return _crisp(self.facts(state).tobytes(), self.rules)

    def allowed(self, state: Any) -> Any:
        if not self.hard:
            return None
        mask = self.bounds(state)[:, 1] >= 0.5
        return mask if mask.any() else None

    def sample(self, k: int) -> Sample:
        told = super().sample(k)
        bounds = torch.from_numpy(self.bounds(self.now).T.reshape(1, -1)).to(self.dtype)
        return Sample(told.u, torch.cat([told.target, bounds], 1))

    def _choice(self, values: np.ndarray, rng: np.random.Generator) -> int:
        if self.guidance and rng.random() < self.guidance:
            wanted = np.flatnonzero((self.bounds(self.now)[:, 0] > 0.5) & (values > -np.inf))
            if len(wanted):
                return int(rng.choice(wanted))
        if self.temperature is None:
            return super()._choice(values, rng)
        chances = np.exp((values - values.max()) / self.temperature)
        return int(rng.choice(len(values), p=chances / chances.sum()))


@lru_cache(4096)
def _crisp(facts: bytes, rules: tuple[str, ...]) -> np.ndarray:
    """The bounds where every fact is known: 512 sets of facts, told every move."""
    known = np.repeat(np.frombuffer(facts, bool).astype(float)[:, None], 2, 1)
    bounds = action_bounds(known[:4], known[4:8], known[8], rules)
    bounds.flags.writeable = False
    return bounds


def _beside(place: tuple[int, int]) -> list[tuple[int, int]]:
    return [(place[0] + x, place[1] + y) for x, y in WAYS]
