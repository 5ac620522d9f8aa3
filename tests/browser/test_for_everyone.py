"""The panel for everyone: it asks before it plays, obeys keys while it has the focus, takes a file, and passes axe."""

import re
from contextlib import contextmanager
from pathlib import Path

import axe_core_python
import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser

CELL = """import hlcore
from hlcore.lab import Cockpit, Predict, Sketch
cockpit = Cockpit(hlcore.experiments.get("tracker-sinusoid"))
question = Predict("Which way will the loss go?", ["it falls", "it rises"], "it falls", "It learns.", cockpit)
question"""
SKETCH = """import time, ipywidgets
drawn = Predict("Draw it.", Sketch("step", "loss", (0, 100), (0, 1)), ([0, 100], [1, 0]), "So.")
busy = ipywidgets.Button(description="Be busy")
busy.on_click(lambda _: time.sleep(2))
ipywidgets.VBox([drawn, busy])"""

AXE = """async () => {
    const panels = [...document.querySelectorAll('.hl-panel')];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
    const found = await axe.run(panels, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']});
    return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
        .map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary.slice(0, 200)]); }"""

# what can be pressed, and is smaller than 24 px in one direction
SMALL = """() => [...document.querySelectorAll('.hl-panel :is(button, select, input:not([type=file]))')]
    .filter(e => e.offsetParent).map(e => [e, e.getBoundingClientRect()])
    .filter(([e, b]) => b.width < 24 || b.height < 23.5)
    .map(([e, b]) => `${e.outerHTML.slice(0, 90)} ${b.width}x${b.height}`)"""

CSV = "x;y\n" + "\n".join(f"{(k % 7) / 3:.3f};{(k % 11) / 5:.3f}" for k in range(300))
DROP = """(text) => { const data = new DataTransfer();
    data.items.add(new File([text], 'mine.csv', {type: 'text/csv'}));
    const at = document.querySelectorAll('canvas.hl-scope')[1];
    const how = {dataTransfer: data, bubbles: true, cancelable: true};
    for (const what of ['dragover', 'drop']) at.dispatchEvent(new DragEvent(what, how)); }"""


@contextmanager
def opened(kind, folder):
    book = panels.notebook(folder, CELL, "cockpit", SKETCH)
    with site.page(width=1366, height=768) as tab:
        if kind == "voila":
            with site.voila(book) as address:
                tab.goto(address, timeout=90_000)
                yield panels.Panel(tab, False, folder)
        else:
            with site.jupyterlab(folder) as address:
                site.open_notebook(tab, address, "a.ipynb")
                tab.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
                site.run_all(tab)
                yield panels.Panel(tab, True, folder)


@pytest.fixture(scope="module", params=["jupyterlab", "voila"])
def panel(request, tmp_path_factory):
    with opened(request.param, tmp_path_factory.mktemp(request.param)) as found:
        found.button("Predict first").wait_for(timeout=90_000)
        found.tab.locator("canvas.hl-scope").nth(1).wait_for(timeout=60_000)
        yield found


def test_it_asks_before_it_plays(panel):
    assert panel.button("Predict first").is_disabled()
    assert "Which way will the loss go?" in panel.button("Predict first").get_attribute("title")
    panel.press("it rises")
    panel.until(lambda: panel.button("Play").count() == 1, what="leave to play")
    panel.press("it falls")
    panel.until(lambda: panel.button("it falls ✓").count() == 1, what="another answer")
    panel.press("Reveal")
    panel.until(lambda: "as you foresaw" in panel.tab.inner_text("body"), what="what came")


