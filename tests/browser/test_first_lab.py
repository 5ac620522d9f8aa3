"""The first lab as a student opens it: JupyterLab with and without subshells, dark; Voilà."""

import shutil

import pytest

from . import panel as panels
from . import site

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("subshells", [True, False])
def test_the_first_lab_runs_in_jupyterlab(tmp_path, subshells):
    shutil.copy(site.ROOT / "labs" / "00_start_here.ipynb", tmp_path)
    with site.jupyterlab(tmp_path, dark=True, subshells=subshells) as address, site.page(dark=True) as tab:
        panel = panels.in_jupyterlab(tab, address, tmp_path, "00_start_here.ipynb")
        panel.until(lambda: panel.button("Play").count() == 1, what="the panel")
        panel.press("Play")
        panel.until(lambda: panel.step() > 100, what="100 steps")
        assert panel.tab.evaluate(panels.CANVAS)[1]["theme"] == "dark"
        panel.until(lambda: all(count for count, _ in tab.evaluate(panels.OUTPUTS)), what="all cells")
        outputs = [text for _, text in tab.evaluate(panels.OUTPUTS)]
        assert "Exercise 3: not yet" in outputs[-1] and not any('"ename"' in text for text in outputs)
        assert panel.errors == []


def test_the_first_lab_runs_in_voila(tmp_path):
    shutil.copy(site.ROOT / "labs" / "00_start_here.ipynb", tmp_path)
    with site.voila(tmp_path / "00_start_here.ipynb") as address, site.page() as tab:
        panel = panels.in_voila(tab, address, tmp_path)
        panel.press("Play")
        panel.until(lambda: panel.step() > 100, what="100 steps")
        assert panel.errors == []
