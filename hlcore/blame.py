"""What a network or a loss raised, as an HLError that says where and on what."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import Module

from .errors import HLError, complain

MISTAKES = (
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
)  # what wrong input makes them raise


def blame(part: str, network: Module, u: Any, error: Exception) -> NoReturn:
    """What a network raised, as an HLError that says where."""
    if isinstance(error, HLError):
        raise error
    like = next(network.parameters(), torch.empty(0))
    same_device("u", u, like)
    raise HLError(
        f"{part} of {type(network).__name__}: got u = {described(u)}, expected an input it takes (its weights are "
        f"{str(like.dtype).removeprefix('torch.')}); torch says: {first_line(error)}."
    ) from error


def same_device(what: str, x: Any, like: Tensor) -> None:
    """Raise an HLError if that is what is wrong with a part of a sample."""
    for part in x if isinstance(x, tuple) else (x,):
        if isinstance(part, Tensor) and part.device != like.device:
            raise complain(
                what, f"a tensor on {part.device}", f"one on {like.device}, where the network is",
                f"use sample.to({str(like.device)!r}), or network.to({str(part.device)!r}) before the Learner is built",
            )  # fmt: skip


def described(x: Any) -> str:
    """Kind and shape of a part of a sample."""
    if isinstance(x, Tensor):
        return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
    if isinstance(x, tuple):
        return "(" + ", ".join(map(described, x)) + ")"
    return type(x).__name__


def first_line(error: Exception) -> str:
    """What torch says, in short."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
