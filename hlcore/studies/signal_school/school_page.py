"""The page of the school: one table, a row per held-out signal."""

from ...streams.lectures import SIGNALS
from .results import EXPERIMENTS, TAUGHT, UNHEARD, Grades, Student, row

TITLES = dict(zip(EXPERIMENTS, ("A choir of factors", "The authors' student"), strict=True))
HEAD = f"""# The signal school

A student hears three rounds of lectures, 1000 steps on each of seven described signals, and learns by forward
Hamiltonian Learning alone: no replay, no backpropagation through time, nothing stored. Then it is told the three tokens
of a signal, seven that it was taught and one that it never heard, and sings 1000 steps by itself. This page is made by

    python -m hlcore.school

A student passes with a mean square error of at most {TAUGHT} on each signal it was taught and {UNHEARD} on the one it
was not; a silent one scores the power of the signal, .086 to 1. Every signal is held out in turn. Nothing is tuned
per signal; nothing of the held-out one is seen.

**Why the choir is right.** A token that only scales the amplitude does the same to every shape, so what it does is
learned wherever it occurs and holds for a combination never heard. Which tokens are of that kind is learned too: a
voice that takes a token for a mere factor goes wrong wherever the token changes the shape, and loses its trust.

The authors' student (`signal-school-baseline`; K: rotations born from the descriptor, a readout with one set of weights
per remembered descriptor) stands beside it. Its readout has no weights for a description that it never heard, so it
lends those of the nearest one.
"""


def page(results: dict[Student, Grades]) -> str:
    """The page as markdown."""
    lines = [HEAD]
    for experiment, title in TITLES.items():
        held = [h for h in SIGNALS if any((s.experiment, s.held_out) == (experiment, h) for s in results)]
        if not held:
            continue
        lines.append(f"""## {title} (`{experiment}`)

| held out | passed | taught, mean | taught, worst | held out, mean | held out, worst |
|---|--:|--:|--:|--:|--:|""")
        rows = [row(results, experiment, name) for name in held]
        lines += [
            f"| {name} | {r.passed} of {r.of} | {r.taught_mean:.3f} | {r.taught_worst:.3f} "
            f"| {r.unheard_mean:.3f} | {r.unheard_worst:.3f} |"
            for name, r in zip(held, rows, strict=True)
        ]
        passed, of, taught, worst, unheard, worst_unheard = zip(*rows, strict=True)
        lines.append(
            f"| **all** | **{sum(passed)} of {sum(of)}** | {sum(taught) / len(rows):.3f} | **{max(worst):.3f}** "
            f"| {sum(unheard) / len(rows):.3f} | **{max(worst_unheard):.3f}** |\n"
        )
    return "\n".join(lines)
