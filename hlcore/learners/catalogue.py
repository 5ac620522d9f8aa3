"""The list of learners."""

from collections.abc import Callable
from typing import TypeVar

from ..errors import bad, kind, known
from ..lists import import_all, in_order, is_of
from .base import BaseLearner

L = TypeVar("L", bound=type[BaseLearner])
_LEARNERS: dict[str, type[BaseLearner]] = {}


def register(name: str) -> Callable[[L], L]:
    """Put a learner on the list: `experiments.get(…, learner=name)` makes it, the Cockpit plays and races it."""

    def put(learner: L) -> L:
        if not isinstance(learner, type) or not issubclass(learner, BaseLearner):
            raise bad("register", repr(learner), "a subclass of hlcore.learners.BaseLearner")
        if not is_of(learner.__module__, __package__):
            import_all(__package__)  # their names are taken
        there = _LEARNERS.get(kind("name", name, str, "a text"))
        if there is not None and (there.__module__, there.__qualname__) != (learner.__module__, learner.__qualname__):
            raise bad("learner", f"a second {name!r}", "names used once")
        learner.name = name
        _LEARNERS[name] = learner
        return learner

    return put


def listed() -> dict[str, type[BaseLearner]]:
    """All learners by name: "hamiltonian", those of hlcore in the order of their files, then others as they came."""
    found = in_order(_LEARNERS, __package__, lambda learner: learner.__module__)
    return {"hamiltonian": found.pop("hamiltonian"), **found}


def names() -> list[str]:
    """The names of all learners; "hamiltonian" is the first."""
    return list(listed())


def get(name: str) -> type[BaseLearner]:
    """The learner `name`; HLError with the nearest name if there is none."""
    if isinstance(name, str) and name in _LEARNERS:
        return _LEARNERS[name]  # no other file is imported for it
    return _LEARNERS[known("learner", name, listed())]
