"""Several live figures at once and a race, in JupyterLab: none freezes, one that breaks is told, nothing is cut off."""

import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser

CELL = """import numpy as np, torch, hlcore
from hlcore.lab import Cockpit, Figure

class Spectrum(Figure):
    title = "spectrum of V"

    def frame(self, run, view):
        found = torch.linalg.eigvals(run.learner.network.cell.weight_hh.detach().double()).numpy()
        circle = np.exp(2j * np.pi * np.linspace(0, 1, 61))
        layers = [{"draw": "line", "ink": -1}, {"draw": "points", "ink": 0}]
        columns = [circle.real, circle.imag, found.real, found.imag]
        self.widget.show("plane", columns, layers=layers, x="Re λ", y="Im λ", equal=True)

class Broken(Figure):
    def frame(self, run, view):
        if run.learner.steps > 300:
            raise ValueError("no more")

cockpit = Cockpit(hlcore.experiments.get("tracker-water-flow"), figures=[Spectrum, Spectrum, Broken])
cockpit"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    panels.notebook(folder, CELL)
    with site.jupyterlab(folder) as address, site.page() as tab:
        yield panels.in_jupyterlab(tab, address, folder)


def canvases(panel):
    return panel.tab.evaluate(panels.CANVAS)


def test_all_figures_are_drawn_while_it_plays_and_a_broken_one_is_told(panel):
    panel.until(lambda: len(canvases(panel)) == 5, what="the figures before the third breaks")
    panel.press("Play")
    before = [c["frames"] for c in canvases(panel)]

    def all_move():
        now = [c["frames"] for c in canvases(panel)]
        return all(b > a + 3 for a, b in zip(before[:4], now, strict=False))

    panel.until(all_move, what="frames of all four figures")
    panel.until(lambda: "Broken is drawn no more: ValueError: no more" in panel.tab.inner_text("body"), what="the word")
    step = panel.step()
    panel.until(lambda: panel.step() > step + 50, what="steps after that")
    assert len(canvases(panel)) == 4 and all(c["ink"] > 500 for c in canvases(panel)[2:])


def test_a_race_is_chosen_from_the_menu(panel):
    menu = panel.tab.locator("select").filter(has_text="race rtrl").first
    for name, title in (
        ("race rtrl", "raced by Real-time recurrent learning"),
        ("race sgd", "raced by Real-time recurrent learning, torch.optim.SGD"),
    ):
        menu.select_option(name)
        panel.until(lambda title=title: title in panel.tab.inner_text("body"), what=title)
    panel.until(lambda: "max |Δθ| from rtrl" in panel.tab.inner_text("body"), what="the gap in words")
    menu.select_option("race …")
    panel.until(lambda: "raced by" not in panel.tab.inner_text("body"), what="its end")
    panel.press("Pause")
    panel.until(lambda: "paused" in panel.status(), what="the pause")
    assert panel.cut() == [] and panel.errors == []
