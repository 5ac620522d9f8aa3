"""Neurons on a directed graph that settle at finite speeds (Betti and Gori, Nature-Inspired Local Propagation)."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Self

import torch
from torch import Tensor

from ..errors import bad, flag, kind, number, numbers, whole
from ..law.arrays import Arrays, outer
from ..law.closed_form import ClosedForm
from ..law.network import Known, Network, State
from ..law.point import Tensors
from .module_forms import fits, touched


class Digraph(Network):
    """x_i' = c_i (-x_i + tanh a_i), a = W e, e = (x, u, 1); y = the outputs' x (N, section 2; method.md, section 5).

    units    neurons                           inputs   clamped neurons that the stream sets: u is (batch, inputs)
    speed    c > 0, for all or one a neuron    clamp    one more clamped neuron, which is always 1
    mask     (units, columns of W), True where there is an edge: layers or any digraph; None: all edges
    outputs  the neurons that are read         spread   x_0 ~ U(-spread, spread), the same for a batch; 0: zeros
    scale    W ~ scale N(0, 1)
    costly   one more column of y: ½|W|², for a loss that charges for weights
    """

    mask: Tensor
    speed: Tensor
    start: Tensor

    def __init__(
        self,
        units: int,
        inputs: int = 0,
        *,
        speed: float | Sequence[float] | Tensor = 1.0,
        clamp: bool = True,
        mask: Any = None,
        outputs: Sequence[int] = (0,),
        spread: float = 0.0,
        scale: float = 0.5,
        costly: bool = False,
    ) -> None:
        super().__init__()
        units, self.inputs = whole("Digraph units", units), whole("Digraph inputs", inputs, 0)
        self.clamp, self.costly = flag("Digraph clamp", clamp), flag("Digraph costly", costly)
        spread, scale = number("Digraph spread", spread), number("Digraph scale", scale)
        columns = units + self.inputs + self.clamp
        edges = numbers("Digraph mask", 1.0 if mask is None else mask, (units, columns), "a row a neuron")
        c = numbers("Digraph speed", speed, (units,), "one number > 0, or one a neuron")
        if not bool((c > 0).all()):
            raise bad("Digraph speed", repr(speed), f"a number > 0, or {units} of them")
        if not isinstance(outputs, Sequence) or not outputs:
            raise bad("Digraph outputs", repr(outputs), f"numbers of neurons, 0 to {units - 1}")
        self.outputs = [whole("Digraph outputs", i, 0) for i in outputs]
        if max(self.outputs) >= units:
            raise bad("Digraph outputs", repr(outputs), f"numbers of neurons, 0 to {units - 1}")
        self.register_buffer("mask", edges)
        self.register_buffer("speed", c)
        self.register_buffer("start", (2 * torch.rand(units) - 1) * spread)
        self.W = torch.nn.Parameter(scale * torch.randn(units, columns) * edges)

    @classmethod
    def layered(cls, sizes: Sequence[int], speed: float = 1.0) -> Self:
        """Layers of sizes[1:], each fed by the one before, the first by the sizes[0] inputs; W ~ N(0, 1/fan-in)."""
        sizes = [whole("Digraph sizes", n) for n in kind("Digraph sizes", sizes, Sequence, "numbers of neurons")]
        if len(sizes) < 2:
            raise bad("Digraph sizes", sizes, "inputs, and at least one layer")
        units = sum(sizes[1:])
        ends = [0, *accumulate(sizes[1:])]
        mask = torch.zeros(units, units + sizes[0])
        for k, (first, end) in enumerate(pairwise(ends)):
            below = slice(units, None) if k == 0 else slice(ends[k - 1], first)
            mask[first:end, below] = 1
        outputs = range(units - sizes[-1], units)
        made = cls(units, sizes[0], speed=speed, clamp=False, mask=mask, outputs=outputs, scale=1.0)
        with torch.no_grad():
            made.W.div_(mask.sum(1, keepdim=True).sqrt())
        return made

    def initial_state(self, batch_size: int) -> State:
        """x, (batch, units)."""
        return {"x": self.start.expand(batch_size, -1).clone()}

    def activation(self, u: Any, x: Tensor) -> Tensor:
        """a = W e."""
        return self._seen(torch, u, x) @ (self.W * self.mask).T

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """x' = c (-x + tanh a)."""
        x = h["x"]
        assert x is not None
        return {"x": self.speed * (torch.tanh(self.activation(u, x)) - x)}

    def output(self, u: Any, h: Known) -> Tensor:
        """y = the outputs' x, and ½|W|² where weights are costly."""
        x = h["x"]
        assert x is not None
        y = x[:, self.outputs]
        return torch.cat([y, _cost(self.W * self.mask).expand(len(x), 1)], 1) if self.costly else y

    def closed_form(self) -> ClosedForm | str | None:
        """With δ = c z (1 - tanh² a):   ∂/∂x = Wᵀδ - c z,   ∂/∂W = δ eᵀ."""
        if why := touched(self, Digraph):
            return why

        def velocity(xp: Any, u: Any, h: Arrays, w: list[Any], tau: float) -> Any:
            x = h["x"]
            if self.inputs and not fits(u, (len(x), self.inputs), self.W):
                return None
            c, mask = alike(xp, self.speed), alike(xp, self.mask)
            e, W = self._seen(xp, u, x), w[0] * mask
            r = xp.tanh(e @ W.T)

            def delta(z: Arrays) -> Any:
                return (c * z["x"]) * (1 - r * r)

            def to_state(z: Arrays) -> Arrays:
                return {"x": delta(z) @ W[:, : x.shape[1]] - c * z["x"]}

            return {"x": c * (r - x)}, to_state, lambda z: [outer(delta(z), e) * mask]

        def output(xp: Any, u: Any, h: Arrays, w: list[Any]) -> tuple[Any, Any]:
            x = h["x"]
            y, W = x[:, self.outputs], [p * alike(xp, self.mask) for p in w]
            if W:
                y = xp.concatenate([y, _cost(W[0]) * xp.ones_like(x[:, :1])], 1)

            def back(g: Any) -> tuple[Arrays, list[Any]]:
                dx = 0 * x
                dx[:, self.outputs] = g[:, : len(self.outputs)]
                return {"x": dx}, [g[:, -1].sum() * p for p in W]

            return y, back

        return ClosedForm(velocity, [self.W], output, [self.W] if self.costly else [])

    def _seen(self, xp: Any, u: Any, x: Any) -> Any:
        """e = (x, u, 1)."""
        parts = [x]
        if self.inputs:
            parts.append(alike(xp, u))
        if self.clamp:
            parts.append(xp.ones_like(x[:, :1]))
        return xp.concatenate(parts, 1) if len(parts) > 1 else x


def _cost(W: Any) -> Any:
    """½|W|²."""
    return (W * W).sum() / 2


def alike(xp: Any, x: Tensor) -> Any:
    """A tensor as an array of xp, in the same memory."""
    return x if xp is torch else x.detach().numpy()
