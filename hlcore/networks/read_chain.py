"""A chain whose output is no state: what is clamped to a target cannot leak into the forecast."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import MISTAKES, explain, number
from ..law.network import Known, State, require_module
from ..law.point import Tensors
from .chain import Chain


class ReadChain(Chain):
    """A `Chain` of hidden groups, in parallel, with y = readout(h_G) in the place of y = h_G.

    readout  a module of the last group's state; the rest as in `Chain`
    speed    c > 0: h_i' = c (f_i(h_{i-1}) - h_i), whatever τ; None: c = 1/τ (eq. 9)
    """

    def __init__(
        self,
        layers: Iterable[torch.nn.Module],
        readout: torch.nn.Module,
        groups: str | Sequence[int] = "layer",
        links: Mapping[tuple[int, int], torch.nn.Module] | None = None,
        speed: float | None = None,
    ) -> None:
        super().__init__(layers, groups, links=links)
        self.speed = None if speed is None else number("ReadChain speed", speed, positive=True)
        self.readout = require_module("ReadChain readout", readout)

    def forward(self, u: Any) -> Tensor:
        """The feed-forward network itself."""
        return self.readout(super().forward(u))

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h_i' = c (f_i(h_{i-1}) - h_i)."""
        return super().velocity(u, h, tau if self.speed is None else 1 / self.speed)

    def output(self, u: Any, h: Known) -> Tensor:
        """y = readout(h_G)."""
        return self.readout(super().output(u, h))

    def settled(self, u: Any) -> Tensors:
        """The states of the feed-forward pass; what feeds back is not yet there."""
        try:
            with torch.no_grad():
                return {f"h{i + 1}": x for i, x in enumerate(self._feed_forward(u))}
        except MISTAKES as error:
            explain("settled", self, u, error)
