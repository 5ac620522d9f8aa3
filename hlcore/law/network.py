"""What every network is: f^h and f^y."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from ..errors import bad
from .point import Tensors
from .sample import Sample

if TYPE_CHECKING:
    from .closed_form import ClosedForm

State: TypeAlias = dict[str, Tensor | None]  # None: zeros of a shape not yet known
Known: TypeAlias = Mapping[str, Tensor | None]


class Network(torch.nn.Module):
    """A state network f^h and an output network f^y (P, section 3). Subclass it for your own model.

    The state h is {name: tensor}, batch first; a network without state returns {} and needs only `output`.
    """

    def initial_state(self, batch_size: int) -> State:
        """h at the start of a sequence. A component may be None: zeros, whose shape the first velocity tells."""
        return {}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """h' = f^h(u, h, θ^h) (E*1) with h's names and shapes; h + tau * h' is the next state.

        A component of h is None until its shape is known; it then stands for zeros.
        """
        if h:
            raise bad(f"{type(self).__name__}.velocity", "no definition", "one for a network with a state")
        return {}

    def output(self, u: Any, h: Known) -> Tensor:
        """y = f^y(u, h, θ^y)."""
        raise bad(f"{type(self).__name__}.output", "no definition", "a method output(self, u, h)")

    def closed_form(self) -> "ClosedForm | str | None":
        """f^h and f^y with their derivatives worked out by hand; None: leave them to autograd; a text: why not here.

        Optional, for speed. It is asked once, and again when a part was touched; see `law.closed_form.ClosedForm`.
        """
        return None

    def absorb(self, sample: Sample, output: Tensor) -> None:
        """What a step teaches beside θ: buffers (running means, keys, counts) may move here, weights must not.

        Every learner's step calls it, without gradients, once nothing can refuse the step any more and before θ moves:
        a step that is refused is not absorbed, and a rewound one is forgotten. `output` is the y of this step.
        """

    def undo(self, u: Any, h: Tensors, tau: float) -> Tensors:
        """The state from which a step of τ leads to h: the exact inverse of h + τ f^h, where there is one."""
        raise bad(f"{type(self).__name__}.undo", "no definition", "a network whose step can be undone")

    # How a step J = ∂h⁺/∂h carries costates forward, and what is kept of M = ∂h/∂h_0. A network that knows better
    # overrides all four: rotations need no matrix.

    floors: tuple[str, ...] = ()  # components of the state that feed one another, from the bottom up; (): one system

    def transport(self, u: Any, before: Tensors, after: Tensors, p: Tensors, tau: float) -> Tensors:
        """J⁻ᵀ p, (batch, ...) by name: the pullback of `undo`, or a linear system where a step cannot be undone."""
        if not can_undo(self):
            J = self.jacobian(u, before, tau)
            return _unflat(torch.linalg.solve(J.mT, _flat(p).unsqueeze(2)).squeeze(2), p)
        at = {name: x.detach().requires_grad_() for name, x in after.items()}
        with torch.enable_grad():
            back = self.undo(u, at, tau)
        there = [name for name, x in back.items() if x.requires_grad]
        found = torch.autograd.grad(
            [back[n] for n in there], list(at.values()), [p[n] for n in there], allow_unused=True
        )
        return {n: torch.zeros_like(p[n]) if g is None else g for n, g in zip(at, found, strict=True)}

    def product(self, u: Any, h: Tensors, tau: float, M: Any) -> Any:
        """J M, (batch, N, N) for a state of N entries; M = None is the identity."""
        J = self.jacobian(u, h, tau)
        return J if M is None else J @ M

    def to_start(self, M: Any, p: Tensors) -> Tensors:
        """Mᵀ p: what a costate means for h_0."""
        return _unflat((M.mT @ _flat(p).unsqueeze(2)).squeeze(2), p)

    def held(self, M: Any) -> float:
        """The least singular value of M: what is left of the direction that is forgotten fastest."""
        return float(torch.linalg.svdvals(M).min()) if bool(torch.isfinite(M).all()) else 0.0

    def jacobian(self, u: Any, h: Tensors, tau: float) -> Tensor:
        """J of each sample of the batch, (batch, N, N), row by row."""
        at = {name: x.detach().requires_grad_() for name, x in h.items()}
        rows = []
        with torch.enable_grad():
            v = self.velocity(u, dict(at), tau)
            for column in _flat({name: x + tau * v[name] for name, x in at.items()}).unbind(1):
                found = torch.autograd.grad(column.sum(), list(at.values()), retain_graph=True, allow_unused=True)
                rows.append(
                    _flat(
                        {
                            n: torch.zeros_like(x) if g is None else g
                            for (n, x), g in zip(at.items(), found, strict=True)
                        }
                    )
                )
        return torch.stack(rows, 1)

    def _zeros(self, *shape: int) -> Tensor:
        """Zeros of this network's dtype and device."""
        like = next(self.parameters(), torch.empty(0))
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


def _flat(x: Tensors) -> Tensor:
    """(batch, N) of all components."""
    return torch.cat([part.flatten(1) for part in x.values()], 1)


def _unflat(x: Tensor, like: Tensors) -> Tensors:
    """The components again."""
    parts = x.split([part[0].numel() for part in like.values()], 1)
    return {name: part.view_as(like[name]) for name, part in zip(like, parts, strict=True)}


def can_undo(network: Network) -> bool:
    """Whether the network says how its step is undone."""
    return type(network).undo is not Network.undo


def apply(module: torch.nn.Module, u: Any) -> Any:
    """module(u), or module(*u) when the stream yields several inputs as a tuple."""
    return module(*u) if isinstance(u, tuple) else module(u)


def require_network(network: Any) -> Network:
    """`network` itself, or an HLError."""
    if not isinstance(network, Network):
        wrap = "wrap it: OutputNetwork(module) or StateNetwork(module)"
        mend = wrap if isinstance(network, torch.nn.Module) else ""
        raise bad("network", type(network).__name__, "an hlcore.Network", mend)
    return network


def require_module(what: str, module: Any) -> torch.nn.Module:
    """`module` itself, or an HLError when it is not a torch.nn.Module."""
    if not isinstance(module, torch.nn.Module):
        mend = "give an instance, as in torch.nn.Linear(4, 3)" if isinstance(module, type) else ""
        raise bad(what, getattr(module, "__name__", type(module).__name__), "a torch.nn.Module", mend)
    return module


def instantaneous(f: Tensor, h: Tensor | None, tau: float) -> Tensor:
    """h' = (1/τ)(-h + f̂): the velocity that reaches f̂ in one step of τ (P, eq. 9)."""
    return f / tau if h is None else (f - h) / tau
