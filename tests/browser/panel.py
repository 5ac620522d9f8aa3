"""A panel as a person meets it: buttons by their words, sliders by their keys, text and plotly's state to read."""

from __future__ import annotations

import json
import re
import time
from typing import Any

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# stamps of key presses, in seconds since the epoch: the kernel on the same machine has the same clock
STAMPS = """() => { window.hlKeys = []; window.addEventListener('keydown',
    () => window.hlKeys.push((performance.timeOrigin + performance.now()) / 1000), true); }"""

EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let text = '', error = null;
    future.onIOPub = (m) => {
        if (m.header.msg_type === 'stream') text += m.content.text;
        if (m.header.msg_type === 'error') error = m.content.ename + ': ' + m.content.evalue;
    };
    await future.done;
    if (error) throw new Error(error);
    return text; }"""

FIGURES = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data).map(e => ({
    points: e.data.map(d => d.y ? d.y.length : 0),
    last: e.data.map(d => d.y && d.y.length ? d.y[d.y.length - 1] : null),
    shapes: (e.layout.shapes || []).length,
    texts: (e.layout.annotations || []).map(a => a.text),
    width: e._fullLayout.width, room: e.parentElement.clientWidth, height: e._fullLayout.height,
    frames: e.hlFrames || 0 }))"""

COUNT_FRAMES = """() => document.querySelectorAll('.js-plotly-plot').forEach(e => {
    if (e.on && e.hlFrames === undefined) { e.hlFrames = 0; e.on('plotly_afterplot', () => { e.hlFrames += 1; }); } })"""


class Panel:
    """What tests do with a page; `lab` tells JupyterLab from Voilà."""

    def __init__(self, page: Any, lab: bool) -> None:
        self.page, self.lab = page, lab
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, server: Any, notebook: str) -> Panel:
        """Open the notebook and run all of it."""
        if self.lab:
            self.page.goto(f"{server.url}/lab/tree/{notebook}?reset&token={server.token}")
            self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
            self.run_all()
        else:
            self.page.goto(f"{server.url}/?token={server.token}", timeout=90_000)
        self.button("Play").wait_for(timeout=90_000)
        self.page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=60_000)
        self.page.evaluate(STAMPS)
        return self

    def run_all(self) -> None:
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def kernel(self, code: str) -> Any:
        """Run code in the notebook's kernel (JupyterLab only); what it prints, read as JSON."""
        text = self.page.evaluate(EXECUTE, code)
        return json.loads(text) if text.strip() else None

    def button(self, label: str) -> Any:
        return self.page.get_by_role("button", name=re.compile(f"^\\W*{label}$")).first

    def press(self, label: str) -> None:
        self.button(label).click()

    def slider(self, tooltip: str) -> Any:
        """The handle of the slider whose tooltip begins so."""
        return (
            self.page.locator(f".widget-slider:has([title^='{tooltip}']), [title^='{tooltip}'].widget-slider")
            .locator(".noUi-handle")
            .first
        )

    def status(self) -> str:
        return self.page.locator("[role=status]").first.inner_text()

    def step(self) -> int:
        """The step that the status line tells."""
        found = re.search(r"step ([\d,]+)", self.status())
        return int(found[1].replace(",", "")) if found else -1

    def figures(self) -> list[dict[str, Any]]:
        return self.page.evaluate(FIGURES)

    def count_frames(self) -> None:
        self.page.evaluate(COUNT_FRAMES)

    def until(self, true: Any, seconds: float = 20.0, what: str = "") -> None:
        """Wait until true() holds; the browser's events run meanwhile."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds:g} s for {what or true}; the status line says: {self.status()}")
            self.page.wait_for_timeout(40)

    def key_times(self) -> list[float]:
        return self.page.evaluate("() => window.hlKeys")
