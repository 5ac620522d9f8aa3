"""A panel that is closed leaves nothing: no widget that ipywidgets keeps, no record, no snapshots."""

import gc
import weakref

import pytest
from ipywidgets.widgets import widget as registry

from hlcore import experiments, lab
from hlcore.lab.panel import Panel


def cockpit(name="tracker-water-flow", *figures, **options):
    return lab.Cockpit(experiments.get(name, **options), figures=[getattr(lab, one) for one in figures])


def played():
    panel = cockpit().race("sgd")
    panel.step(50)
    panel.at(2.0)
    panel.fork(eta=1.0)
    panel.set(eta=3.0).pin()
    panel.step(5)
    return panel


MADE = {
    "a cockpit": cockpit,
    "a race, a fork and a cursor": played,
    "a crowd": lambda: cockpit("crowd-clusters", "CrowdCloud"),
    "dreams": lambda: cockpit("dream-digits", "Dreaming"),
    "experts": lambda: cockpit("experts-digits", "ExpertRoom"),
    "clients": lambda: cockpit("graph-clients", "GraphPicture", "ClientErrors"),
    "rooms": lambda: cockpit("coin-rooms", "RoomsMap", "Needles"),
    "spikes": lambda: cockpit("few-shot-spikes", "SpikeFinder"),
    "control": lambda: cockpit("least-control-digits", "TeacherOff"),
    "a world": lambda: cockpit("ring-td", "EigenvaluePlane", "ErrorPace", "WorldMap"),
    "a recital": lambda: lab.Recital(cockpit("signal-school")),
    "a prediction": lambda: lab.Predict("Which?", ["this", "that"], lambda: "this"),
    **{
        name: getattr(lab, name)
        for name in (
            "Directions",
            "Doctor",
            "Film",
            "HeatAndWave",
            "Journey",
            "LateErrors",
            "Steering",
            "Valley",
            "Waves",
        )
    },
}


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
