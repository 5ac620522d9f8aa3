"""Which tests take long: tests/slow.txt, seconds and test, made from pytest's own durations:

make test TEST_ARGS="--durations=0 --durations-min=0.01 -vv" | python -m tests.slow

`make test-fast` leaves them out; where several workers share the files, those that take longest come first.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).with_name("slow.txt")
MOST = 0.3  # seconds, of its slowest case, setup and end included, where a step of SGD takes about 0.5 ms
LINE = re.compile(r"\s*([\d.]+)s (?:call|setup|teardown)\s+(tests/\S+?\.py::\w+)(\[.*\])?$")


def listed() -> dict[str, float]:
    """The tests on the list, as tests/FILE.py::test_name, and the seconds of all cases of each."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {test: float(seconds) for seconds, test in map(str.split, lines)}


def of_files() -> dict[str, float]:
    """The seconds of those tests, by file."""
    files: dict[str, float] = {}
    for test, seconds in listed().items():
        file = test.partition("::")[0]
        files[file] = files.get(file, 0.0) + seconds
    return files


def slow(lines: Iterable[str]) -> dict[str, float]:
    """Those of which a case takes more than MOST, and the seconds of all cases, by the durations pytest has printed."""
    cases: dict[str, dict[str, float]] = {}
    for found in filter(None, map(LINE.match, lines)):
        seconds, test, case = found.groups()
        of_test = cases.setdefault(test, {})
        of_test[case or ""] = of_test.get(case or "", 0.0) + float(seconds)
    return {test: sum(each.values()) for test, each in sorted(cases.items()) if max(each.values()) > MOST}


if __name__ == "__main__":
    LIST.write_text("".join(f"{seconds:7.1f} {test}\n" for test, seconds in slow(sys.stdin).items()), encoding="utf-8")
