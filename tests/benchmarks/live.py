"""The live panel in Chromium: latency of a slider, frames and steps per second: python -m tests.benchmarks.live."""

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.browser import panel as panels
from tests.browser import site

BOUNDS = {  # what issue 2 asks of the tracker experiment
    "slider to kernel, median (ms)": ("<", 150.0),
    "slider to kernel, 95 % (ms)": ("<", 400.0),
    "frames per second": (">", 10.0),
    "steps per second": (">", 2000.0),
    "pause to rest (ms)": ("<", 200.0),
}


def measure(panel: panels.Panel, seconds: float = 8.0, presses: int = 60) -> dict[str, float]:
    """Play; count frames and steps; press keys on the slider of η; pause."""
    panel.press("Play")
    panel.until(lambda: panel.step() > 500, what="500 steps")
    panel.tab.wait_for_timeout(1000)
    since, frames, step = time.perf_counter(), panel.canvas()["frames"], panel.step()
    panel.tab.wait_for_timeout(1000 * seconds)
    steps, drawn = panel.step() - step, panel.canvas()["frames"] - frames
    passed = time.perf_counter() - since
    delays = sorted(1000 * d for d in panel.latency("η", presses))
    return {
        "slider to kernel, median (ms)": median(delays),
        "slider to kernel, 95 % (ms)": delays[int(0.95 * len(delays))],
        "frames per second": drawn / passed,
        "steps per second": steps / passed,
        "pause to rest (ms)": median(_pause(panel) for _ in range(5)),
    }


def _pause(panel: panels.Panel) -> float:
    """Milliseconds from the click until the status line says that it rests."""
    if not panel.button("Pause").count():
        panel.press("Play")
        panel.until(lambda: "playing" in panel.status(), what="playing")
        panel.tab.wait_for_timeout(500)
    watch = """() => new Promise(done => { const start = performance.now();
        const look = () => document.querySelector('[role=status]').innerText.includes('paused')
            ? done(performance.now() - start) : setTimeout(look, 2);
        [...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Pause').click(); look(); })"""
    return panel.tab.evaluate(watch)


def main() -> None:
    """Print the table."""
    found = {}
    for place in ("JupyterLab", "Voilà"):
        folder = Path(tempfile.mkdtemp())
        book = panels.notebook(folder)
        if place == "JupyterLab":
            with site.jupyterlab(folder) as address, site.page() as tab:
                found[place] = measure(panels.in_jupyterlab(tab, address, folder))
        else:
            with site.voila(book) as address, site.page() as tab:
                found[place] = measure(panels.in_voila(tab, address, folder))
    print(f"| tracker-water-flow, playing | {' | '.join(found)} | bound |\n|---|{'---|' * len(found)}---|")
    for name, (sign, bound) in BOUNDS.items():
        cells = " | ".join(f"{values[name]:,.1f}" for values in found.values())
        print(f"| {name} | {cells} | {sign} {bound:,.0f} |")


if __name__ == "__main__":
    main()