def test_keys_are_heard_in_the_panel_alone_and_jupyterlab_rests(panel):
    tab = panel.tab
    cells = tab.locator(".jp-Cell").count()
    root = tab.locator(".hl-panel").filter(has=tab.locator("canvas.hl-scope")).first
    root.focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Shift+Tab")
    outline = root.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline != "none", "the focus is seen"
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    panel.until(lambda: panel.step() == 3, what="three steps")
    tab.keyboard.press("ArrowLeft")
    panel.until(lambda: panel.step() == 2, what="a step back")
    tab.keyboard.press("End")
    panel.until(lambda: panel.step() == 3, what="the end")
    tab.keyboard.press("Space")
    panel.until(lambda: panel.button("Pause").count() == 1 and panel.step() > 50, what="play")
    tab.keyboard.press("Space")
    panel.until(lambda: panel.button("Play").count() == 1, what="pause")
    tab.keyboard.press("2")
    panel.until(lambda: "0.002" in tab.inner_text("body") or "sluggish" in tab.inner_text("body"), what="a preset")
    for key in ("a", "b", "d", "d", "x", "m", "y"):  # JupyterLab's own
        tab.keyboard.press(key)
    assert tab.locator(".jp-Cell").count() == cells
    tab.keyboard.press("?")
    tab.locator(".hl-keymap:not([hidden])").wait_for(timeout=5000)
    assert "play or pause" in tab.locator(".hl-keymap:not([hidden])").inner_text()
    tab.screenshot(path=str(panel.folder / "keys.png"))
    tab.keyboard.press("Escape")
    panel.until(lambda: tab.locator(".hl-keymap:not([hidden])").count() == 0, what="the map away")
    step = panel.step()
    root.locator("input[type=number], .widget-text input").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.type("?")
    tab.wait_for_timeout(300)
    assert panel.step() == step and tab.locator(".hl-keymap:not([hidden])").count() == 0, "a field keeps its keys"


def at_the_pen(sketch):
    return float(re.search(r": ([\d.]+); \d+/41$", sketch.get_attribute("aria-label"))[1])


def test_a_curve_is_drawn_with_the_pointer_and_with_keys(panel):
    tab, sketch = panel.tab, panel.tab.locator("canvas.hl-sketch")
    sketch.scroll_into_view_if_needed()
    box = sketch.bounding_box()
    tab.mouse.move(box["x"] + 70, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 90, steps=6)
    tab.mouse.up()
    panel.press("Be busy")  # what follows waits for the kernel, and must reach it in the order in which it was done
    drawn = int(sketch.get_attribute("data-drawn"))
    assert 10 < drawn < 41
    sketch.focus()
    for key in ("ArrowRight",) * 3 + ("ArrowUp",) * 6:
        tab.keyboard.press(key)
    panel.until(lambda: int(sketch.get_attribute("data-drawn")) > drawn, what="three places more")
    high = at_the_pen(sketch)
    panel.press("This is my curve")
    panel.until(lambda: sketch.get_attribute("data-drawn") == "41", what="the whole curve")
    tab.wait_for_timeout(500)
    assert sketch.get_attribute("data-drawn") == "41"
    assert at_the_pen(sketch) == pytest.approx(high, abs=0.002), "handed in as it was drawn last"
    tab.locator("button:text-is('Reveal')").last.click()
    panel.until(lambda: sketch.get_attribute("data-found") == "41", what="the curve that came")
    tab.screenshot(path=str(panel.folder / "sketch.png"))


def test_a_dropped_file_is_learned_within_ten_seconds(panel):
    panel.tab.evaluate(DROP, "x,y\na,b\n")
    panel.until(lambda: "mine.csv" in panel.alarm() or "numbers" in panel.alarm(), what="the complaint")
    panel.tab.evaluate(DROP, CSV)
    panel.until(lambda: "mine.csv" in panel.tab.inner_text("body") and panel.step() > 20, 10, "steps on the file")
    panel.press("Pause")


def test_axe_finds_nothing_serious_and_targets_are_large_enough(panel):
    source = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    panel.tab.evaluate(source)
    assert panel.tab.evaluate(AXE) == []
    assert panel.tab.evaluate(SMALL) == []
    assert panel.errors == []


def test_axe_can_find_something(panel):
    panel.tab.evaluate("() => document.querySelector('.hl-panel').append(document.createElement('button'))")
    assert [found[0] for found in panel.tab.evaluate(AXE)] == ["button-name"]
