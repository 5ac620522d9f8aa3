"""A finite world that is known whole."""

from typing import Any

import numpy as np

from ...errors import bad, number, whole
from ..world import World


class MDP(World):
    """Finite states and actions: P(s'|s,a), rewards, features, where episodes begin and what ends them.

    P          (S, A, S), each row a distribution        r  reward of (s, a, s'), of a shape that broadcasts to P's
    features   x(s,a), (S, A, d); None: one-hot, a table      start  (S,), where episodes begin; None: anywhere
    ends       states that end an episode on arrival          levels  moves after which one ends; None: no such limit
    behaviour  (S, A), chances of the actions whatever the output says (off-policy); None: ε-greedy
    bonus      c >= 0: what is learned from is r + c/√(1 + n), n the times that (s, a) was tried before (Strehl and
               Littman 2008); 0: none
    names      what the actions are called

    A state is (s, level), with the counts beside it where there is a bonus. u tells x(s,·) of all actions, flat, so
    that Q(s,a) = x(s,a)·θ (`networks.ActionValues`); with `levels` each level has features of its own.
    """

    def __init__(
        self,
        P: Any,
        r: Any,
        features: Any = None,
        start: Any = None,
        ends: Any = (),
        levels: int | None = None,
        behaviour: Any = None,
        bonus: float = 0.0,
        names: tuple[str, ...] = (),
        seed: int = 0,
        explore: float = 0.1,
    ) -> None:
        super().__init__(seed, explore)
        self.P = _chances("P", P, 3)
        S, A, last = self.P.shape
        if last != S:
            raise bad("P", f"shape {self.P.shape}", "(states, actions, states)")
        try:
            self.r = np.broadcast_to(np.asarray(r, float), self.P.shape)
        except ValueError:
            raise bad("r", f"shape {np.shape(r)}", f"one that broadcasts to {self.P.shape}") from None
        self.X = np.eye(S * A).reshape(S, A, S * A) if features is None else np.asarray(features, float)
        if self.X.ndim != 3 or self.X.shape[:2] != (S, A):
            raise bad("features", f"shape {self.X.shape}", f"({S}, {A}, d)")
        self.ends = np.isin(np.arange(S), ends)
        self.start = _chances("start", np.where(self.ends, 0, 1) / (~self.ends).sum() if start is None else start, 1)
        self.levels = None if levels is None else whole("levels", levels)
        self.behaviour = None if behaviour is None else _chances("behaviour", behaviour, 2)
        self.bonus, self._reached, self.names = number("bonus", bonus), self.P.cumsum(2), tuple(names)

    @property
    def actions(self) -> int:
        """How many there are."""
        return self.P.shape[1]

    @property
    def width(self) -> int:
        """Entries of x(s,a), those of all levels counted."""
        return self.X.shape[2] * (self.levels or 1)

    def begin(self, rng: np.random.Generator) -> Any:
        found = (int(rng.choice(len(self.start), p=self.start)), 0)
        if not self.bonus:
            return found
        return (*found, np.zeros(self.P.shape[:2], int) if self._place is None else self._tried)

    def move(self, state: Any, action: int, rng: np.random.Generator) -> tuple[float, Any, bool]:
        s, level, *counts = state
        to = min(int(self._reached[s, action].searchsorted(rng.random(), "right")), len(self.P) - 1)
        reward = float(self.r[s, action, to])
        if counts:
            reward += self.bonus / np.sqrt(1 + counts[0][s, action])
            counts[0][s, action] += 1
            self._tried = counts[0]  # what `begin` goes on with, if this move ends the episode
        return reward, (to, level + 1, *counts), bool(self.ends[to] or level + 1 == self.levels)

    def features(self, state: Any) -> np.ndarray:
        s, level = state[:2]
        if self.levels is None:
            return self.X[s].ravel()
        x = np.zeros((self.actions, self.levels, self.X.shape[2]))
        x[:, level] = self.X[s]
        return x.ravel()

    def _choice(self, values: np.ndarray, rng: np.random.Generator) -> int:
        if self.behaviour is None:
            return super()._choice(values, rng)
        return int(rng.choice(self.actions, p=self.behaviour[self.now[0]]))


def _chances(name: str, p: Any, axes: int) -> np.ndarray:
    """`p` if its last axis holds distributions."""
    p = np.asarray(p, float)
    if p.ndim != axes or (p < 0).any() or not np.allclose(p.sum(-1), 1):
        raise bad(
            name, f"shape {p.shape}, sums {np.unique(p.sum(-1).round(6))[:4]}", f"{axes} axes, the last sums to 1"
        )
    return p
