"""A panel with figures of its own: they stand above the curves, and all of it is in view."""

import pytest

from .test_one_screen import VIEW, opened

pytestmark = pytest.mark.browser

OWN = """from hlcore.lab import ClientErrors, GraphPicture, Variants
cockpit = Variants("graph-clients", {"noise": (0.0, 2.0)}, controls=["lam"], figures=[GraphPicture, ClientErrors])
cockpit"""


def test_figures_of_ones_own_leave_the_curves_in_view(tmp_path):
    with opened(tmp_path, "Play", OWN) as panel:
        steps_in_view(panel, ".hl-main > .hl-fill canvas")
        places = "() => [...document.querySelectorAll('.hl-figures canvas, .hl-main > .hl-fill canvas')].map(e => {"
        boxes = panel.tab.evaluate(places + "const b = e.getBoundingClientRect(); return [b.left, b.top, b.bottom]; })")
        (a, high, low), (b, _, other), (_, top, bottom) = boxes
        assert b > a + 200 and abs(low - other) < 25 and max(low, other) <= top and bottom - top >= 190, boxes
        assert high < low and panel.errors == []


# pixels of the lowest row of a picture, without its axis and what stands above
LOWEST = """() => Math.min(...[...document.querySelectorAll('.hl-main canvas')].map(e =>
    e.offsetParent && e.dataset.rows ? (e.clientHeight - 62) / e.dataset.rows.split(' ').length : 1e3))"""

INSTEAD = {
    "crowd-clusters": "Run(crowd, width=512), figures=[CrowdCloud]",
    "dream-digits": "crowd, figures=[Dreaming]",
    "experts-digits": "crowd, figures=[ExpertRoom]",
}


@pytest.mark.parametrize("name", INSTEAD)
def test_figures_in_the_place_of_the_curves_are_one_screen_until_a_row_is_ticked(tmp_path, name):
    cell = f"""import hlcore
from hlcore.lab import Cockpit, CrowdCloud, Dreaming, ExpertRoom
from hlcore.runs.run import Run
crowd = hlcore.experiments.get("{name}")
cockpit = Cockpit({INSTEAD[name]})
cockpit"""
    with opened(tmp_path, "Play", cell) as panel:
        steps_in_view(panel, ".hl-instead")
        pictures = "() => [...document.querySelectorAll('.hl-main canvas')].filter(e => e.offsetParent).map(e => {"
        heights = pictures + "return [!!e.closest('.hl-instead'), e.getBoundingClientRect().height]; })"
        seen = panel.tab.evaluate(heights)
        assert len(seen) >= 2 and all(own and height >= 105 for own, height in seen), seen
        panel.tab.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        panel.until(lambda: panel.tab.evaluate(LOWEST) >= 30, what="rows that can be read beside the file browser")
        panel.tab.set_viewport_size({"width": 1000, "height": 700})
        panel.until(
            lambda: panel.tab.evaluate(LOWEST) >= 30, what="rows that can be read where pictures go below each other"
        )
        panel.kernel("cockpit.command('rows', {'shown': {'L': True}}); cockpit.draw()")
        panel.until(lambda: [False] in [one[:1] for one in panel.tab.evaluate(heights)], what="the row of the loss")
        assert panel.errors == []


def steps_in_view(panel, pictures):
    """Take a hundred steps, and see all of the panel with these pictures in the place of the curves."""
    panel.press("Step n")
    panel.until(lambda: panel.step() == 100, what="100 steps")
    view = VIEW.replace(".hl-main canvas", pictures)
    panel.until(lambda: inside(panel.tab.evaluate(view)), what="all of it to be in view")


def inside(told):
    """Whether all is within the window."""
    left, top, right, bottom = told["window"]
    return all(a >= left and b >= top - 2 and c <= right and d <= bottom + 2 for a, b, c, d in told["seen"].values())
