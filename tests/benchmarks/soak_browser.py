"""A lab that plays for long in a browser: memory and sliders: python -m tests.benchmarks.soak_browser [MINUTES]."""

import sys
import tempfile
from pathlib import Path
from statistics import median

import psutil

from tests.browser import panel as panels
from tests.browser import site

ROWS = 10  # of the table
PRESSES = 7


def main(minutes: float = 30.0) -> None:
    """Print a row for each tenth: memory of the kernel and of the page's scripts after a collection, and one slider."""
    folder = Path(tempfile.mkdtemp())
    panels.notebook(folder, panels.CELL)
    with site.jupyterlab(folder) as address, site.page() as tab:
        panel = panels.in_jupyterlab(tab, address, folder)
        cdp = tab.context.new_cdp_session(tab)
        cdp.send("HeapProfiler.enable")
        kernel = psutil.Process(int(panel.kernel("import os; print(os.getpid())")))
        panel.press("Play")
        panel.until(lambda: panel.step() > 30_000, 600, "30,000 steps: the record is full")
        print("| minutes | step | frames | kernel RSS (MB) | browser heap (MB) | slider to kernel, median (ms) |")
        print("|--:|--:|--:|--:|--:|--:|", flush=True)
        rows = []
        for k in range(ROWS + 1):
            if k:
                tab.wait_for_timeout(60_000 * minutes / ROWS)
            cdp.send("HeapProfiler.collectGarbage")
            heap = cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6
            slow = median(1000 * d for d in panel.latency("η", PRESSES))
            for _ in range(PRESSES):
                panel.slide("η", "ArrowLeft")  # and back: η must not creep into its unstable range
            assert "playing" in panel.status(), panel.alarm()
            rows.append((kernel.memory_info().rss / 1e6, heap))
            told = f"{panel.step():,} | {panel.canvas()['frames']:,} | {rows[-1][0]:.1f} | {heap:.1f} | {slow:.0f}"
            print(f"| {k * minutes / ROWS:g} | {told} |", flush=True)
        (rss, heap), (grown, swollen) = rows[0], rows[-1]
        print(f"in {minutes:g} minutes: kernel {grown - rss:+.1f} MB, browser heap {swollen - heap:+.1f} MB")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
