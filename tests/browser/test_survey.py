"""The map of two settings in JupyterLab: made while the panel plays, coarse first; a click lets a run play beside."""

import pytest

from . import panel as panels
from .test_one_screen import VIEW

pytestmark = pytest.mark.browser

CELL = """import json, hlcore
from hlcore.lab import Cockpit
cockpit = Cockpit(hlcore.experiments.get("tracker-water-flow"))
cockpit"""
MAP = """() => { const d = document.querySelector('canvas.hl-settings-map').dataset;
    return [+d.cells, +d.border, +d.visited]; }"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    with panels.of_cells(tmp_path_factory.mktemp("survey"), CELL) as made:
        yield made


def test_a_map_is_made_while_it_plays_and_a_click_plays_beside(panel):
    tab = panel.tab
    tab.locator(".lm-TabBar-tabLabel:text-is('map')").click()
    before = tab.evaluate(VIEW)["seen"]["rows"]
    panel.press("Play")
    panel.press("Map")
    step = panel.step()
    panel.until(lambda: tab.evaluate(MAP)[0] >= 81, 240, "the coarse map")
    assert panel.step() > step + 50 and "playing" in panel.status(), "the panel went on"
    panel.until(lambda: tab.evaluate(MAP)[0] >= 289, 240, "a finer map")
    cells, border, _ = tab.evaluate(MAP)
    panel.press("Stop")
    assert border > 0 and tab.evaluate(VIEW)["seen"]["rows"] == before, "nothing moved"
    box = tab.locator("canvas.hl-settings-map").bounding_box()
    tab.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    panel.until(lambda: tab.evaluate(MAP)[2] == 1, what="the run on the map")
    panel.until(lambda: panel.kernel("print(json.dumps(len(cockpit.forks())))") == 1, what="the run beside")
    tab.locator("canvas.hl-settings-map").focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        tab.keyboard.press(key)
    panel.until(lambda: tab.evaluate(MAP)[2] == 2, what="another by keys")
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")
    tab.screenshot(path=str(panel.folder / "map.png"))
    tab.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    tab.wait_for_timeout(1500)
    panel.press("Step")
    tab.wait_for_timeout(800)
    tab.screenshot(path=str(panel.folder / "map-dark.png"))
    assert cells >= 289 and panel.cut() == [] and panel.errors == []
