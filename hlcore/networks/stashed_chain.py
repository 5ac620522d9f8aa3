"""A chain for samples that do not wait: each costate meets the activation it belongs to."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, whole
from ..law.network import State, instantaneous
from ..law.point import Tensors
from .chain import Chain


class Stashed(Chain):
    """A parallel Chain whose groups keep their last inputs in a queue, as pipelines stash activations.

    The costate of group i tells of an output that left it 2(G-i)+2 steps ago (Euler order), while a newer sample runs
    through its layers. So f_i is evaluated at its input of now, and differentiated at the input of that time:

        h_i' = (f_i(x) - h_i)/τ, x = h_{i-1} now;   ∂h_i'/∂(h_{i-1}, θ) taken at x = h_{i-1} of 2(G-i)+2 steps ago

    With samples that change at every step, targets that come G steps late (`streams.Late`) and frozen weights, ∂H'/∂θ
    of group i at step k is φ times backprop's for sample k - 2G + i - 1, exactly; without the queue it is for no
    sample at all (P leaves this open, section 5; PipeDream, Narayanan et al. 2019).

    State: "h1" … "hG", and the queues "past1" … "pastG" of shape (batch, 2(G-i)+2, input of group i), whose costate
    stays zero: G(G+1) activations in all. Each step computes every group twice. The input u is one tensor of floats.
    """

    def __init__(self, layers: Iterable[torch.nn.Module], groups: str | Sequence[int] = "layer") -> None:
        super().__init__(layers, groups)

    def lag(self, i: int) -> int:
        """Steps between the input of group i (from 1) and the costate that answers it, in Euler order."""
        return 2 * (len(self.groups) - whole("group", i)) + 2

    def initial_state(self, batch_size: int) -> State:
        """Zeros: h1 … hG and their queues, whose shapes the first sample tells."""
        G = len(self.groups)
        return super().initial_state(batch_size) | {f"past{i}": None for i in range(1, G + 1)}

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """(f_i(h_{i-1}) - h_i)/τ, differentiated at the past input; the queues move on by one."""
        if not isinstance(u, Tensor) or not u.is_floating_point():
            got = str(u.dtype) if isinstance(u, Tensor) else type(u).__name__
            raise bad("Stashed u", got, "one tensor of floats", "embed it before the chain")
        G = len(self.groups)
        outputs = [h[f"h{i}"] for i in range(1, G + 1)]
        inputs = [u, *(self._zeros_like_outputs(u) if outputs[0] is None else outputs)]
        v: Tensors = {}
        for i, x in enumerate(inputs[:G], start=1):
            assert x is not None
            past = h[f"past{i}"]
            queue = x.new_zeros((len(x), self.lag(i), *x.shape[1:])) if past is None else past.detach()
            with torch.no_grad():
                now = self._through(i - 1, x)
                v[f"past{i}"] = instantaneous(torch.cat([queue[:, 1:], x.unsqueeze(1)], 1), past, tau)
            then = self._through(i - 1, queue[:, 0] + (x - x.detach()))
            v[f"h{i}"] = instantaneous(now + (then - then.detach()), h[f"h{i}"], tau)
        return {name: v[name] for name in h}
