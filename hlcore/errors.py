"""The one complaint about input."""

from __future__ import annotations

from typing import Any


class HLError(ValueError):
    """Says what came, what was expected, and how to mend it.

    Every complaint of the package about its input is an `HLError`; nothing is lost when one is
    raised: learners, records and panels stay at their last good point.
    """


def complain(what: str, got: Any, expected: str, mend: str = "") -> HLError:
    """Build an `HLError` in the house form: "WHAT: got X, expected Y; do Z"."""
    text = f"{what}: got {got}, expected {expected}"
    return HLError(f"{text}; {mend}." if mend else f"{text}.")


def unknown(what: str, name: Any, known: Any) -> HLError:
    """Build the `HLError` for a name that is not on the list, with the nearest one that is."""
    from difflib import get_close_matches

    names = sorted(str(k) for k in known)
    near = get_close_matches(str(name), names, n=1)
    return complain(
        what,
        repr(name),
        f"one of {', '.join(names) or '(nothing)'}",
        f"did you mean {near[0]!r}?" if near else "",
    )


class Diverged(HLError):
    """A step would have written the first non-finite value; the point before it was kept.

    `quantity` is the name in method order (loss, h, z, omega, theta), `component` the tensor's own
    name, `t` the time of the last good point.
    """

    def __init__(self, quantity: str, component: str, t: float, step: int) -> None:
        self.quantity, self.component, self.t, self.step = quantity, component, t, step
        where = f" of {component!r}" if component else ""
        super().__init__(
            f"{quantity}{where} became non-finite in step {step + 1}, from t = {t:g}: got inf or nan, expected "
            f"finite numbers; the point at t = {t:g} was kept: lower tau, beta or phi, or raise eta, and go on."
        )
