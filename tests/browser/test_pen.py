"""The canvas' own pen beside the browser's: the same lines and gaps; dashes are half of them."""

import numpy as np
import pytest

from . import site

pytestmark = pytest.mark.browser

DRAW = """([x, given, dash, by]) => {
    const y = given.map((v) => v ?? NaN); // JSON knows no nan
    const canvas = document.createElement("canvas"); canvas.width = 200; canvas.height = 120;
    const c = canvas.getContext("2d"), self = (v) => v;
    if (by === "pen") {
        const pen = new tools.Pen(c, 0, 0, 200, 120);
        pen.dip("#1060c0", 1, 2, dash); tools.path(pen, x, y, self, self); pen.lift();
    } else {
        c.strokeStyle = "#1060c0"; c.lineWidth = 2; c.setLineDash(dash); tools.path(c, x, y, self, self);
    }
    return [...c.getImageData(0, 0, 200, 120).data];
}"""
CURVES = {
    "flat": ([10, 110], [20, 60]),
    "steep": ([50, 60, 70], [5, 115, 10]),
    "wave": (list(range(5, 195)), [60 + 40 * float(np.sin(k / 15)) for k in range(190)]),
    "a gap": ([10, 60, 80, 100, 150], [30, 30, None, 80, 90]),
}


@pytest.fixture(scope="module")
def tab():
    with site.canvas_tools("Pen", "path") as tab:
        yield tab


def drawn(tab, x, y, dash, by):
    """(height, width, rgba) of what was drawn."""
    return np.array(tab.evaluate(DRAW, [x, y, dash, by]), float).reshape(120, 200, 4)


def ink(pixels):
    return pixels[..., 3] / 255


@pytest.mark.parametrize("dash", [[], [6, 6]], ids=["solid", "dashed"])
@pytest.mark.parametrize("curve", CURVES)
def test_the_pen_draws_what_the_browser_draws(tab, curve, dash):
    x, y = CURVES[curve]
    ours, theirs = drawn(tab, x, y, dash, "pen"), drawn(tab, x, y, [], "browser")
    share = 0.5 if dash else 1.0  # 6 on, 6 off: where a piece begins with them is the pen's own affair
    assert ink(theirs).sum() > 100, "something is drawn"
    assert abs(ink(ours).sum() / ink(theirs).sum() / share - 1) < (1 / 6 if dash else 0.1), (
        "a dash is at most a pixel off"
    )
    near = ink(theirs)
    near = np.max([np.roll(near, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1)], axis=0)
    assert ink(ours)[near == 0].sum() < 0.02 * ink(ours).sum(), "no ink farther than a pixel from the browser's"
    full = ours[ink(ours) > 0.9][:, :3]
    assert len(full) and abs(full - [0x10, 0x60, 0xC0]).max() <= 1, "a canvas keeps colours times their alpha, in bytes"
    if curve == "a gap":
        assert ink(ours)[:, 64:96].sum() == 0 < ink(ours)[:, 20:50].sum()
