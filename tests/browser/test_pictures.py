"""The labs' own pictures in JupyterLab: as wide as their place, played, and heard when a slider moves."""

import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser

HEIGHT = 4200  # all figures are in view: JupyterLab draws no others
CELLS = [f"from hlcore.lab import {name}\n{name}()" for name in ("Waves", "Film", "Valley", "Directions", "Steering")]
CELLS += [
    "from hlcore.lab import Chart\nChart([1, 2], {'a': [0, 1]}, 'x', 'a label that is as long as forty-four letters')"
]
PLOTS = """() => [...document.querySelectorAll('.js-plotly-plot')].map(e => {
    const box = e.querySelector('.main-svg').getBoundingClientRect(), place = e.closest('.jp-OutputArea-output');
    const room = place.getBoundingClientRect();
    const drawn = e.querySelectorAll('.hm, .contour, .scatterlayer path').length;
    const boxes = (what) => [...e.querySelectorAll(what)].map(part => part.getBoundingClientRect());
    const wide = (b) => b.left < box.left - 2 || b.right > box.right + 2;
    const beyond = (b) => wide(b) || b.top < box.top - 2 || b.bottom > box.bottom + 2;
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom && b.top < a.bottom;
    const texts = [...e.querySelectorAll('text')].filter(text => text.textContent);
    const cut = texts.filter(text => beyond(text.getBoundingClientRect())).map(text => text.textContent);
    const covered = boxes('.colorbar').filter(bar => boxes('.nsewdrag').some(axes => meet(bar, axes))).length;
    return {width: box.width, right: box.right, room: room.width, drawn, cut, covered}; })"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    panels.notebook(folder, *CELLS)
    with site.jupyterlab(folder) as address, site.page(height=HEIGHT) as page:
        site.open_notebook(page, address, "a.ipynb")
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        site.run_all(page)
        page.wait_for_function(
            "() => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 6", timeout=90_000
        )
        yield page


def wait(tab, true, what):
    for _ in range(300):
        if true():
            return
        tab.wait_for_timeout(100)
    raise AssertionError(f"waited 30 s for {what}: {tab.evaluate(PLOTS)}")


def test_figures_are_as_wide_as_their_place_at_any_width(tab):
    for width in (1400, 1000, 1400):
        tab.set_viewport_size({"width": width, "height": HEIGHT})

        def fitted(width=width):
            plots = tab.evaluate(PLOTS)
            fit = [0.95 * p["room"] <= p["width"] <= p["room"] + 1 and p["right"] <= width for p in plots]
            return len(plots) == len(CELLS) and all(fit) and all(p["drawn"] for p in plots)

        wait(tab, fitted, f"figures that fit into {width} px")
        wait(
            tab, lambda: not any(p["cut"] or p["covered"] for p in tab.evaluate(PLOTS)), "words and bars in their place"
        )


def test_waves_are_played_to_the_end(tab):
    status = tab.locator("[role=status]").first
    tab.locator("button:text-is('Restart')").first.click()
    wait(tab, lambda: "tick 1 of 40" in status.inner_text(), "the first tick")
    tab.locator("button:text-is('Play')").first.click()
    wait(tab, lambda: "tick 40 of 40" in status.inner_text(), "the last tick")
    assert "exact for the first time after 12 ticks" in status.inner_text()


def test_a_film_that_decays_is_refused(tab):
    status = tab.locator("[role=status]").nth(1)
    assert "trusted" in status.inner_text() and "refuses" not in status.inner_text()
    slider = tab.locator(".noUi-handle").nth(2)  # after the two of the waves
    slider.focus()

    def refused():
        slider.press("End")  # again, where the page was not listening yet; at the end it changes nothing
        return "refuses to make a gradient" in status.inner_text()

    wait(tab, refused, "the refusal")
