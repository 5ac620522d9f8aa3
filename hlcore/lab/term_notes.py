"""What a term of the equations is now: its number, beside the pointer that rests on it or has clicked it."""

import re
from pathlib import Path
from typing import Any

import traitlets

from ..words import tr
from . import equations
from .widgets import OwnScript


class Terms(OwnScript):
    """Tells the terms of the equations in its panel, the elements of class hl-term.

    numbers  {data-term of an element: what is told}
    """

    _esm = Path(__file__).with_name("term_notes.js")
    _css = Path(__file__).with_name("term_notes.css")
    numbers = traitlets.Dict().tag(sync=True)

    def tell(self, run: Any) -> None:
        """Where this run is."""
        learner, about = run.learner, run.settings.about()
        more = {k: f"{tr(a.words)} ({tr(a.unit)})" if a.unit else tr(a.words) for k, a in about.items()}
        more |= {k: tr(q.words) for k, q in learner.quantities.items()} | {
            "loss": tr("loss"),
            "hamiltonian": tr("Hamiltonian"),
        }
        self.numbers = {
            k: f"{re.sub('<[^>]*>', '', name.replace('<sub>', '_'))} = {x:.4g} (t = {learner.t:.4g}): {more[k]}"
            for k, (name, x) in equations.numbers(learner, run.report).items()
        }
