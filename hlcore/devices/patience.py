"""How long a rank waits for another, and who keeps all of them waiting."""

import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import torch.distributed as dist

ARRIVAL = 1800.0  # seconds, as torch itself waits: the bound where patience does not count, far above any slow machine
POLL = 0.005
Silent = tuple[int, int]  # a rank, and the tick since which it is
IDLE = (math.inf, ())


class Patience:
    """Says for whom this rank waits as soon as it has waited for `bound` seconds, in the store that all ranks share.

    gloo gives up a little later (`limit`), and then closes all connections of a rank at once: whoever sees them close
    must know by then whether that rank died or had waited too long itself.

    bound   the user's patience from `begin` on, while all ranks tick; until then, and where a rank has other things to
            do (`unhurried`), only what no machine is too slow for
    """

    def __init__(self, store: dist.Store, rank: int, seconds: float) -> None:
        self.store, self.rank, self.seconds, self.bound = store, rank, seconds, ARRIVAL
        self._waiting: tuple[float, Sequence[Silent]] = IDLE  # since when, for whom
        self._over = threading.Event()

    @property
    def limit(self) -> float:
        """Seconds after which a wait ends: time enough to speak before."""
        return 1.1 * self.bound + 0.5

    def watch(self) -> None:
        """Begin to look how long this rank waits."""
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self) -> None:
        """From here on the user's patience counts."""
        self.bound = self.seconds

    def end(self) -> None:
        self._over.set()

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Inside, patience does not count."""
        bound, self.bound = self.bound, ARRIVAL
        yield
        self.bound = bound

    def wait(self, peers: Sequence[int], tick: int) -> float:
        """This rank waits for these from now on; the clock."""
        now = time.monotonic()
        self._waiting = now, [(peer, tick) for peer in peers]
        return now

    def rest(self) -> None:
        self._waiting = IDLE

    def culprit(self, peers: Sequence[int], tick: int, waited: float) -> tuple[Silent, bool]:
        """Who keeps the others waiting, and whether by silence; if not, its connection closed.

        Follow who waits for whom to a rank that waits for nobody. One that waits now gives up as well, and says so,
        before as much time has passed again.
        """
        ahead, seen = [(peer, tick) for peer in peers], {self.rank}
        lost = ahead[0]
        if waited >= self.bound:
            self._say(ahead)
        elif self._awaited(lost, 0.0) is None:
            return lost, False
        while ahead:
            lost = ahead.pop(0)
            if lost[0] not in seen:
                seen.add(lost[0])
                further = self._awaited(lost, self.bound)
                if further is None:
                    break
                ahead += further
        return lost, True

    def _watch(self) -> None:
        while not self._over.wait(min(0.1, self.seconds / 10)):
            since, silent = self._waiting
            if time.monotonic() - since > self.bound:
                self._say(silent)

    def _say(self, silent: Sequence[Silent]) -> None:
        with suppress(RuntimeError):
            self.store.set(f"waits/{self.rank}", json.dumps(silent))

    def _awaited(self, rank: Silent, seconds: float) -> list[Silent] | None:
        """For whom a rank says that it waits, within some seconds; None if it says nothing, or did so ticks ago."""
        key, end = f"waits/{rank[0]}", time.monotonic() + seconds
        try:
            while not self.store.check([key]):
                if time.monotonic() >= end or self.store.check(["fault"]):
                    return None
                time.sleep(POLL)
            awaited = [(peer, tick) for peer, tick in json.loads(self.store.get(key))]
        except RuntimeError:  # the store itself is gone
            return None
        return awaited if all(tick >= rank[1] - 1 for _, tick in awaited) else None  # neighbours are a tick apart
