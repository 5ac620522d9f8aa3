"""H' of the groups that live on one rank, as the law's Euler order takes it: its flow talks to the neighbours."""

import time
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from ..law.arrays import Arrays
from ..law.arrays import moved as stepped
from ..law.flow import Flow, Pulled, Reading
from ..law.hamiltonian import Hamiltonian, derivative
from ..law.network import instantaneous
from ..law.point import Tensors
from ..law.sample import moved
from ..networks.chain import Chain
from .device import Rank
from .transport import Parcel
from .wire import Wire

FORWARD, BACKWARD, SENT, DONE = range(4)  # marks of a tick: when each of them was done


class Groups:
    """Groups own.start + 1 … own.stop of a chain.

    up      h_b⁺, the next state of the last group here, as soon as it is known, before anything is differentiated
    down    ∂H'/∂h_{a-1}, the addend that the first group here gives to the costate of the group below

    H' is a sum over groups, and each h_i stands in two terms of it; so every derivative here has at most two addends,
    one of them from the rank above, and a sum of two does not depend on their order (theorem T8).

    from_below  h_{a-1} as the rank below told it last; None: this rank reads u, or a sequence begins
    marks       when each part of the last tick was done, in seconds
    """

    def __init__(
        self, law: Hamiltonian, chain: Chain, own: range, wire: Wire, rank: Rank, device: torch.device
    ) -> None:
        self.law, self.chain, self.own, self.wire, self.rank, self.device = law, chain, own, wire, rank, device
        self.names = [f"h{i + 1}" for i in own]
        self.from_below: Tensor | None = None
        self.marks = [0.0] * 4
        self.tick, self.fresh, self.ended = 0, True, False

    def at(self, tick: int, fresh: bool, ended: bool) -> Self:
        """For this tick, at the start of a sequence or not, at its end or not."""
        self.tick, self.fresh, self.ended = tick, fresh, ended
        return self

    def read(self, u: Any, h: Tensors, target: Any) -> Reading:
        """A chain has a state: its output is read from the flow."""
        raise NotImplementedError

    def flow(self, u: Any, h: Any, tau: float) -> Flow:
        """(f_i(h_{i-1}) - h_i)/τ of the groups here."""
        return _GroupsFlow(self, u, h, tau)

    def moving(self) -> list[bool]:
        """Which groups of the chain move now; every rank counts the turns."""
        groups = len(self.chain.groups)
        if self.chain.schedule == "parallel":
            return [True] * groups
        turn = 0 if self.fresh else int(self.chain.turn)
        self.chain.turn.fill_((turn + 1) % groups)
        return [i == turn for i in range(groups)]

    def expect(self, like: Tensor | None, source: int | None, wanted: bool) -> tuple[Parcel | None, Tensor | None]:
        if not wanted or like is None or source is None:
            return None, None
        space = torch.empty_like(like, requires_grad=False, memory_format=torch.contiguous_format)
        return self.wire.expect(space, source, self.tick), space


class _GroupsFlow(Flow):
    def __init__(self, groups: Groups, u: Any, h: Tensors, tau: float) -> None:
        self._groups, self.h, self.theta = groups, h, groups.law.theta
        own, rank, fresh, moves = groups.own, groups.rank, groups.fresh, groups.moving()
        self._leaves = {name: x.detach().requires_grad_() for name, x in h.items()}
        below = groups.from_below
        self._read = None if below is None else below.detach().requires_grad_(not fresh)
        self._gives = below is not None and not fresh and moves[own.start]  # an addend, to the rank below
        takes = rank.above is not None and not fresh and moves[own.stop]  # one, from the rank above
        heard = below is not None and not groups.ended and moves[own.start - 1]
        self._news = groups.expect(self._read, rank.below, heard)
        self._addend = groups.expect(self._leaves[groups.names[-1]], rank.above, takes)
        self._live = self._velocity(moved(u, groups.device) if self._read is None else self._read, moves, tau)
        self.v = {name: x.detach() for name, x in self._live.items()}
        if rank.above is not None and moves[own.stop - 1] and not groups.ended:
            last = groups.names[-1]
            after = stepped({last: h[last]}, self.v, tau)[last]
            groups.wire.send(after.contiguous(), rank.above, groups.tick)
        groups.marks[FORWARD] = time.monotonic()

    def read(self, h: Arrays, target: Any) -> Reading:
        """y = h_G and the loss, where the last group lives."""
        y = self._leaves[self._groups.names[-1]]
        L = self._groups.law.loss(y, moved(target, self._groups.device)) if self._groups.rank.above is None else None
        return Reading(y, 0.0 if L is None else L, self.pull)

    def derivative(self, at: Reading, phi: Any, z: Arrays | None) -> Pulled:
        """In one call of the engine; the addends of the neighbours are given and taken."""
        groups, L = self._groups, at.loss
        terms: list[Tensor] = []
        factors: list[Tensor] = []
        if isinstance(L, Tensor) and L.requires_grad:
            terms, factors = [L], [groups.law.factor(L, phi)]
        for name, x in self._live.items():
            if z is not None and x.requires_grad:
                terms.append(x)
                factors.append(z[name])
        told = [self._read] if self._gives and self._read is not None else []
        wrt = [*told, *self._leaves.values(), *self.theta]
        d: Sequence[Tensor | None] = derivative(terms, factors, wrt) if terms else [None] * len(wrt)
        groups.marks[BACKWARD] = time.monotonic()
        if told and groups.rank.below is not None:
            given = torch.zeros_like(told[0]) if d[0] is None else d[0].contiguous()
            groups.wire.send(given, groups.rank.below, groups.tick)
        groups.marks[SENT] = time.monotonic()
        for parcel, _ in (self._news, self._addend):
            if parcel is not None:
                groups.wire.arrived(parcel, groups.tick)
        groups.wire.flush(groups.tick)
        groups.marks[DONE] = time.monotonic()
        groups.from_below = None if groups.ended else groups.from_below if self._news[1] is None else self._news[1]
        dh = dict(zip(self.h, d[len(told) :], strict=False))
        last, addend = groups.names[-1], self._addend[1]
        if addend is not None:
            found = dh[last]
            dh[last] = addend if found is None else found + addend
        return dh, d[len(told) + len(dh) :]

    def _velocity(self, u: Any, moves: list[bool], tau: float) -> Tensors:
        """A state not begun yet is a constant zero, as Chain.velocity has it."""
        v: Tensors = {}
        for i, (name, x) in zip(self._groups.own, self._leaves.items(), strict=True):
            if moves[i]:
                v[name] = instantaneous(self._groups.chain._through(i, u), None if self._groups.fresh else x, tau)
            else:
                v[name] = torch.zeros_like(x)
            u = x.detach() if self._groups.fresh else x
        return v
