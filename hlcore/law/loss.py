"""The instantaneous loss L(y, ŷ): checked, and its slope ∂L/∂y in closed form where that is known."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ..errors import MISTAKES, HLError, bad, described, first_line, same_device

Loss: TypeAlias = Callable[[Tensor, Any], Tensor]
Slope: TypeAlias = Callable[[Any, Any, Any], tuple[float, Any]]  # (xp, y, ŷ) -> (L, ∂L/∂y)


CLASSES = ("crossentropy", "nll", "multimargin", "adaptivelogsoftmaxwith", "ctc")  # torch's losses, by what they want
NUMBERS = ("mse", "l1", "smoothl1", "huber", "bce", "binarycrossentropy", "bcewithlogits",
           "binarycrossentropywithlogits", "softmargin")  # fmt: skip


class DeclaredLoss:
    """A loss that says more of itself than its value.

    slope       (xp, y, ŷ) -> (L, ∂L/∂y) in closed form, in arrays of `xp` (`law.arrays`); None: autograd's
    own_shapes  True: output and target differ in shape on purpose
    """

    def __init__(self, function: Loss, slope: Slope | None = None, own_shapes: bool = False) -> None:
        self.function, self.slope, self.own_shapes = function, slope, own_shapes
        self.__doc__, self.__name__ = function.__doc__, getattr(function, "__name__", "loss")

    def __call__(self, y: Tensor, target: Any) -> Tensor:
        return self.function(y, target)


class CheckedLoss:
    """L(y, ŷ) of one loss function, with input checked; whatever it raises comes out as an HLError."""

    def __init__(self, loss: Any) -> None:
        if not callable(loss):
            mend = "torch.nn.functional.mse_loss is one"
            raise bad("loss", repr(loss), "a function (output, target) -> scalar", mend)
        if isinstance(loss, nn.Module):
            own = [name for name, p in loss.named_parameters() if p.requires_grad]
            if own:
                raise bad(
                    "loss", f"one with trained weights of its own, {own}", "a loss without",
                    "no learner moves them: make them a part of the network, or freeze them",
                )  # fmt: skip
        self.function = loss
        self.own_shapes: bool = getattr(loss, "own_shapes", False)
        known = getattr(loss, "__name__", type(loss).__name__).lower().replace("_", "").removesuffix("loss")
        self.wants_classes, self.wants_numbers = known in CLASSES, known in NUMBERS

    def __call__(self, y: Tensor, target: Any) -> Tensor | None:
        """A scalar; None without a target (L = 0)."""
        if target is None:
            return None
        if isinstance(target, Tensor) and target.shape != y.shape and not self.own_shapes:
            self._require_classes(y, target)
        try:
            L = self.function(y, target)
        except MISTAKES as error:
            same_device("target", target, y)
            raise HLError(
                f"loss: got output {described(y)} and target {described(target)}, expected a pair that it takes; "
                f"torch says: {first_line(error)}."
            ) from error
        if not isinstance(L, Tensor) or L.dim() != 0 or not L.is_floating_point():
            raise bad("loss", described(L), "a scalar tensor of floats", "reduce it with .mean() or .sum()")
        if y.requires_grad and not L.requires_grad:
            raise bad(
                "loss", "a value cut off from the output", "one that torch can differentiate by it",
                "without a detach, a threshold or a tensor built anew, or nothing is learned",
            )  # fmt: skip
        return L

    def _require_classes(self, y: Tensor, target: Tensor) -> None:
        """HLError unless a target of another shape can only be classes: else it would be broadcast, silently."""
        whole = not (target.is_floating_point() or target.is_complex())
        if whole and self.wants_classes:
            return
        fewer = target.dim() < y.dim() and target.numel() < y.numel()
        if not whole or self.wants_numbers or not fewer:
            raise bad(
                "target", f"shape {tuple(target.shape)}", f"the output's shape {tuple(y.shape)}",
                f"write target.reshape({tuple(y.shape)})" if target.numel() == y.numel() else
                "a loss that compares other shapes on purpose says so: loss.own_shapes = True",
            )  # fmt: skip

    def slope(self) -> Slope | None:
        """(xp, y, ŷ) -> (L, ∂L/∂y) in closed form, of a loss that is surely known; else None."""
        loss = self.function
        if loss is mse_loss or calls(loss, mse_loss):
            return squares
        if (
            type(loss) is nn.MSELoss
            and loss.reduction == "mean"
            and not (loss._forward_hooks or loss._forward_pre_hooks)
        ):
            return squares
        return loss.slope if isinstance(loss, DeclaredLoss) else None


def squares(xp: Any, y: Any, target: Any) -> tuple[float, Any]:
    """(y - ŷ)², the mean over all entries (torch's mse_loss), and its slope."""
    e = y - target
    flat, share = e.ravel(), 1 / math.prod(e.shape)
    return share * (flat @ flat), (2 * share) * e


TEMPLATES = (
    lambda y, t: f(y, t),  # type: ignore[name-defined]  # noqa: F821
    lambda y, t: F.f(y, t),  # type: ignore[name-defined]  # noqa: F821
    lambda y, t: nn.functional.f(y, t),  # type: ignore[attr-defined]
    lambda y, t: torch.nn.functional.f(y, t),  # type: ignore[attr-defined]
)


def calls(loss: Any, function: Any) -> bool:
    """Whether `loss` is a bare `lambda y, t: function(y, t)`, however it reaches the function."""
    code = getattr(loss, "__code__", None)
    if code is None or code.co_freevars or loss.__defaults__ or loss.__kwdefaults__:
        return False
    for template in TEMPLATES:
        like = template.__code__
        if (code.co_code, code.co_argcount, len(code.co_names)) == (like.co_code, 2, len(like.co_names)):
            found = loss.__globals__.get(code.co_names[0])
            for name in code.co_names[1:]:
                found = getattr(found, name, None)
            if found is function:
                return True
    return False
