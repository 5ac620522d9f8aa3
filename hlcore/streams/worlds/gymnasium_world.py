"""Any environment of gymnasium with a finite choice of actions, as a world."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import bad
from ..world import World


class Gymnasium(World):
    """`gymnasium.make(name)`: replayed by seed and moves, since an environment cannot be written down.

    name      "CartPole-v1", "FrozenLake-v1", ...     options  told to `gymnasium.make`
    features  observation -> 1-D array; None: one-hot of a Discrete observation, else its numbers and a 1

    A state is (seed of the episode, its moves so far, the observation). Where the environment stands elsewhere,
    after a rewind, the episode is played again up to there: to the bit, as far as the environment keeps to its
    seed. Both of its ends, terminated and truncated, end the episode. Needs the package gymnasium (hlcore[worlds]).
    """

    def __init__(
        self,
        name: str,
        features: Callable[[Any], Any] | None = None,
        seed: int = 0,
        explore: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(seed, explore)
        try:
            import gymnasium
        except ImportError as error:
            raise bad("Gymnasium", "no package gymnasium", "it installed", "pip install gymnasium") from error
        try:
            self.environment = gymnasium.make(name, **options)
        except (gymnasium.error.Error, TypeError) as error:
            raise bad("Gymnasium", repr(name), f"an environment that can be made ({error})") from error
        spaces = gymnasium.spaces
        if not isinstance(self.environment.action_space, spaces.Discrete):
            raise bad("Gymnasium", f"actions {self.environment.action_space}", "a finite choice (Discrete)")
        self.actions = int(self.environment.action_space.n)
        told = self.environment.observation_space
        self._states = int(told.n) if isinstance(told, spaces.Discrete) else None
        self._told = features
        self._there: tuple[int, tuple[int, ...]] | None = None  # the episode and moves at which the environment stands

    def begin(self, rng: np.random.Generator) -> Any:
        episode = int(rng.integers(2**31))
        return episode, (), self._reset(episode)

    def move(self, state: Any, action: int, rng: np.random.Generator) -> tuple[float, Any, bool]:
        episode, moves, _ = state
        if self._there != (episode, moves):
            self._reset(episode)
            for made in moves:
                self.environment.step(made)
        seen, reward, terminated, truncated, _ = self.environment.step(action)
        self._there = episode, (*moves, action)
        return float(reward), (*self._there, np.asarray(seen)), bool(terminated or truncated)

    def features(self, state: Any) -> Any:
        seen = state[2]
        if self._told is not None:
            return self._told(seen)
        return np.r_[seen.ravel(), 1.0] if self._states is None else np.eye(self._states)[int(seen)]

    def _reset(self, episode: int) -> np.ndarray:
        seen, _ = self.environment.reset(seed=episode)
        self._there = episode, ()
        return np.asarray(seen)
