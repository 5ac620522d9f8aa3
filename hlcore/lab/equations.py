"""What the panel says in words: the law, its reading as SGD, the regime, the state of the run."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np

from ..errors import Diverged, HLError
from ..law.settings import Settings
from ..runs.run import Session

ALARM = "#D55E00"  # vermilion: readable on white and on black

SYMBOLS = {"tau": "τ", "eta": "η", "eta_z": "η_z", "beta": "β", "phi": "φ", "s": "s"}
REGIMES = {
    "frozen": "β = 0: the weights stand still",
    "undamped": "η = 0: nothing is forgotten, the weights swing without loss",
    "overdamped": "τη ≤ 1: ω forgets smoothly",
    "oscillating": "1 < τη ≤ 2: ω changes sign at every step and settles",
    "unstable": "τη > 2: ω grows at every step, whatever the data say",
}


def regime(settings: Settings) -> str:
    """The regime of the weight costate, a key of REGIMES: its homogeneous factor is 1 - τη (E*4)."""
    x = settings.tau * settings.eta
    if isinstance(settings.beta, (int, float)) and settings.beta == 0:
        return "frozen"
    if x == 0:
        return "undamped"
    return "overdamped" if x <= 1 else "oscillating" if x <= 2 else "unstable"


def as_sgd(settings: Settings) -> str:
    """The map to torch.optim.SGD: lr τβ, momentum 1-τη and its memory 1/τη in steps, dampening 1-τφ."""
    if not isinstance(settings.beta, (int, float)) or callable(settings.phi):
        return "as SGD: β or φ is not one number"
    sgd = settings.to_sgd()
    x = settings.tau * settings.eta
    memory = "for ever" if x == 0 else f"≈ {1 / x:.3g} step{'s' if 1 / x >= 1.5 else ''}" if x < 1 else "the last step"
    return (
        f"as SGD: lr τβ = {sgd['lr']:.3g} · momentum 1-τη = {sgd['momentum']:.3g} (memory {memory})"
        f" · dampening 1-τφ = {sgd['dampening']:.3g}"
    )


def equations(touched: str | None) -> str:
    """The law as HTML, the symbol that was touched last in a lit box."""

    def lit(symbol: str, name: str) -> str:
        if name != touched:
            return symbol
        return f'<b style="background:{ALARM};color:white;border-radius:4px;padding:0 4px">{symbol}</b>'

    tau, eta, eta_z = lit("τ", "tau"), lit("η", "eta"), lit("η<sub>z</sub>", "eta_z")
    beta, phi, s = lit("β", "beta"), lit("φ", "phi"), lit("s", "s")
    laws = [
        f"H' = {phi} L + z·h'",
        "h' = f(u, h, θ)",
        f"θ' = -{beta} ω",
        f"z' = -{s} ∂H'/∂h - {eta_z} z",
        f"ω' = -{s} ∂H'/∂θ - {eta} ω",
        f"each step: x ← x + {tau} x'",
    ]
    spans = " ".join(f'<span style="white-space:nowrap;margin-right:26px">{law}</span>' for law in laws)
    return f'<div style="font-size:14px;line-height:1.9">{spans}</div>'


def summary(session: Session) -> str:
    """One sentence a screen reader can read: step, loss and its trend, the largest |ω|, stability."""
    recorder, settings = session.recorder, session.settings
    kind = regime(settings)
    if not len(recorder):
        return f"step 0: not begun; {kind}."
    loss = recorder.window("loss", 400)
    largest = float(abs(recorder.window("omega", 1)).max()) if recorder.names("omega") else 0.0
    race = f"; max |Δθ| from SGD {session.twin.gap:.2g}" if session.twin is not None else ""
    return (
        f"step {session.learner.steps:,}: loss {loss[-min(100, len(loss)) :].mean():.3g}, {_trend(loss)}; "
        f"largest |ω| {largest:.3g}; {kind}{race}."
    )


def _trend(loss: np.ndarray) -> str:
    half = len(loss) // 2
    if half < 20:
        return "just begun"
    before, now = float(loss[:half].mean()), float(loss[half:].mean())
    if not math.isfinite(now) or now > 1.25 * before:
        return "rising"
    return "falling" if now < 0.8 * before else "steady"


def told(settings: Settings) -> str:
    """The settings in one line, those that are numbers."""
    shown = {n: getattr(settings, n) for n in ("eta", "beta", "phi")}
    return ", ".join(f"{SYMBOLS[n]} = {v:.3g}" for n, v in shown.items() if isinstance(v, (int, float)))


def marks(session: Session) -> list[tuple[float, str]]:
    """(time, "η = 3") of every change whose time is still on record."""
    recorder, found = session.recorder, []
    if session.changes and len(recorder):
        steps, times = recorder.window("step"), recorder.window("t")
        for at, change in session.changes:
            k = int(at - steps[0])
            if 0 <= k < len(steps):
                text = ", ".join(f"{SYMBOLS[n]} = {_short(v)}" for n, v in change.items())
                found.append((float(times[k]), text))
    return found


def _short(value: Any) -> str:
    """A setting in a mark: η_z = None means η; a β per weight does not fit."""
    if isinstance(value, (int, float)):
        return format(value, ".3g")
    return "η" if value is None else "per weight"


def stopped(error: Exception, settings: Settings) -> str:
    """What stopped the run: for a divergence which quantity, when, and what to do about it."""
    if not isinstance(error, Diverged):
        return str(error) if isinstance(error, HLError) else repr(error)
    quantity = {"loss": "L", "theta": "θ", "omega": "ω", "hamiltonian": "H'"}.get(error.quantity, error.quantity)
    of = f" ({error.component})" if error.component else ""
    x = settings.tau * settings.eta
    cure = f"τη = {x:.3g} is above 2: lower η or τ" if x > 2 else "lower τ, β or φ, or raise η"
    return (
        f"Stopped: {quantity}{of} became infinite in step {error.step + 1:,}, after t = {error.t:g}. "
        f"Everything before is kept; {cure}, then Reset."
    )


def alarmed(text: str) -> str:
    """The text as an alarm, in HTML."""
    return f'<span role="alert" style="color:{ALARM};font-weight:600">⚠ {html.escape(text)}</span>' if text else ""
