"""import hlcore beside import torch, in turns: python -m tests.benchmarks.import_time [turns]."""

import resource
import subprocess
import sys
import time
from statistics import median

GOAL = 1.1


def taken(module: str) -> tuple[float, float]:
    """Seconds until a new Python has imported it, and of them those of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(turns: int = 15) -> None:
    """Print the medians, and the median of their ratio turn by turn."""
    found: dict[str, list[tuple[float, float]]] = {"torch": [], "hlcore": []}
    for module in found:
        taken(module)  # from disk
    for _ in range(turns):
        for module, times in found.items():
            times.append(taken(module))
    print(f"| import | torch, s | hlcore, s | ratio (goal {GOAL}) |\n|---|--:|--:|--:|")
    for k, what in enumerate(("by the clock", "by processor time")):
        torch, ours = ([times[k] for times in found[module]] for module in ("torch", "hlcore"))
        ratio = median(b / a for a, b in zip(torch, ours, strict=True))
        print(f"| {what} | {median(torch):.2f} | {median(ours):.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
