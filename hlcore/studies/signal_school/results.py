"""The results of the school: many students, each with another signal held out and another seed."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch

from ... import experiments as registered
from ...errors import MISTAKES, bad, first_line, number
from ...files import writable, write_whole
from ...streams.lectures import SIGNALS
from .exam import grades

EXPERIMENTS = ("signal-school", "signal-school-baseline")
TAUGHT, UNHEARD = 0.1, 0.05  # pass at these mean square errors: a signal that was taught, the one that was not


class Student(NamedTuple):
    """Who sat the exams: an experiment, the signal that was held out, the seed."""

    experiment: str
    held_out: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.experiment}-{self.held_out}-{self.seed}"


Grades = dict[str, float]


def trained(student: Student) -> Grades:
    """Let one student hear its lectures, then sing all eight signals: {name: mean square error}."""
    torch.set_num_threads(1)
    experiment = registered.get(student.experiment, held_out=student.held_out)
    learner, stream = experiment.learner(student.seed)
    learner.run(stream)
    return grades(learner.network, order=learner.order, silent=stream.silent)  # type: ignore[attr-defined]


def examined(todo: Sequence[Student], folder: Path, jobs: int = 1) -> Iterator[tuple[Student, Grades]]:
    """Each student with its grades, as they come; those whose file is in `folder` already need not sit again."""
    writable(folder / "student.json", folder=True)
    files = {student: folder / f"{student.name}.json" for student in todo}
    missing = [student for student, file in files.items() if not file.exists()]
    for student in (s for s in files if s not in missing):
        yield student, _read(files[student])
    if not missing:
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        sitting = {pool.submit(trained, student): student for student in missing}
        for done in as_completed(sitting):
            student, found = sitting[done], done.result()
            write_whole(files[student], json.dumps(found))
            yield student, found


def _read(path: Path) -> Grades:
    try:
        return {name: number(name, json.loads(path.read_text(encoding="utf-8"))[name]) for name in SIGNALS}
    except (OSError, *MISTAKES) as error:
        mend = "remove the file: the student sits again"
        raise bad(f"result {path}", first_line(error), "the grades of one student", mend) from error


class Row(NamedTuple):
    """What ten seeds (say) made of one held-out signal."""

    passed: int
    of: int
    taught_mean: float
    taught_worst: float
    unheard_mean: float
    unheard_worst: float


def row(results: dict[Student, Grades], experiment: str, held_out: str) -> Row:
    """The seeds of one experiment with one signal held out: who passed, means and worsts of the squared errors."""
    found = [g for s, g in results.items() if (s.experiment, s.held_out) == (experiment, held_out)]
    known = [[mse for name, mse in g.items() if name != held_out] for g in found]
    unheard = [g[held_out] for g in found]
    passed = sum(max(k) <= TAUGHT and u <= UNHEARD for k, u in zip(known, unheard, strict=True))
    taught = sum(map(sum, known)) / sum(map(len, known)), max(map(max, known))
    return Row(passed, len(found), *taught, sum(unheard) / len(unheard), max(unheard))


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
