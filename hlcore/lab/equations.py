"""What the Cockpit says in words: the learner's equations and regime, the state of the run, what stopped it."""

import html
import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from ..declared import About
from ..errors import SMALLER, Diverged, HLError
from ..law.gap import dissipations, lived_through
from ..learners import Regime
from ..palette import FLAG
from ..words import tr


def regime_of(run: Any) -> Regime:
    """What the learner's settings mean; where the last sample had a dt of its own, with that in the place of τ."""
    settings, dt = run.learner.settings, run.dt
    if dt is None or "tau" not in settings.about() or not lived_through(dt, *dissipations(settings)):
        return cast(Regime, run.learner.regime(settings))
    found: Regime = run.learner.regime(settings.replace(tau=dt))
    return found._replace(words=f"{found.words} (here τ is the sample's own dt, {dt:.3g})")


def title(run: Any) -> str:
    """Who learns what, and against whom, as HTML."""
    who, rival = tr(run.learner.title), "" if run.rival is None else tr(run.rival.learner.title)
    learner = f'<span style="opacity:.75">{html.escape(tr(f"{who}, raced by {rival}") if rival else who)}</span>'
    return f'<b style="font-size:1.25em">{html.escape(tr(run.experiment.title))}</b> &nbsp;{learner}'


def law(run: Any, touched: str = "", past: bool = False) -> str:
    """The learner's equations and what its settings mean, as HTML; the symbol that was touched last in a lit box.

    past  the time cursor stands here: the numbers of that moment take the place of the words
    """
    learner = run.learner
    lit = f'<b style="{FLAG}">'
    about = learner.settings.about()
    symbols = {name: f"{lit}{x.symbol}</b>" if name == touched else x.symbol for name, x in about.items()}
    spans = (f"<span>{tr(equation).format(**symbols)}</span>" for equation in learner.equations)
    if past and run.report is not None:
        return f'<div class="hl-equations">{" ".join(spans)}</div><div>{moment(learner, run.report)}</div>'
    regime = regime_of(run)
    look = FLAG if regime.alarm else ""
    words = f"<b>{html.escape(tr(regime.kind))}</b>: {html.escape(tr(regime.words))}"
    named = f'<span style="{look}">{words}</span>' if regime.kind else ""
    return (
        f'<div class="hl-equations">{" ".join(spans)}</div>'
        f"<div>{' · '.join(filter(None, (html.escape(tr(regime.note)), named)))}</div>"
    )


def moment(learner: Any, report: Any) -> str:
    """Every number of the equations at one time, as HTML: settings, L, H', and how large each quantity is."""
    settings, about = learner.settings, learner.settings.about()
    numbers = [(a.symbol, settings.in_force(k)) for k, a in about.items() if a.words and not a.choices]
    parts = learner.traced()
    sizes = [
        (
            f"max|{html.escape(q.symbol)}|",
            max((float(x.abs().max()) for x in parts[k].values() if x.numel()), default=0.0),
        )
        for k, q in learner.quantities.items()
    ]
    numbers += [("L", report.loss), ("H'", report.hamiltonian), *sizes]
    told = " · ".join(f"{name} = {x:.3g}" for name, x in numbers if isinstance(x, (int, float)))
    return f"<b>t = {report.t:.5g}</b>: {told}"


def summary(run: Any) -> str:
    """One sentence a screen reader can read: step, loss and its trend, the largest of what moves θ, stability."""
    recorder, learner = run.recorder, run.learner
    regime = tr(regime_of(run).kind)
    if not len(recorder):
        return "; ".join(filter(None, (tr("step 0: not begun"), regime))) + "."
    loss, raced = recorder.window("loss", 400), run.rival
    said = [tr(f"step {learner.steps:,}: loss {loss[-min(100, len(loss)) :].mean():.3g}, {_trend(loss)}")]
    name, quantity = list(learner.quantities.items())[-1]
    if recorder.names(name):
        said.append(tr(f"largest |{quantity.symbol}| {float(abs(recorder.window(name, 1)).max()):.3g}"))
    said += [regime] if regime else []
    if raced is not None:
        said.append(tr(f"max |Δθ| from {raced.learner.title}: {raced.gap:.2g}{', which diverged' * bool(raced.error)}"))
    return "; ".join(said) + "."


def _trend(loss: np.ndarray) -> str:
    half = len(loss) // 2
    if half < 20:
        return "just begun"
    before, now = float(loss[:half].mean()), float(loss[half:].mean())
    if not math.isfinite(now) or now > 1.25 * before:
        return "rising"
    return "falling" if now < 0.8 * before else "steady"


def told(changes: Mapping[str, Any], about: Mapping[str, About]) -> str:
    """Changes of settings in one line: η = 3."""
    return ", ".join(f"{about[name].letter} = {_short(about, name, value)}" for name, value in changes.items())


def marks(run: Any) -> list[tuple[float, str]]:
    """(time, "η = 3") of every change whose time is still on record."""
    found, about = [], run.settings.about()
    if run.changes and len(run.recorder):
        steps, times = run.recorder.window("step"), run.recorder.window("t")
        for at, change in run.changes:
            k = int(at - steps[0])
            if 0 <= k < len(steps):
                found.append((float(times[k]), told(change, about)))
    return found


def _short(about: Mapping[str, About], name: str, value: Any) -> str:
    """A value as a mark has room for it; None means what the setting follows."""
    if isinstance(value, (int, float)):
        return format(value, ".3g")
    if value is None:
        return about[about[name].follows].letter if about[name].follows else "none"
    return "per weight" if isinstance(value, Mapping) else "a schedule" if callable(value) else str(value)


def stopped(error: Exception, run: Any) -> str:
    """What stopped the run: for a divergence which quantity, when, and what to do about it."""
    if not isinstance(error, Diverged) or error.cause:
        return str(error) if isinstance(error, HLError) else repr(error)
    learner = run.learner
    symbols = {name: quantity.symbol for name, quantity in learner.quantities.items()}
    quantity = ({"loss": "L", "hamiltonian": "H'"} | symbols).get(error.quantity, error.quantity)
    of = f" ({error.component})" if error.component else ""
    regime = regime_of(run)
    cure = regime.cure.format(**{name: about.letter for name, about in learner.settings.about().items()}) or SMALLER
    cure = f"{regime.words}: {cure}" if regime.alarm else cure
    return (
        f"Stopped: {quantity}{of} became infinite in step {error.step + 1:,}, after t = {error.t:g}. "
        f"Everything before is kept; {cure}, then Reset."
    )
