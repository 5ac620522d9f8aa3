"""A run and its forks: a small tree of runs that share a past, compared pairwise, and told in one line."""

import math
import time
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import HLError, bad, known
from ..experiments import differing
from ..records.columns import Dataset
from . import state_string
from .run import Run

MOST = 5  # forks of a tree
TRUNK = "run"  # the name of what the forks come from


@dataclass
class Fork:
    """A run that was `of` up to step `at`, and what it is called.

    pinned  it does not go when there are too many     error  what stopped it, or None
    """

    name: str
    run: Run
    of: str
    at: int
    pinned: bool = False
    error: HLError | None = None


class Forks:
    """The forks of a run by name, in the order in which they were made; the run itself is called "run".

    A fork goes as far as the run does: `catch_up` takes its steps. Beyond MOST the oldest that is not pinned goes.
    """

    def __init__(self, trunk: Run) -> None:
        self.trunk = trunk
        self.made: dict[str, Fork] = {}

    def __len__(self) -> int:
        return len(self.made)

    def run(self, name: str) -> Run:
        """The run of that name."""
        known("fork", name, [TRUNK, *self.made])
        return self.trunk if name == TRUNK else self.made[name].run

    def grow(self, steps: int | None = None, of: str = TRUNK, name: str = "", **changes: Any) -> Fork:
        """A fork of a run at one of its steps (None: now) with other settings, called by what was changed.

        Raises HLError for a step that never was, a bad setting, a name that is taken, and where all there may be are
        pinned.
        """
        taken = [TRUNK, *self.made]
        if name in taken:
            raise bad("fork", repr(name), "a name that is not taken", f"there are {', '.join(taken)}")
        free = [x for x in self.made if not self.made[x].pinned]
        if len(self) == MOST and not free:
            raise bad(
                "fork", f"a {MOST + 1}th one", f"at most {MOST}, of which one is not pinned", "delete or unpin one"
            )
        run = self.run(of).fork(steps, **changes)
        about = run.settings.about()
        told = ", ".join(
            f"{about[k].letter} = {v:.3g}" if isinstance(v, float) else f"{about[k].letter} = {v}"
            for k, v in changes.items()
        )
        told = name or told or "fork"
        if len(self) == MOST:
            self.delete(free[0])
        numbers = (told if n == 1 else f"{told} ({n})" for n in range(1, MOST + 3))
        fork = Fork(next(x for x in numbers if x not in [TRUNK, *self.made]), run, of, run.learner.steps)
        self.made[fork.name] = fork
        return fork

    def delete(self, name: str) -> None:
        """Let a fork go; what came from it comes from where it came from, and left there when it did."""
        known("fork", name, self.made)
        gone = self.made.pop(name)
        for fork in self.made.values():
            if fork.of == name:
                fork.of, fork.at = gone.of, gone.at

    def pin(self, name: str, pinned: bool = True) -> None:
        """Keep a fork when there are too many, or let it go again."""
        known("fork", name, self.made)
        self.made[name].pinned = pinned

    def rooted(self, name: str) -> Self:
        """The same runs with that fork as the trunk; what was the trunk is a fork of it, "before NAME"."""
        root = self.made[known("fork", name, self.made)]
        if root.of != TRUNK:
            return self.rooted(root.of).rooted(name)
        tree, taken = type(self)(root.run), [TRUNK, *self.made]
        old = next(x for n in range(1, MOST + 2) if (x := f"before {name}" + f" ({n})" * (n > 1)) not in taken)
        tree.made[old] = Fork(old, self.trunk, TRUNK, root.at, True)
        for fork in self.made.values():
            if fork is not root:
                later = fork.of == TRUNK and fork.at > root.at
                of = old if later else TRUNK if fork.of == name else fork.of
                tree.made[fork.name] = Fork(fork.name, fork.run, of, fork.at, fork.pinned, fork.error)
        return tree

    def behind(self) -> list[Fork]:
        """Those that have still to come as far as the run is, the farthest behind first."""
        left = [f for f in self.made.values() if f.error is None and f.run.learner.steps < self.trunk.learner.steps]
        return sorted(left, key=lambda fork: fork.run.learner.steps)

    def catch_up(self, seconds: float) -> None:
        """Steps for about so long, until all forks are where the run is; one that diverges stands still."""
        end = time.perf_counter() + seconds
        while (left := self.behind()) and (rest := end - time.perf_counter()) > 0:
            for fork in left:
                try:
                    fork.run.learn(rest / len(left), self.trunk.learner.steps - fork.run.learner.steps)
                except HLError as error:
                    fork.error = error

    def compare(self, a: str, b: str = TRUNK) -> Dataset:
        """b - a over the steps that both have on record, see `difference`."""
        return difference(self.run(a), self.run(b))

    def apart(self, name: str) -> float:
        """max |Δθ| from the trunk, now; nan while the fork is behind it, or has other weights."""
        one, other = self.run(name).learner, self.trunk.learner
        a, b = one.traced()["theta"], other.traced()["theta"]
        if one.steps != other.steps or a.keys() != b.keys():
            return math.nan
        return max((float((b[k] - x).detach().abs().max()) for k, x in a.items() if x.numel()), default=0.0)

    def state_string(self) -> str:
        """The run with all its forks, in one line."""
        told = [
            [
                f.name,
                f.of,
                f.at,
                f.pinned,
                f.run.learner.steps,
                self._start(f) + state_string.changes(f.run, f.at),
            ]
            for f in self.made.values()
        ]
        return state_string.written(self.trunk, told)

    def _start(self, fork: Fork) -> list[Any]:
        """What a fork of step 0 began with."""
        change = {} if fork.at else differing(self.run(fork.of).start, fork.run.start)
        return [[0, {k: state_string.plain(k, v) for k, v in change.items()}]] if change else []

    @classmethod
    def from_state(cls, text: str) -> Self:
        """The tree of a state string, every run stepped to where it was."""
        tree = cls(Run.from_state(text))
        for name, of, at, pinned, steps, changes in state_string.parsed(text).get("forks", []):
            fork = tree.grow(at, of, name)
            state_string.replayed(fork.run, changes, steps)
            fork.pinned = pinned
        return tree


def difference(a: Run, b: Run) -> Dataset:
    """b - a over the steps that both have on record, as a Dataset over time; nothing where they have no step in common.

    loss, hamiltonian, output, and of the learners' quantities h, z, θ, ω those that both have, entry by entry;
    gap is max |Δθ|.
    """
    import xarray

    one, other = a.recorder, b.recorder
    steps, i, j = np.intersect1d(one.window("step"), other.window("step"), return_indices=True)
    data: dict[str, Any] = {k: ("time", other.window(k)[j] - one.window(k)[i]) for k in ("loss", "hamiltonian")}
    coords: dict[str, Any] = {"step": ("time", steps.astype(np.int64)), "time": one.window("t")[i]}
    for trace, axis in one.axes.items():
        if trace != "target" and one.names(trace) == other.names(trace):
            data[trace] = ("time", axis), other.window(trace)[j] - one.window(trace)[i]
            coords[axis] = np.asarray(one.names(trace), dtype=str)
    if "theta" in data:
        data["gap"] = "time", np.abs(data["theta"][1]).max(1, initial=0.0)
    return xarray.Dataset(data, coords)
