"""The command line of the race."""

import argparse

from . import page
from .race import SERIES, race

parser = argparse.ArgumentParser(
    prog="python -m tests.benchmarks.streams", description="Real streams, learned forward."
)
parser.add_argument("--write", action="store_true", help="write docs/real-streams.md and its figure")
parser.add_argument("--seeds", type=int, default=5, help="for learners that draw anything")
told = parser.parse_args()
found = race(told.seeds)
for series in SERIES:
    print(f"drift in {series}: {page.marks(found, page.MARKED, series)}")
if told.write:
    page.write(found)
