"""Messages between ranks, their greeting, and how a fault is told to all."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import HLError, bad
from .device import CPU, backend, card
from .patience import ARRIVAL, POLL, Patience
from .transport import Carrier, Parcel

HOST = "127.0.0.1"  # of workers on this machine


class Lost(HLError):
    """A rank of a run over devices fell out: `rank` and `tick` say which and when."""

    def __init__(self, text: str, rank: int, tick: int) -> None:
        self.rank, self.tick = rank, tick
        super().__init__(text)


class Wire:
    """One rank's messages to the others, and the store that all of them share.

    A wait that fails never hangs and never guesses: the first rank to notice writes down who was lost and when,
    before it leaves; every other rank finds its own waits failing in turn, and reads that.

    Only ticks are paced: patience counts from the end of the first one on, and not while a checkpoint is written. All
    else waits for an event: a word in the store, a message, a process or a connection that ended.
    """

    def __init__(self, store: dist.Store, rank: int, world: int, patience: float, staged: bool = False) -> None:
        self.store, self.rank, self.world = store, rank, world
        self.patience = Patience(store, rank, patience)
        self._carrier = Carrier(staged)
        self._sending: list[Parcel] = []

    def greet(self, greeting: Mapping[str, str]) -> None:
        """Exchange greetings; HLError on every rank when one of them is absent or differs from rank 0's."""
        hellos = self.shared("hello", dict(greeting))
        for rank, hello in enumerate(hellos):
            for what in hellos[0] | hello:
                got, expected = hello.get(what), hellos[0].get(what)
                if got != expected:
                    mend = "start all ranks with the same command and the same installation"
                    raise bad("devices", f"{what} {got} on rank {rank}", f"{expected} as on rank 0", mend)

    def give(self, key: str, value: Any) -> None:
        self.store.set(key, json.dumps(value))

    def given(self, key: str, giver: int, tick: int = 0) -> Any:
        """What a rank gives, awaited until it comes, a process ends or a fault is told."""
        end = time.monotonic() + ARRIVAL
        try:
            while not self.store.check([key]):
                if self.store.check(["ended"]):
                    self._lost(int(self.store.get("ended")), tick, "its process ended")
                if self.store.check(["fault"]) or time.monotonic() > end:
                    text = f"rank {giver} was lost at tick {tick}: got no word of it in {ARRIVAL:g} s, expected "
                    self.stop(text + f"{key!r}; start all ranks.", giver, tick)
                time.sleep(POLL)
            return json.loads(self.store.get(key))
        except RuntimeError as error:
            self._failed([giver], tick, error, 0.0)

    def shared(self, what: str, value: Any, tick: int = 0) -> list[Any]:
        """What each rank tells of itself, from all of them."""
        self.give(f"{what}/{self.rank}", value)
        return [self.given(f"{what}/{rank}", rank, tick) for rank in range(self.world)]

    def connect(self, tick: int, device: torch.device = CPU) -> None:
        """Open the connections between all ranks."""
        self.shared("ready", tick, tick)
        by = backend(self.shared("card", card(device), tick), dist.is_nccl_available())
        group = dist.PrefixStore("group", self.store)
        try:
            self._carrier.open(by, group, self.rank, self.world, device, ARRIVAL)
        except RuntimeError as error:
            self._failed([self.rank], tick, error, 0.0)
        self.patience.watch()

    def assemble(self, tick: int) -> None:
        """Go on when all ranks are here, between two ticks; one that dies on its way is noticed by its connection."""
        here = partial(torch.zeros, 1, dtype=torch.uint8)
        with self.patience.unhurried():
            for source in [] if self.rank else range(1, self.world):
                self.receive(here(), source, tick)
            for other in [0] if self.rank else range(1, self.world):
                self.send(here(), other, tick)
            self.flush(tick)
            if self.rank:
                self.receive(here(), 0, tick)

    def gathered(self, data: bytes, tick: int, ranks: int | None = None) -> list[bytes]:
        """The bytes of the first `ranks` (None: all) on rank 0, nothing on the others; patience does not count."""
        ranks = self.world if ranks is None else ranks
        with self.patience.unhurried():
            if self.rank == 0:
                sizes = [int(self.receive(torch.empty(1, dtype=torch.int64), r, tick)) for r in range(1, ranks)]
                spaces = [torch.empty(size, dtype=torch.uint8) for size in sizes]
                return [data, *(self.receive(x, r, tick).numpy().tobytes() for r, x in enumerate(spaces, 1))]
            if self.rank < ranks:
                for part in (torch.tensor([len(data)]), torch.frombuffer(bytearray(data), dtype=torch.uint8)):
                    self.send(part, 0, tick)
                    self.flush(tick)
            return []

    def send(self, tensor: Tensor, to: int, tick: int) -> None:
        """Begin to send; the next `flush` waits for it."""
        try:
            self._sending.append(self._carrier.send(tensor, to))
        except RuntimeError as error:
            self._failed([to], tick, error, 0.0)

    def expect(self, space: Tensor, source: int, tick: int) -> Parcel:
        try:
            return self._carrier.receive(space, source)
        except RuntimeError as error:
            self._failed([source], tick, error, 0.0)

    def arrived(self, parcel: Parcel, tick: int) -> None:
        """Wait for what `expect` or `send` began."""
        began = self.patience.wait(parcel.peers, tick)
        try:
            parcel.wait(timedelta(seconds=self.patience.limit))
        except RuntimeError as error:
            self._failed(parcel.peers, tick, error, time.monotonic() - began)
        self.patience.rest()

    def receive(self, space: Tensor, source: int, tick: int) -> Tensor:
        self.arrived(self.expect(space, source, tick), tick)
        return space

    def flush(self, tick: int) -> None:
        """Wait until everything sent has left."""
        for parcel in self._sending:
            self.arrived(parcel, tick)
        self._sending.clear()

    def mean(self, flat: Tensor, ranks: list[int], tick: int) -> Tensor:
        """The mean of a vector over some ranks, added in their order, so that all of them get the same bits."""
        parts = {r: flat if r == self.rank else torch.empty_like(flat) for r in ranks}
        others = [r for r in ranks if r != self.rank]
        waiting = [self.expect(parts[r], r, tick) for r in others]
        for r in others:
            self.send(flat, r, tick)
        for parcel in waiting:
            self.arrived(parcel, tick)
        self.flush(tick)
        return torch.stack([parts[r] for r in ranks]).mean(0)

    def stop(self, text: str, rank: int, tick: int, cause: Exception | None = None) -> NoReturn:
        """Write the fault down for all, unless there is one, and raise the first."""
        told = text, rank, tick
        with suppress(RuntimeError, ValueError):  # the store itself may be gone
            told = json.loads(self.store.compare_set("fault", "", json.dumps(told)))
        self.patience.end()
        self._carrier.abort()
        raise Lost(*told) from cause

    def leave(self, tick: int) -> None:
        """Close when all ranks are done: a connection that closes earlier loses its last message."""
        self.shared("done", tick, tick)
        self.patience.end()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _failed(self, peers: Sequence[int], tick: int, error: Exception, waited: float) -> NoReturn:
        (rank, tick), silent = self.patience.culprit(peers, tick, waited)
        why = f"it was silent for {self.patience.bound:g} s" if silent else "its connection closed"
        self._lost(rank, tick, why, "a slow rank needs more patience=" if silent else "start it again", error)

    def _lost(
        self, rank: int, tick: int, why: str, mend: str = "start it again", cause: Exception | None = None
    ) -> NoReturn:
        text = f"rank {rank} was lost at tick {tick}: got no message from it ({why}), expected one per tick; {mend}, "
        self.stop(text + "and resume from the last checkpoint.", rank, tick, cause)
