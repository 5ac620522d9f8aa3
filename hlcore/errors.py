"""The one complaint about input: what came, what was expected, how to mend it."""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import Module

MISTAKES = (  # what wrong input raises
    RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError, AssertionError
)  # fmt: skip


class HLError(ValueError):
    """Says what came, what was expected, and how to mend it.

    Every complaint of the package about its input is an `HLError`; nothing is lost when one is
    raised: learners, records and panels stay at their last good point.
    """


SMALLER = "take smaller steps, or forget faster"  # where a learner knows no better cure


class Diverged(HLError):
    """A step would have written the first non-finite value; the point before it was kept.

    `quantity` is the name in method order (loss, h, z, omega, theta), `component` the tensor's own
    name, `t` the time of the last good point. `cause` says what is wrong with the sample or the loss; "" where the
    settings are to blame, whose `cure` is named then. `why`: it would, told before it does.
    """

    def __init__(
        self, quantity: str, component: str, t: float, step: int, cure: str = "", cause: str = "", why: str = ""
    ) -> None:
        self.quantity, self.component, self.t, self.step, self.cause = quantity, component, t, step, cause
        self.why, self._given = why, (quantity, component, t, step, cure, cause, why)
        where = f" of {component!r}" if component else ""
        text = f"{quantity}{where} became non-finite in step {step + 1}, from t = {t:g}"
        kept = f"the point at t = {t:g} was kept"
        told = f"got inf or nan, expected finite numbers; {kept}: {cure or SMALLER}, and go on."
        text = f"{cause} ({text}; {kept}.)" if cause else f"{text}: {told}"
        super().__init__(f"{quantity}{where}: {why}." if why else text)

    def __reduce__(self) -> Any:
        return type(self), self._given


def bad(what: str, got: Any, expected: str, mend: str = "") -> HLError:
    """The `HLError` in the house form: "WHAT: got X, expected Y; do Z"."""
    text = f"{what}: got {got}, expected {expected}"
    return HLError(f"{text}; {mend}." if mend else f"{text}.")


def unknown(what: str, name: Any, known: Iterable[Any]) -> HLError:
    """The `HLError` for a name that is not on the list, with the nearest one that is."""
    names = sorted(map(str, known))
    near = get_close_matches(str(name), names, n=1)
    mend = f"did you mean {near[0]!r}?" if near else ""
    return bad(what, repr(name), f"one of {', '.join(names) or '(nothing)'}", mend)


def known(what: str, name: Any, names: Iterable[Any]) -> Any:
    """`name` if it is on the list, or an HLError."""
    if not isinstance(name, str) or name not in names:
        raise unknown(what, name, names)
    return name


def kind(what: str, x: Any, kinds: Any, expected: str, mend: str = "") -> Any:
    """`x` if it is one of these kinds, or an HLError."""
    if not isinstance(x, kinds):
        raise bad(what, described(x), expected, mend)
    return x


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` if it is a whole number >= least, or an HLError that names it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**63:
        raise bad(name, repr(value), f"a whole number >= {least}")
    return int(value)


def number(name: str, value: Any, positive: bool = False) -> float:
    """`value` as a float that is finite and >= 0 (> 0 if positive), or an HLError that names it."""
    expected = "a finite number > 0" if positive else "a finite number >= 0"
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise bad(name, f"{value!r} ({type(value).__name__})", expected)
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or result < 0 or (positive and result == 0):
        raise bad(name, repr(result), expected)
    return result


def share(name: str, value: Any) -> float:
    """`value` as a float in [0, 1], or an HLError that names it."""
    if (result := number(name, value)) > 1:
        raise bad(name, repr(value), "a share or a chance, 0 to 1")
    return result


def flag(name: str, value: Any) -> bool:
    """`value` if it is True or False, or an HLError that names it."""
    return bool(kind(name, value, bool, "True or False"))


def floats(what: str, x: Any, shape: str, mend: str = "") -> Tensor:
    """`x` if it is a tensor of finite floats with as many axes as `shape` names, or an HLError."""
    fits = isinstance(x, Tensor) and x.dim() == shape.count(",") + 1 and x.is_floating_point() and x.numel() > 0
    if not fits or not bool(torch.isfinite(x).all()):
        raise bad(what, described(x), f"a tensor of finite floats ({shape})", mend)
    return x


def numbers(what: str, x: Any, shape: tuple[int, ...], mend: str = "") -> Tensor:
    """Finite numbers of this shape, or one for all, as a tensor of one's own in torch's default kind, or an HLError."""
    try:
        found = torch.as_tensor(x)
    except MISTAKES as error:
        raise bad(what, first_line(error), f"numbers of shape {shape}", mend) from error
    if (found.dim() and found.shape != shape) or found.is_complex() or not bool(torch.isfinite(found).all()):
        raise bad(what, described(found), f"finite numbers of shape {shape}", mend)
    return found.detach().to(torch.get_default_dtype()).expand(shape).clone()


def explain(part: str, network: Module, u: Any, error: Exception) -> NoReturn:
    """Raise what a network raised as an HLError that says where, and on what."""
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
            raise bad(
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
