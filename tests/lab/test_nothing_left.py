"""A panel that is closed leaves nothing: no widget that ipywidgets keeps, no record, no snapshots."""

import gc
import weakref

import pytest
from ipywidgets.widgets import widget as registry

from hlcore import lab
from hlcore.lab.panel import Panel
from tests.lab.all_panels import MADE, cockpit


@pytest.mark.parametrize("what", MADE)
def test_a_closed_panel_is_gone(what):
    gc.collect()
    before, open_before = dict(registry._instances), lab.panels()
    panel = MADE[what]()
    assert isinstance(panel, Panel) and len(registry._instances) > len(before)
    kept = [weakref.ref(panel), *(weakref.ref(one) for one in (getattr(panel, "run", None),) if one is not None)]
    panel.close()
    for inner in lab.panels():  # another panel's, for which a recital is given
        if inner not in open_before:
            inner.close()
    inner = None
    left = [one for key, one in registry._instances.items() if key not in before]
    assert not left, f"open yet: {left[:5]}"
    del panel, left
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept), "somebody holds it still"


def test_a_panel_in_a_panel_is_its_own_affair():
    inner = cockpit()
    outer = lab.Predict("Which?", ["this", "that"], lambda: "this", panel=inner)
    outer.close()
    assert inner in lab.panels() and inner.children
    inner.step(3)
