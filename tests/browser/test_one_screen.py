"""`make lab` opens into one screen: nothing asks, all is in view, nothing jumps, rows go where one likes."""

import re
from contextlib import contextmanager

import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser

SIZES = [(1366, 768), (1024, 768), (1920, 1080)]

# what of the panel is to be seen, and the window in which JupyterLab shows a notebook
VIEW = """() => { const panel = document.querySelector('.hl-panel'), box = e => {
        const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom].map(Math.round); };
    panel.scrollIntoView({block: 'start'});
    const window = box(document.querySelector('.jp-WindowedPanel-outer'));
    return {window, width: panel.clientWidth, seen: Object.fromEntries([
        ['Play', '.hl-bar > button:not([style*=none])'], ['equations', '.hl-equations'], ['status', '[role=status]'],
        ['dials', '.hl-dials'], ['portrait', '.hl-portrait canvas'], ['rows', '.hl-main canvas'],
        ['full', '.hl-full']].map(([name, what]) => [name, box(panel.querySelector(what))]))}; }"""

SHIFTS = """() => { window.hlShifts = []; new PerformanceObserver(list => list.getEntries().forEach(
    entry => window.hlShifts.push(entry.value))).observe({type: 'layout-shift'}); }"""


def of_make_lab(folder):
    """The options with which `make lab` starts JupyterLab."""
    makefile = (site.ROOT / "Makefile").read_text()
    spaces = folder / "spaces"
    spaces.mkdir()
    source, name = re.search(r"cp -n (\S+) \$\(SPACES\)/(\S+)", makefile).groups()
    (spaces / name).write_text((site.ROOT / source).read_text())
    (line,) = re.findall(r"^SHOW +:= (.*)", makefile, re.M)
    return line.replace("$(CURDIR)", str(site.ROOT)).replace("$(SPACES)", str(spaces)).split()


@contextmanager
def opened(folder, play, *cells):
    """The panel as `make lab` opens it, in the language of HL_LANG, in which its button is called `play`."""
    panels.notebook(folder, *cells)
    with site.jupyterlab(folder, options=of_make_lab(folder)) as address, site.page(1366, 768) as tab:
        site.open_notebook(tab, address, "a.ipynb", reset=False)  # as make lab opens it
        site.run_all(tab)
        yield panels.Panel(tab, True, folder).wait(play)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("screen"), "Play") as made:
        yield made


def rows(panel):
    return panel.tab.evaluate("() => document.querySelector('.hl-main canvas').dataset.rows").split()


def test_nothing_asks_the_sidebar_is_folded_and_the_first_steps_are_there(panel):
    assert not panel.tab.locator(".jp-Dialog, .Toastify__toast").count()
    assert not panel.tab.locator("#jp-left-stack:visible").count()
    ahead = "() => +document.querySelector('.hl-main canvas').dataset.ahead"
    panel.until(lambda: panel.tab.evaluate(ahead) > 200, what="the first steps to come")
    assert panel.step() == 0 and panel.canvas()["ink"] > 2000


def test_all_of_it_is_in_view_at_three_sizes_with_the_file_browser_open(panel):
    panel.tab.evaluate("() => window.jupyterapp.commands.execute('filebrowser:activate')")
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100, what="100 steps")
    all_in_view(panel)


def all_in_view(panel):
    for width, height in SIZES:
        panel.tab.set_viewport_size({"width": width, "height": height})
        panel.tab.wait_for_timeout(700)
        told = panel.tab.evaluate(VIEW)
        left, top, right, bottom = told["window"]
        for what, (a, b, c, d) in told["seen"].items():
            assert a >= left and b >= top - 2 and c <= right and d <= bottom + 2, (
                width,
                what,
                (a, b, c, d),
                told["window"],
            )
        assert {"y", "L"} < set(rows(panel)) and len(rows(panel)) >= 4 and panel.cut() == [], width
        assert told["width"] > 0.75 * (right - left), "it uses what is there"
    panel.tab.set_viewport_size({"width": 1366, "height": 768})


def test_nothing_jumps_while_it_plays(panel):
    panel.tab.wait_for_timeout(700)
    before = panel.tab.evaluate(VIEW)
    panel.press("Play")
    panel.until(lambda: panel.step() > 300, what="300 steps")
    panel.tab.evaluate(SHIFTS)
    panel.until(lambda: panel.step() > 1000, what="1000 steps")
    assert panel.tab.evaluate(VIEW)["seen"] == before["seen"] | {"status": panel.tab.evaluate(VIEW)["seen"]["status"]}
    assert sum(panel.tab.evaluate("() => window.hlShifts")) == 0
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")


def test_rows_are_hidden_moved_and_made_taller_by_the_mouse(panel):
    before, scope = rows(panel), panel.tab.locator(".hl-main canvas")
    box = scope.bounding_box()
    height = (box["height"] - 62) / (len(before) + 0.25)  # y is a quarter taller

    def at(x, y):
        return box["x"] + x, box["y"] + 28 + y

    panel.tab.mouse.move(*at(70, 9))
    panel.tab.mouse.down()  # y by its name, below the next row
    panel.tab.mouse.move(*at(70, 2.0 * height))
    panel.tab.mouse.up()
    panel.until(lambda: rows(panel) == [before[1], before[0], *before[2:]], what="another order")
    panel.tab.mouse.move(*at(300, height))
    panel.tab.mouse.down()  # the lower edge of the first row
    panel.tab.mouse.move(*at(300, 0.6 * height))
    panel.tab.mouse.up()
    tall = "print(json.dumps([round(seat.tall, 2) for seat in cockpit._rows.arrangement.seats][:2]))"
    panel.until(lambda: panel.kernel(tall)[0] < 0.8 and panel.kernel(tall)[1] > 1.4, what="another height")
    panel.tab.mouse.click(*at(box["width"] - 18, 9))
    panel.until(lambda: before[1] not in rows(panel), what="a row less")
    panel.tab.locator("text=rows").first.click()
    panel.tab.locator(f".widget-checkbox:has-text('{before[1]}') input").first.check()
    panel.until(lambda: before[1] in rows(panel), what="the row again")


def test_in_the_dark_it_is_dark(panel):
    panel.tab.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    panel.press("Step")
    panel.until(lambda: panel.canvas()["theme"] == "dark", what="the dark")
    assert panel.errors == []
