"""What a stream yields at one time."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from ..errors import MISTAKES, bad, first_line, number


@dataclass(frozen=True, slots=True)
class Sample:
    """The triple (u_t, ŷ_t, δ) of P, section 5, and the time that has passed.

    u       input: a tensor with the batch first, or a tuple of tensors for a network with several inputs;
            None for a network that needs none
    target  ŷ: what the loss compares the output with; None means no supervision now (L = 0)
    end     the paper's δ: the last token of a sequence; h and z are cleared after it
    dt      time since the last processed sample, > 0; None: settings.tau
    """

    u: Any
    target: Any = None
    end: bool = True
    dt: float | None = None

    def __post_init__(self) -> None:
        if self.end is not True and self.end is not False:
            raise bad("Sample.end", repr(self.end), "True or False", "True clears h and z after this sample")
        if self.dt is not None:
            object.__setattr__(self, "dt", number("Sample.dt", self.dt, positive=True))
        for part in (self.u, self.target):
            if isinstance(part, PackedSequence):
                mend = "a token a sample, end=True at the last; or torch.nn.utils.rnn.pad_packed_sequence"
                raise bad("Sample", "a PackedSequence", "tensors with the batch first", mend)
        parts = self.u if isinstance(self.u, tuple) else (self.u,)
        for part in parts:
            if part is not None and not isinstance(part, torch.Tensor):
                raise bad("Sample.u", type(part).__name__, "a tensor or a tuple of tensors", "use torch.as_tensor")

    def to(self, device: torch.device | str) -> "Sample":
        """The same sample, its tensors on another device."""
        there = present(device)
        return replace(self, u=moved(self.u, there), target=moved(self.target, there))

    @property
    def batch_size(self) -> int:
        """Length of the first axis of u (1 for an input without axes or no input)."""
        first = self.u[0] if isinstance(self.u, tuple) and self.u else self.u
        return int(first.shape[0]) if isinstance(first, torch.Tensor) and first.dim() > 0 else 1


def present(device: torch.device | str) -> torch.device:
    """A device that torch knows and that this machine has; HLError for others."""
    try:
        return torch.zeros(1).to(torch.device(device)).device
    except MISTAKES as error:
        raise bad("device", repr(device), "one that torch knows and has", first_line(error)) from error


def moved(x: Any, device: torch.device | str) -> Any:
    """A tensor, or a tuple with some, on another device; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(moved(part, device) for part in x)
    return x.to(device) if isinstance(x, torch.Tensor) else x
