"""Batches of lanes walked at the same time, each by a thread of its own, and left in good order by an interrupt."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import torch

from ..law.settings import Settings
from .lanes import Lanes, Place

AT_ONCE = 16  # steps between two looks at what is finite


class Batch:
    """Some rows of a table, their settings, and the place that they have reached together."""

    def __init__(self, lanes: Lanes, rows: np.ndarray, settings: Sequence[Settings], place: Place) -> None:
        self.lanes, self.rows, self.settings, self.place = lanes, rows, settings, place
        numbers = partial(lanes.numbers, settings)
        now = numbers(place.steps)
        moving = any(callable(getattr(settings[0], name)) for name in lanes.varying)
        self._numbers = numbers if moving else lambda k: now

    def walk(self, until: int, stop: Event) -> None:
        """On to step `until`, or to the next place after `stop`, or until all have diverged."""
        try:
            while self.place.steps < until and not stop.is_set() and bool((self.place.diverged < 0).any()):
                self.place = self.lanes.steps(self.place, self._numbers, min(AT_ONCE, until - self.place.steps))
        except BaseException:
            stop.set()
            raise


def walk(batches: Sequence[Batch], until: int, bar: Any) -> None:
    """All batches, at most as many at once as torch has threads; the bar is told by this thread alone."""
    stop, threads, begun = Event(), torch.get_num_threads(), [batch.place.steps for batch in batches]
    told = bar.n
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            jobs = [pool.submit(batch.walk, until, stop) for batch in batches]
            try:
                waiting = True
                while waiting:
                    waiting = bool(wait(jobs, 0.1).not_done)
                    steps = sum(len(b.rows) * (b.place.steps - k) for b, k in zip(batches, begun, strict=True))
                    bar.update(told + steps - bar.n)
            finally:
                stop.set()
        for job in jobs:
            job.result()
    finally:
        torch.set_num_threads(threads)
