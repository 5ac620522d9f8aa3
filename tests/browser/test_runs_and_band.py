"""The table of runs, a term's number, the tangent band and the dragged cursor, in JupyterLab at 1366 × 768."""

from pathlib import Path

import axe_core_python
import pytest

from . import panel as panels
from .test_for_everyone import AXE, SMALL
from .test_one_screen import VIEW
from .test_survey import CELL

pytestmark = pytest.mark.browser

NAMES = "() => [...document.querySelectorAll('.hl-runs tbody td:first-child')].map(e => e.innerText.trim())"


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    with panels.of_cells(tmp_path_factory.mktemp("runs"), CELL) as made:
        yield made


def open_tab(panel, name):
    panel.tab.locator(f".lm-TabBar-tabLabel:text-is('{name}')").click()


def now(panel):
    return panel.kernel(
        "print(json.dumps([cockpit.run.learner.steps, cockpit.time.past and cockpit.time.past.learner.steps]))"
    )


def test_runs_are_sorted_by_a_heading_and_loaded_by_name_with_keys_too(panel):
    tab = panel.tab
    before = tab.evaluate(VIEW)["seen"]
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100, what="100 steps")
    panel.press("New seed")
    panel.press("Step")
    open_tab(panel, "runs")
    panel.kernel("cockpit.fork(eta=1.5); cockpit.step(9)")
    panel.until(lambda: len(tab.evaluate(NAMES)) == 3, what="three rows")
    assert tab.evaluate(NAMES) == ["run", "η = 1.5", "run 1"]
    head = tab.locator(".hl-runs th button:text-is('steps')")
    head.click()
    head.press("Enter")
    assert tab.locator(".hl-runs th[aria-sort=descending]").inner_text().startswith("steps")
    assert tab.evaluate(NAMES)[0] == "run 1"
    tab.locator(".hl-runs button:text-is('run 1')").press("Enter")
    panel.until(lambda: panel.step() == 100 and "seed 0" in panel.status(), what="the run before")
    panel.until(lambda: "run 2" in tab.evaluate(NAMES), what="the run that was left")
    for what in ("Play", "equations", "dials", "rows"):
        assert tab.evaluate(VIEW)["seen"][what] == before[what], f"{what} moved"
    tab.screenshot(path=str(panel.folder / "runs.png"))


def test_a_term_tells_its_number(panel):
    tab = panel.tab
    tab.locator(".hl-term[data-term=eta]").first.hover()
    note = tab.locator(".hl-note")
    panel.until(lambda: note.is_visible() and note.inner_text().startswith("η = "), what="the number")
    tab.locator(".hl-term[data-term=omega]").first.click()
    tab.locator(".hl-words").first.hover()
    assert note.inner_text().startswith("max|ω| = "), "a click holds it"
    tab.keyboard.press("Escape")
    panel.until(lambda: not note.is_visible(), what="its end")


def test_the_cursor_is_dragged_along_the_time_axis_and_let_go_at_the_end(panel):
    tab, box = panel.tab, panel.tab.locator(".hl-main canvas").bounding_box()
    y = box["y"] + box["height"] - 18
    tab.mouse.move(box["x"] + 0.8 * box["width"], y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.5 * box["width"], y, steps=5)
    panel.until(lambda: 35 < (now(panel)[1] or 0) < 60, what="the cursor in the middle")
    tab.mouse.up()
    middle = 1 + (0.5 * box["width"] - 58) / (box["width"] - 70) * 99
    panel.until(lambda: abs((now(panel)[1] or 0) - middle) < 2, what="where it was let go")
    at, line = now(panel)[1], box["x"] + 58 + (now(panel)[1] - 1) / 99 * (box["width"] - 70)
    tab.mouse.move(line, box["y"] + 60)
    tab.mouse.down()
    tab.mouse.move(line - 100, box["y"] + 60, steps=4)
    tab.mouse.up()
    panel.until(lambda: now(panel)[1] and now(panel)[1] < at - 8, what="the cursor drawn by its line")
    tab.mouse.move(box["x"] + 0.5 * box["width"], y)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] - 2, y, steps=4)
    tab.mouse.up()
    panel.until(lambda: now(panel)[1] is None, what="now")
    tab.wait_for_timeout(1500)
    assert now(panel)[1] is None, "and there it stays"


def test_the_band_shows_where_it_would_go(panel):
    tab = panel.tab
    open_tab(panel, "rows")
    panel.slide("β")
    panel.press("which way?")
    told = "print(json.dumps(None if cockpit.view.band is None else cockpit.view.band.told))"
    panel.until(lambda: panel.kernel(told) == "β ± 10%", 240, "the band")
    plan = "print(json.dumps([cockpit._rows.widget.plan['points'], cockpit._rows.widget.plan['last']]))"
    points, last = panel.kernel(plan)
    assert points >= last + 200, "ahead, too"
    tab.wait_for_timeout(600)
    tab.screenshot(path=str(panel.folder / "band.png"))
    assert panel.cut() == [] and panel.errors == []


def test_axe_finds_nothing_serious_in_the_table_and_the_map(panel):
    tab = panel.tab
    tab.evaluate(Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8"))
    for name in ("runs", "map", "rows"):
        open_tab(panel, name)
        tab.wait_for_timeout(400)
        assert tab.evaluate(AXE) == [], name
        assert name == "rows" or tab.evaluate(SMALL) == [], name  # a tick's label is its target
