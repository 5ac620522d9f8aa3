"""Layers cut into groups: one switch from fully local to backprop."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, kind, known, unknown
from ..law.network import Known, Network, State, apply, instantaneous, require_module
from ..law.point import Tensors
from ..networks.preserved import preserved

SCHEDULES = ("parallel", "delay_free")


class Chain(Network):
    """Layers cut into groups f_1 … f_G; the state h_i is the last output of group i, h_0 = u, y = h_G (P, section 5).

    parallel     h_i' = (f_i(h_{i-1}) - h_i)/τ for all groups at once (eq. 9): one step of delay between groups. A held
                 sample reaches y after G steps; in Euler order ∂H'/∂θ is backprop's after 2G (theorem T5).
    delay_free   step k moves group k mod G alone, the others stand (eq. 10): a sample held G steps gives the
                 feed-forward output (theorem T6). Use Euler order: in sequential order z is spent before the weights
                 read it, and only the last group learns.

    layers    modules, or a Sequential of them; each counts as one layer, so wrap Sequential(Linear, Tanh) to make one
    groups    "layer" (fully local) | "one" (non-local: backprop) | sizes such as (2, 3) (partially local)
    links     {(source, target): module}: group `target` reads h_{target-1} + module(h_source), groups counted from 1,
              0 being u. source < target - 1 is a skip connection; source >= target is feedback: held and settled,
              the gradient is that of the fixed point.

    Samples with end=True clear the state, so a chain of G > 1 groups in parallel needs end=False while they are held.
    The state is {"h1": …, "hG": …}, zeros at first; its shapes come from a dry pass over the first sample.
    """

    turn: Tensor

    def __init__(
        self,
        layers: Iterable[torch.nn.Module],
        groups: str | Sequence[int] = "layer",
        schedule: str = "parallel",
        links: Mapping[tuple[int, int], torch.nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.layers = listed("Chain layer", layers, "write [module]")
        sizes = _checked_sizes(groups, len(self.layers))
        self._cuts = [range(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]
        self.groups, self.schedule = sizes, known("Chain schedule", schedule, SCHEDULES)
        self.links = torch.nn.ModuleDict()
        self._into: list[list[tuple[int, str]]] = [[] for _ in sizes]
        wanted = "{(source, target): module}, or None"
        for ends, module in kind("Chain links", {} if links is None else links, Mapping, wanted).items():
            source, target = _checked_link(ends, len(sizes))
            name = f"h{source}_to_h{target}"
            self.links[name] = require_module(f"Chain link {ends}", module)
            self._into[target - 1].append((source, name))
        if schedule == "delay_free":
            self.register_buffer("turn", torch.tensor(0))  # which group moves next

    def forward(self, u: Any) -> Tensor:
        """The feed-forward network itself, without delay and feedback: f_G(… f_1(u))."""
        return self._feed_forward(u)[-1]

    def initial_state(self, batch_size: int) -> State:
        """Zeros h1 … hG, whose shapes the first sample tells."""
        return {f"h{i + 1}": None for i in range(len(self.groups))}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """(f_i(h_{i-1}) - h_i)/τ for every group, or for the one whose turn it is."""
        fresh = any(x is None for x in h.values())
        states = [u, *(self._zeros_like_outputs(u) if fresh else h.values())]
        if self.schedule == "parallel":
            return {name: instantaneous(self._group(i, states), x, tau) for i, (name, x) in enumerate(h.items())}
        turn = 0 if fresh else int(self.turn)
        self.turn.fill_((turn + 1) % len(self.groups))
        v = {name: torch.zeros_like(x) for name, x in zip(h, states[1:], strict=True)}
        name = f"h{turn + 1}"
        v[name] = instantaneous(self._group(turn, states), h[name], tau)
        return v

    def output(self, u: Any, h: Known) -> Tensor:
        """y = h_G."""
        return h[f"h{len(self.groups)}"]  # type: ignore[return-value]

    def _group(self, i: int, states: Sequence[Any]) -> Tensor:
        """f_{i+1} of the states [u, h_1, …, h_G] it reads; a source not yet there (feedback in a dry pass) is zero."""
        x = states[i]
        for source, name in self._into[i]:
            if source < len(states):
                x = x + self.links[name](states[source])
        return self._through(i, x)

    def _through(self, i: int, x: Any) -> Tensor:
        """The layers of group i + 1, applied to x."""
        for k in self._cuts[i]:
            x = apply(self.layers[k], x)
        if not isinstance(x, Tensor) or not x.is_floating_point():
            got = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            raise bad(f"output of group {i + 1}", got, "one tensor of floats", "it is the group's state")
        return x

    def _feed_forward(self, u: Any) -> list[Tensor]:
        states = [u]
        for i in range(len(self.groups)):
            states.append(self._group(i, states))
        return states[1:]

    def _zeros_like_outputs(self, u: Any) -> list[Tensor]:
        """Zeros of every group's output shape, which a dry pass tells."""
        with torch.no_grad(), preserved(self):
            return [torch.zeros_like(x) for x in self._feed_forward(u)]


def listed(what: str, modules: Any, mend: str, first: int = 1) -> torch.nn.ModuleList:
    """The modules of a list or a Sequential, at least one; messages count them from `first`."""
    lists = torch.nn.Sequential | torch.nn.ModuleList
    if not isinstance(modules, lists if isinstance(modules, torch.nn.Module) else Iterable):
        raise bad(f"{what}s", type(modules).__name__, "a list of modules or a Sequential", mend)
    each = [] if isinstance(modules, Tensor) else modules
    found = torch.nn.ModuleList(require_module(f"{what} {i}", module) for i, module in enumerate(each, first))
    if not len(found):
        raise bad(f"{what}s", "none", "at least one")
    return found


def _checked_sizes(groups: Any, layers: int) -> tuple[int, ...]:
    """Layers per group."""
    if isinstance(groups, str):
        named = {"layer": (1,) * layers, "one": (layers,)}
        if groups not in named:
            raise unknown("Chain groups", groups, [*named, "sizes such as (2, 3)"])
        return named[groups]
    if not isinstance(groups, (tuple, list)) or not groups or any(type(n) is not int or n < 1 for n in groups):
        raise bad("Chain groups", repr(groups), '"layer", "one" or a tuple of whole numbers >= 1')
    if sum(groups) != layers:
        raise bad("Chain groups", f"{tuple(groups)}, {sum(groups)} layers in all", f"sizes that add up to {layers}")
    return tuple(groups)


def _checked_link(ends: Any, groups: int) -> tuple[int, int]:
    if not isinstance(ends, tuple) or [type(n) for n in ends] != [int, int]:
        raise bad("Chain links", f"the key {ends!r}", "(source, target), two group numbers")
    source, target = ends
    if not (0 <= source <= groups and 1 <= target <= groups):
        raise bad("Chain links", f"the key {ends!r}", f"a source from 0 (u) and a target from 1, to {groups} groups")
    return source, target
