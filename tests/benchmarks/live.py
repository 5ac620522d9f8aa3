"""The live panel in Chromium: latency of a slider, frames and steps per second: python -m tests.benchmarks.live."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import hlcore
from hlcore.runs.run import Run
from tests.benchmarks import step
from tests.browser import panel as panels
from tests.browser import site

BOUNDS = {  # what is asked of the tracker experiment
    "slider to kernel, median (ms)": "< 150",
    "slider to kernel, 95 % (ms)": "< 40",
    "frames per second": "≥ 20",
    "steps per second": "> 2,000",
    "… of its headless, recorded rate": "≥ .7",
    "pause to rest (ms)": "≤ 60",
    "CPU of the kernel (s/s)": "",
    "CPU of the server (s/s)": "",
    "CPU of the browser (s/s)": "",
}

MANY = """import numpy as np, hlcore
from hlcore.lab import Canvas
from hlcore.lab.panel import Panel
from hlcore.runs.run import Run

class Many(Panel):
    def __init__(self, lines, points):
        super().__init__()
        self.run, self.points = Run(hlcore.experiments.get("tracker-water-flow")), points
        self.walks = np.random.default_rng(0).normal(size=(lines, 2 * points)).cumsum(1).astype(np.float32)
        self.rows = [{"symbol": f"row {k}", "what": "", "weight": 1, "map": None, "log": False,
            "lines": [{"name": f"{j}", "ink": j % 4} for j in range(k, lines, 5)]} for k in range(5)]
        self.canvas = Canvas(height=600)
        self.children = [self._play, self._status, self.canvas, self._gate]

    def advance(self, seconds):
        self.run.learn(seconds)

    def status(self):
        return "playing · step 1,000" if self.playing else "paused · step 0"

    def draw(self):
        k = self.run.learner.steps % self.points
        columns = [np.arange(self.points), *self.walks[:, k : k + self.points]]
        self.canvas.show("rows", columns, rows=self.rows, start=0.0)

Many(LINES, POINTS).shown()"""


def measure(panel: panels.Panel, seconds: float = 8.0, presses: int = 60) -> dict[str, float]:
    """Play; count frames and steps; press keys on the slider of η; pause."""
    panel.press("Play")
    panel.until(lambda: panel.step() > 500, what="500 steps")
    panel.tab.wait_for_timeout(1000)
    since, frames, step, before = time.perf_counter(), panel.canvas()["frames"], panel.step(), burnt()
    panel.tab.wait_for_timeout(1000 * seconds)
    steps, drawn, after = panel.step() - step, panel.canvas()["frames"] - frames, burnt()
    passed = time.perf_counter() - since
    delays = sorted(1000 * d for d in panel.latency("η", presses))
    pause = median(_pause(panel) for _ in range(5))
    alone = headless()  # the panel rests now: nothing beside it
    return {
        "slider to kernel, median (ms)": median(delays),
        "slider to kernel, 95 % (ms)": delays[int(0.95 * len(delays))],
        "frames per second": drawn / passed,
        "steps per second": steps / passed,
        "… of its headless, recorded rate": steps / passed / alone,
        "pause to rest (ms)": pause,
        **{f"CPU of the {who} (s/s)": (after[who] - before[who]) / passed for who in after},
    }


def headless(seconds: float = 3.0) -> float:
    """Steps a second of the same recorded run without a panel, now."""
    run = Run(hlcore.experiments.get("tracker-water-flow"))
    run.learn(1.0)
    return run.learn(seconds) / seconds


def burnt() -> dict[str, float]:
    """Seconds of processor time that each part has used: by it one sees what limits the frames."""
    told = {"kernel": "ipykernel", "server": "jupyterlab", "browser": "chrom"}
    found, parents = dict.fromkeys(told, 0.0), {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
            words = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        parents[place.name] = (fields[1], words, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    for pid, (above, words, spent) in parents.items():
        while above in parents and above != str(os.getpid()):
            above = parents[above][0]
        who = next((name for name, word in told.items() if word in words), None)
        if above == str(os.getpid()) and who and pid != above:
            found[who] += spent
    return found


def many(lines: int, points: int, seconds: float = 6.0) -> float:
    """Frames a second of so many lines of so many points, all of them new in each, while the tracker learns."""
    folder = Path(tempfile.mkdtemp())
    panels.notebook(folder, MANY.replace("LINES, POINTS", f"{lines}, {points}"))
    with site.jupyterlab(folder) as address, site.page() as tab:
        panel = panels.in_jupyterlab(tab, address, folder)
        panel.press("Play")
        panel.until(lambda: panel.canvas()["frames"] > 20, what="20 frames")
        frames, since = panel.canvas()["frames"], time.perf_counter()
        tab.wait_for_timeout(1000 * seconds)
        return (panel.canvas()["frames"] - frames) / (time.perf_counter() - since)


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
    race = step.timed(step.racers(*step.models()["iris-mlp"]), 2.0)
    print(f"a step of SGD on iris-mlp: {1e3 * median(race['sgd']):.3f} ms\n")
    found: dict[str, Any] = {}
    for place in ("JupyterLab", "Voilà"):
        folder = Path(tempfile.mkdtemp())
        book = panels.notebook(folder)
        if place == "JupyterLab":
            with site.jupyterlab(folder) as address, site.page() as tab:
                found[place] = measure(panels.in_jupyterlab(tab, address, folder))
        else:
            with site.voila(book) as address, site.page() as tab:
                found[place] = measure(panels.in_voila(tab, address, folder))
    print(f"| tracker-water-flow, playing | {' | '.join(found)} | asked |\n|---|{'--:|' * len(found)}---|")
    for name, bound in BOUNDS.items():
        cells = " | ".join(f"{values[name]:,.{2 * (values[name] < 10)}f}" for values in found.values())
        print(f"| {name} | {cells} | {bound} |")
    for lines, points in ((12, 500), (50, 2000)):
        print(
            f"| frames per second, {lines} × {points} new points | {many(lines, points):.1f} | – | ≥ 20 |", flush=True
        )


if __name__ == "__main__":
    main()
