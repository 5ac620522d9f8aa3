"""How many ticks a second a chain over many devices makes, from what compute and links cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..errors import bad, number, whole
from ..records.columns import Dataset
from .balance import balanced, owned


@dataclass(frozen=True)
class Costs:
    """Seconds per tick of each rank until its state is sent, from there until its costate is sent, and for the rest."""

    forward: tuple[float, ...]
    backward: tuple[float, ...]
    update: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.forward) == len(self.backward) == len(self.update) > 0:
            raise bad("Costs", "lists of unequal length or none", "one number per rank in each")
        for name in ("forward", "backward", "update"):
            object.__setattr__(self, name, tuple(number(name, x) for x in getattr(self, name)))

    @classmethod
    def of(cls, lanes: Dataset) -> Self:
        """What a run showed: means over its ticks, which add up as a pace does, without the time spent waiting."""
        moment = lanes.moment.values
        begun, forward, backward, done = (moment[:, :, list(lanes.phase.values).index(p)] for p in PHASES)
        parts = (forward - begun, backward - forward, begun[:, 1:] - done[:, :-1])
        return cls(*(tuple(float(x) for x in np.mean(part, axis=1)) for part in parts))

    def spread(self, ranks: int, each: float = 0.0) -> Self:
        """These costs, of one group each, put together on fewer ranks, as well balanced as can be.

        each    seconds that a rank spends in every tick before its forward, however few its groups: its own walk
                along the stream, its part in the messages
        """
        own = owned(self.balance(ranks))
        parts = ((sum(x[i] for i in groups) for groups in own) for x in (self.forward, self.backward, self.update))
        forward, backward, update = (tuple(part) for part in parts)
        return type(self)(tuple(number("each", each) + x for x in forward), backward, update)

    def balance(self, ranks: int) -> tuple[int, ...]:
        """Groups per rank, such that the slowest is as fast as can be."""
        return balanced([sum(parts) for parts in zip(self.forward, self.backward, self.update, strict=True)], ranks)


PHASES = ("begun", "forward", "sent", "done")


def ticks_per_second(
    costs: Costs, link: float = 0.0, cores: int | None = None, ticks: int = 200, slowdown: float = 1.0
) -> float:
    """The pace of all ranks together, when `ticks` have shown it.

    A rank begins tick k + 1 when it is done with tick k and has heard, from below, the state and, from above, the
    costate of tick k, each `link` seconds after it was sent. There is no other order, so no bubble: with a free link
    the slowest rank sets the pace. Ranks that share `cores` are slower by ranks / cores, at best; what as many
    independent processes at once lose beside one alone (cores, memory and clock shared) is better measured: `slowdown`.
    """
    share = max(1.0, len(costs.forward) / whole("cores", cores)) if cores is not None else 1.0
    share *= number("slowdown", slowdown, positive=True)
    forward, backward, update = (share * np.array(x) for x in (costs.forward, costs.backward, costs.update))
    link, begun = number("link", link), np.zeros(len(forward))
    middle = 0.0
    for k in range(whole("ticks", ticks, 2)):
        if k == ticks // 2:
            middle = float(begun.max())
        state = begun + forward
        sent = state + backward
        done = sent.copy()
        done[1:] = np.maximum(done[1:], state[:-1] + link)
        done[:-1] = np.maximum(done[:-1], sent[1:] + link)
        begun = done + update
    return (ticks - ticks // 2) / max(float(begun.max()) - middle, 1e-12)


def scaling(group: Sequence[float], devices: Sequence[int], link: float) -> list[float]:
    """Ticks per second of a chain of one such group per device: (forward, backward, update) seconds of a group."""
    forward, backward, update = group
    return [ticks_per_second(Costs((forward,) * n, (backward,) * n, (update,) * n), link) for n in devices]
