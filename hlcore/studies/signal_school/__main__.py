"""The command: teach the students that are missing, and write the page."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from tqdm import tqdm

from ...command import told
from ...errors import known, whole
from ...files import writable, write_whole
from ...streams.lectures import SIGNALS
from .results import EXPERIMENTS, Student, examined, page, row


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the school; an interrupted run goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m hlcore.school", description=__doc__)
    parser.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--held-out", nargs="+", default=list(SIGNALS), help=f"of {', '.join(SIGNALS)}")
    parser.add_argument("--seeds", type=int, default=10, help="students per held-out signal (10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page (docs)")
    words = "folder of the results (build/school)"
    parser.add_argument("--results", type=Path, default=Path("build/school"), help=words)
    given = parser.parse_args(arguments)
    for name in given.experiments:
        known("experiment", name, EXPERIMENTS)
    for name in given.held_out:
        known("held-out signal", name, SIGNALS)
    seeds = range(whole("--seeds", given.seeds))
    writable(given.out / "signal-school.md", folder=True)  # told before the run
    todo = [Student(*parts) for parts in product(given.experiments, given.held_out, seeds)]
    found = dict(tqdm(examined(todo, given.results, whole("--jobs", given.jobs)), total=len(todo), unit="student"))
    results = {student: found[student] for student in todo}
    write_whole(given.out / "signal-school.md", page(results))
    print("wrote", given.out / "signal-school.md")
    for experiment in given.experiments:
        rows = [row(results, experiment, name) for name in given.held_out]
        print(f"{experiment}: passed {sum(r.passed for r in rows)} of {sum(r.of for r in rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
