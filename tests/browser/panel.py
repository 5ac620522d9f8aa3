"""A panel as a person meets it: buttons by their words, sliders by their keys, text and the canvas to look at."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from . import site

CELL = """import json, time, hlcore
from hlcore.lab import Cockpit, panels
cockpit = Cockpit(hlcore.experiments.get("tracker-water-flow"))

def watch(session, apply=cockpit.session.set):  # when, and what: tests measure by it
    def set(**changes):
        real = apply(**changes)
        with open("changes.jsonl", "a") as file:
            print(json.dumps([time.time(), session.learner.steps, real]), file=file)
        return real
    session.set = set

watch(cockpit.session)
cockpit"""

SLIDERS = ("τ", "η", "η_z", "β", "φ")  # in their order on the panel

KEYS = """() => { window.hlKeys = []; window.addEventListener('keydown', () =>
    window.hlKeys.push((performance.timeOrigin + performance.now()) / 1000), true); }"""

EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let text = '', error = null;
    future.onIOPub = (m) => {
        if (m.header.msg_type === 'stream') text += m.content.text;
        if (m.header.msg_type === 'error') error = m.content.ename + ': ' + m.content.evalue;
    };
    const late = new Promise((_, refuse) => setTimeout(() => refuse(new Error(
        `the kernel (${kernel.status}, ${kernel.connectionStatus}) did not answer in 30 s; so far: ${text}`)), 30_000));
    await Promise.race([future.done, late]);
    if (error) throw new Error(error);
    return text; }"""

# what a canvas shows: how often it was drawn, of how many points, with how many marks, and how much ink is on it
CANVAS = """() => [...document.querySelectorAll('canvas.hl-scope')].map(e => {
    const pixels = e.width && e.height ? e.getContext('2d').getImageData(0, 0, e.width, e.height).data : [];
    let ink = 0; for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 60) ink += 1;
    const box = e.getBoundingClientRect();
    return {frames: +e.dataset.frames, points: +e.dataset.points, marks: +e.dataset.marks, theme: e.dataset.theme,
            ink, left: box.left, right: box.right, width: box.width, height: box.height}; })"""

# elements whose text does not fit into them
CUT = """() => [...document.querySelectorAll('.widget-vbox :is(button, select, .widget-html-content, .widget-label)')]
    .filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0)
    .map(e => e.innerText.slice(0, 60))"""


# what each code cell of the notebook has put out, seen or not (JupyterLab only draws cells in view)
OUTPUTS = """() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells, out = [];
    for (let i = 0; i < cells.length; i++) if (cells.get(i).type === 'code')
        out.push([cells.get(i).executionCount, JSON.stringify(cells.get(i).outputs.toJSON())]);
    return out; }"""


class Panel:
    """The cockpit on an open page; in JupyterLab its kernel can be asked, in Voilà it cannot."""

    def __init__(self, tab: Any, lab: bool, folder: Path) -> None:
        self.tab, self.lab, self.folder = tab, lab, folder
        self.errors: list[str] = []
        tab.on("pageerror", lambda error: self.errors.append(f"{error} {error.stack or ''}"))

    def wait(self, play: str = "Play") -> "Panel":
        """Wait until the panel stands."""
        self.button(play).wait_for(timeout=90_000)
        self.tab.locator("canvas.hl-scope").first.wait_for(timeout=60_000)
        drawn = """() => [...(document.querySelector('.hl-main') ?? document).querySelectorAll('canvas')]
            .some(e => e.offsetParent && +e.dataset.frames)"""
        self.until(lambda: self.tab.evaluate(drawn), what="the first frame")
        self.tab.evaluate(KEYS)
        return self

    def button(self, label: str) -> Any:
        return self.tab.locator(f"button.jupyter-button:text-is('{label}')").first

    def press(self, label: str) -> None:
        self.button(label).click()

    def slide(self, name: str, key: str = "ArrowRight") -> None:
        """One key press on a slider."""
        self.tab.locator(".noUi-handle").nth(SLIDERS.index(name)).press(key)

    def status(self) -> str:
        return self.tab.locator("[role=status]").first.inner_text()

    def alarm(self) -> str:
        found = self.tab.locator("[role=alert]:visible")
        return found.first.inner_text() if found.count() else ""

    def number(self, what: str) -> float:
        """A figure of the status line: step, steps/s, frames/s."""
        pattern = rf"([\d,.]+) {what}" if "/" in what else rf"{what} ([\d,.]+)"
        found = re.search(pattern, self.status())
        return float(found[1].replace(",", "")) if found else -1.0

    def step(self) -> int:
        return int(self.number("step"))

    def canvas(self, which: int = -1) -> dict[str, Any]:
        """The time scope (the last canvas), or the phase portrait (0)."""
        return self.tab.evaluate(CANVAS)[which]

    def changes(self) -> list[tuple[float, int, dict[str, float]]]:
        """Settings changed in the kernel: (time, step, what)."""
        file = self.folder / "changes.jsonl"
        found = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
        return [tuple(c) for c in found if c[2]]

    def kernel(self, code: str) -> Any:
        """What a piece of code prints, read as JSON."""
        text = self.tab.evaluate(EXECUTE, code)
        return json.loads(text) if text.strip() else None

    def cut(self) -> list[str]:
        """Texts that do not fit into their place."""
        return self.tab.evaluate(CUT)

    def latency(self, name: str, presses: int, pause: float = 120) -> list[float]:
        """Seconds from key press to the kernel's setting, one per press, while it plays."""
        self.tab.evaluate("() => { window.hlKeys.length = 0; }")
        before = len(self.changes())
        for k in range(presses):
            self.slide(name, "ArrowRight" if k % 20 < 10 else "ArrowLeft")
            self.tab.wait_for_timeout(pause)
        self.tab.wait_for_timeout(1000)
        pressed = self.tab.evaluate("() => window.hlKeys")
        arrived = [c[0] for c in self.changes()[before:]]
        return [min((a - p for a in arrived if a >= p), default=float("inf")) for p in pressed]

    def until(self, true: Callable[[], bool], seconds: float = 30.0, what: str = "") -> None:
        """Wait until true()."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds:g} s for {what}; status: {self.status()}; page: {self.errors}")
            self.tab.wait_for_timeout(40)


def notebook(folder: Path, *cells: str) -> Path:
    """A notebook of code cells, the cockpit's if none are given."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells or (CELL,)]
    nbformat.write(book, folder / "a.ipynb")
    return folder / "a.ipynb"


def in_jupyterlab(tab: Any, address: str, folder: Path, name: str = "a.ipynb") -> Panel:
    """The panel of a notebook in JupyterLab, all cells run."""
    panel = Panel(tab, True, folder)
    site.open_notebook(tab, address, name)
    tab.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    site.run_all(tab)
    return panel.wait()


@contextmanager
def of_cells(folder: Path, *cells: str) -> Iterator[Panel]:
    """The panel of these cells, in a JupyterLab of 1366 × 768 of its own."""
    notebook(folder, *cells)
    with site.jupyterlab(folder) as address, site.page(1366, 768) as tab:
        yield in_jupyterlab(tab, address, folder)


def in_voila(tab: Any, address: str, folder: Path) -> Panel:
    """The panel of a notebook in Voilà."""
    panel = Panel(tab, False, folder)
    tab.goto(f"{address}/?token={site.TOKEN}", timeout=90_000)
    return panel.wait()
