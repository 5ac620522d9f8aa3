"""The speed that a person has chosen: how many steps are due by now; and the speed that is reached."""

import math
import time
from collections.abc import Callable


class Pace:
    """Steps a second, infinity for as many as there is time for; what is late is made up for, a fifth of a second.

    rate  steps a second between the last two counts
    """

    def __init__(self) -> None:
        self.speed = math.inf
        self.rate = 0.0
        self._due, self._counted = 0.0, 0.0
        self._steps, self._told = 0, 0.0

    def learn(self, learn: Callable[..., int], seconds: float) -> None:
        """Call learn(seconds, most), which takes at most as many steps as are due and says how many they were."""
        if math.isinf(self.speed):
            learn(seconds)
            return
        now = time.perf_counter()
        self._due = min(self._due + self.speed * (now - self._counted), max(1.0, 0.2 * self.speed))
        self._counted = now
        self._due -= learn(seconds, math.floor(self._due))

    @property
    def since(self) -> float:
        """Seconds since the last count."""
        return time.perf_counter() - self._told

    def count(self, steps: int, playing: bool) -> None:
        """See how many steps there are by now."""
        if playing:
            self.rate = max(0, steps - self._steps) / self.since
        self._steps, self._told = steps, time.perf_counter()
