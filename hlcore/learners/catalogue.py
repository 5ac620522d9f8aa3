"""The list of learners."""

from collections.abc import Callable
from typing import TypeVar

from ..errors import bad, kind, known
from .base import BaseLearner

L = TypeVar("L", bound=type[BaseLearner])
_LEARNERS: dict[str, type[BaseLearner]] = {}


def register(name: str) -> Callable[[L], L]:
    """Put a learner on the list: `experiments.get(…, learner=name)` makes it, the Cockpit plays and races it."""

    def put(learner: L) -> L:
        if not isinstance(learner, type) or not issubclass(learner, BaseLearner):
            raise bad("register", repr(learner), "a subclass of hlcore.learners.BaseLearner")
        there = _LEARNERS.get(kind("name", name, str, "a text"))
        if there is not None and (there.__module__, there.__qualname__) != (learner.__module__, learner.__qualname__):
            raise bad("learner", f"a second {name!r}", "names used once")
        learner.name = name
        _LEARNERS[name] = learner
        return learner

    return put


def names() -> list[str]:
    """The names of all learners, in the order in which they were put on the list."""
    return list(_LEARNERS)


def get(name: str) -> type[BaseLearner]:
    """The learner `name`; HLError with the nearest name if there is none."""
    return _LEARNERS[known("learner", name, _LEARNERS)]
