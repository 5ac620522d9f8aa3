"""What the Cockpit says in words: the learner's equations and regime, the state of the run, what stopped it."""

import html
import math
import re
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
    who, rivals = tr(run.learner.title), ", ".join(tr(rival.learner.title) for rival in run.rivals)
    learner = f'<span style="opacity:.75">{html.escape(tr(f"{who}, raced by {rivals}") if rivals else who)}</span>'
    return f'<b style="font-size:1.25em">{html.escape(tr(run.experiment.title))}</b> &nbsp;{learner}'


def law(run: Any, touched: str = "", past: bool = False) -> str:
    """The learner's equations and what its settings mean, as HTML; the symbol that was touched last in a lit box.

    past  the time cursor stands here: the numbers of that moment take the place of the words
    """
    learner = run.learner
    lit = f'<b style="{FLAG}">'
    about = learner.settings.about()
    symbols = {name: _term(name, f"{lit}{x.symbol}</b>" if name == touched else x.symbol) for name, x in about.items()}
    spans = (f"<span>{_terms(tr(equation), learner).format(**symbols)}</span>" for equation in learner.equations)
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


def _term(name: str, symbol: str) -> str:
    """A symbol that tells its number when it is pointed at, see term_notes.js."""
    return f'<span class="hl-term" tabindex="-1" data-term="{name}">{symbol}</span>'


def _terms(equation: str, learner: Any) -> str:
    """An equation with the quantities, L and H' in it as terms: not where they are differentiated, or named by."""
    named = {quantity.symbol: name for name, quantity in learner.quantities.items()} | {
        "L": "loss",
        "H'": "hamiltonian",
    }
    symbols = "|".join(sorted(map(re.escape, named), key=len, reverse=True))
    pattern = rf"\{{[^}}]*\}}|<[^>]*>|(?<![\w∂])({symbols})(?![\w'])"
    return re.sub(pattern, lambda found: _term(named[found[1]], found[1]) if found[1] else found[0], equation)


def numbers(learner: Any, report: Any) -> dict[str, tuple[str, float]]:
    """{name: (what it is, as HTML; its number)} of every term at one time: settings, L, H', how large a quantity is."""
    settings, parts = learner.settings, learner.traced()
    found = {k: (a.symbol, settings.in_force(k)) for k, a in settings.about().items() if a.words}
    if report is not None:
        found |= {"loss": ("L", report.loss), "hamiltonian": ("H'", report.hamiltonian)}
        for k, q in learner.quantities.items():
            largest = (float(x.detach().abs().max()) for x in parts[k].values() if x.numel())
            found[k] = f"max|{html.escape(q.symbol)}|", max(largest, default=0.0)
    return {k: (name, x) for k, (name, x) in found.items() if isinstance(x, (int, float))}


def moment(learner: Any, report: Any) -> str:
    """Every number of the equations at one time, as HTML."""
    about = learner.settings.about()
    terms = [term for k, term in numbers(learner, report).items() if k not in about or not about[k].choices]
    told = " · ".join(f"{name} = {x:.3g}" for name, x in terms)
    return f"<b>t = {report.t:.5g}</b>: {told}"


def summary(run: Any) -> str:
    """One sentence a screen reader can read: step, loss and its trend, the largest of what moves θ, stability."""
    recorder, learner = run.recorder, run.learner
    regime = tr(regime_of(run).kind)
    if not len(recorder):
        return "; ".join(filter(None, (tr("step 0: not begun"), regime))) + "."
    loss = recorder.window("loss", 400)
    said = [tr(f"step {learner.steps:,}: loss {loss[-min(100, len(loss)) :].mean():.3g}, {_trend(loss)}")]
    name, quantity = list(learner.quantities.items())[-1]
    if recorder.names(name):
        said.append(tr(f"largest |{quantity.symbol}| {float(abs(recorder.window(name, 1)).max()):.3g}"))
    said += [regime] if regime else []
    for rival in run.rivals:
        name = rival.learner.title if len(run.rivals) == 1 else rival.name
        said.append(tr(f"max |Δθ| from {name}: {rival.gap:.2g}{', which diverged' * bool(rival.error)}"))
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
