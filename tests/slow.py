"""Which tests `make test-fast` leaves out for their time: tests/slow.txt, one a line, made from pytest's own durations:

make test TEST_ARGS="--durations=0 --durations-min=0.01 -vv" | python -m tests.slow
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).with_name("slow.txt")
MOST = 0.3  # seconds, of its slowest case, setup and end included, where a step of SGD takes about 0.5 ms
LINE = re.compile(r"\s*([\d.]+)s (?:call|setup|teardown)\s+(tests/\S+?\.py::\w+)(\[.*\])?$")


def named() -> set[str]:
    """The tests on the list, as tests/FILE.py::test_name."""
    return set(LIST.read_text(encoding="utf-8").split())


def slow(lines: Iterable[str]) -> list[str]:
    """Those that take more than MOST, by the durations that pytest has printed."""
    cases: dict[tuple[str, str], float] = {}
    for found in filter(None, map(LINE.match, lines)):
        seconds, test, case = found.groups()
        cases[test, case or ""] = cases.get((test, case or ""), 0.0) + float(seconds)
    return sorted({test for (test, _), seconds in cases.items() if seconds > MOST})


if __name__ == "__main__":
    LIST.write_text("".join(f"{test}\n" for test in slow(sys.stdin)), encoding="utf-8")
