"""Closed forms of modules, and the white list: what is surely what it seems.

A module has a closed form if its class is on the list (torch's own here, the project's by their `closed_form`), it is
untouched (no hooks on it or its weights, no replaced method, no parametrization), and so are all of its parts.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..law.arrays import Arrays, outer, total
from ..law.closed_form import HOOKS, Back, Weights
from ..law.differentiate import transforming


class ModuleForm(NamedTuple):
    """y(u, x) of a module, most by x alone: run(xp, u, x, w) -> (y, back), back(g) = ((∂y/∂x)ᵀg, [(∂y/∂w)ᵀg])."""

    weights: Sequence[nn.Parameter]
    run: Callable[[Any, Any, Any, Weights], tuple[Any, Back]]

    def of_state(self, xp: Any, u: Any, h: Arrays, w: Weights) -> tuple[Any, Back]:
        """The module as f^y, which reads the state "h"."""
        y, back = self.run(xp, u, h["h"], w)

        def whole(g: Any) -> tuple[Arrays, Weights]:
            dh, slopes = back(g)
            return {"h": dh}, slopes

        return y, whole


Maker = Callable[[Any], ModuleForm | str]


def module_form(module: Any, forms: Mapping[type[nn.Module], Maker] | None = None) -> ModuleForm | str:
    """The closed form of a module on a list, FORMS if none is given, or in words why it has none."""
    for known, make in (FORMS if forms is None else forms).items():
        if isinstance(module, known):
            return touched(module, known) or make(module)
    return f"{type(module).__name__} is not on the list of closed forms"


def _linear(module: Any) -> ModuleForm:
    """y = W x + b."""

    def run(xp: Any, u: Any, x: Any, w: Weights) -> tuple[Any, Back]:
        y = x @ w[0].T
        return (y + w[1] if len(w) > 1 else y), lambda g: (g @ w[0], [outer(g, x), total(g)][: len(w)])

    return ModuleForm(list(module.parameters()), run)


def _tanh(module: Any) -> ModuleForm:
    def run(xp: Any, u: Any, x: Any, w: Weights) -> tuple[Any, Back]:
        y = xp.tanh(x)
        return y, lambda g: (g * (1 - y * y), [])

    return ModuleForm([], run)


def _identity(module: Any) -> ModuleForm:
    return ModuleForm([], lambda xp, u, x, w: (x, lambda g: (g, [])))


def _sequential(module: Any) -> ModuleForm | str:
    """The chain rule."""
    parts: list[Any] = [module_form(each) for each in module]
    for why in parts:
        if isinstance(why, str):
            return why
    if len(parts) == 1:
        return parts[0]
    spans = [slice(*ends) for ends in pairwise(accumulate((len(p.weights) for p in parts), initial=0))]

    def run(xp: Any, u: Any, x: Any, w: Weights) -> tuple[Any, Back]:
        backs = []
        for part, span in zip(parts, spans, strict=True):
            x, back = part.run(xp, u, x, w[span])
            backs.append(back)

        def whole(g: Any) -> tuple[Any, Weights]:
            found: Weights = []
            for back in reversed(backs):
                g, d = back(g)
                found[:0] = d
            return g, found

        return x, whole

    return ModuleForm([p for part in parts for p in part.weights], run)


FORMS: dict[type[nn.Module], Maker] = {
    nn.Linear: _linear, nn.Tanh: _tanh, nn.Identity: _identity, nn.Sequential: _sequential,
}  # fmt: skip

HARMLESS = {"__module__", "__doc__", "__qualname__", "__init__", "__annotations__", "__parameters__", "__orig_bases__"}
HARMLESS |= {"__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
METHODS = ("forward", "velocity", "output", "initial_state", "closed_form", "__call__")
ORIGINAL = {known: vars(known).get("forward") for known in (*FORMS, nn.RNNCell)}  # as torch has them


def touched(module: nn.Module, known: type[nn.Module]) -> str:
    """Why a module is not surely what `known` is, in words; "" if it is: a subclass may add, but not override."""
    cls, name = type(module), type(module).__name__
    if known in ORIGINAL and vars(known).get("forward") is not ORIGINAL[known]:
        return f"{known.__name__}.forward was replaced"
    own = set(dir(known)) | set(module.__dict__) | set(module._parameters) | set(module._buffers) | set(module._modules)
    for each in cls.__mro__[: cls.__mro__.index(known)]:
        overridden = sorted((vars(each).keys() - HARMLESS) & own)
        if overridden:
            return f"{name} overrides {overridden[0]}"
    replaced = [method for method in METHODS if method in module.__dict__]
    if replaced:
        return f"{name}.{replaced[0]} was replaced"
    if any(getattr(module, hooks) for hooks in HOOKS):
        return f"{name} has hooks"
    for weight, p in module._parameters.items():
        if p is not None and (p._backward_hooks or type(p) is not nn.Parameter):
            return f"{name}.{weight} has hooks" if p._backward_hooks else f"{name}.{weight} is a {type(p).__name__}"
    return ""


def fits(u: Any, shape: tuple[int, ...], like: nn.Parameter) -> bool:
    """Whether u is what a closed form takes; else autograd complains better."""
    return isinstance(u, Tensor) and u.shape == shape and u.dtype == like.dtype and u.device == like.device


def by_hand(forth: Callable[..., tuple[Tensor, Any]], back: Callable[..., Any], *given: Tensor) -> Tensor:
    """y of forth(torch, *given) -> (y, kept), whose slopes by `given` are back(torch, g, *kept), for autograd."""
    return forth(torch, *given)[0] if transforming() else _ByHand.apply(forth, back, *given)


class _ByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, forth: Callable[..., tuple[Tensor, Any]], back: Callable[..., Any], *given: Tensor) -> Tensor:
        y, kept = forth(torch, *given)
        ctx.back = back
        ctx.save_for_backward(*kept)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        return None, None, *ctx.back(torch, g, *ctx.saved_tensors)
