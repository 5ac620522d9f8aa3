"""The command: teach the students that are missing, and write the page."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ...errors import HLError, unknown, whole
from ...streams.lectures import SIGNALS
from ..signal_school import school_page as page
from .results import EXPERIMENTS, examined, row, students


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the school; an interrupted run goes on where it stopped."""
    parser = argparse.ArgumentParser(prog="python -m hlcore.school", description=__doc__)
    parser.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--held-out", nargs="+", default=list(SIGNALS), help=f"of {', '.join(SIGNALS)}")
    parser.add_argument("--seeds", type=int, default=10, help="students per held-out signal (10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page (docs)")
    parser.add_argument(
        "--results", type=Path, default=Path("build/school"), help="folder of the results (build/school)"
    )
    given = parser.parse_args(arguments)
    try:
        for kind, names, known in (
            ("experiment", given.experiments, EXPERIMENTS),
            ("held-out signal", given.held_out, SIGNALS),
        ):
            for name in names:
                if name not in known:
                    raise unknown(kind, name, known)
        todo = students(given.experiments, given.held_out, whole("--seeds", given.seeds))
        whole("--jobs", given.jobs)
    except HLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = {}
    for student, grades in tqdm(examined(todo, given.results, given.jobs), total=len(todo), unit="student"):
        found[student] = grades
    results = {student: found[student] for student in todo}
    print("wrote", page.write(results, given.out))
    for experiment in given.experiments:
        rows = [row(results, experiment, name) for name in given.held_out]
        print(f"{experiment}: passed {sum(r.passed for r in rows)} of {sum(r.of for r in rows)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
