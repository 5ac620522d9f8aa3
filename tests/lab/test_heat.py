"""Heat maps: every cell is its unit's value at its moment, in bytes around zero."""

import numpy as np
import pytest

from hlcore import experiments
from hlcore.lab import Cockpit
from hlcore.lab.figures.heatmap import MOMENTS, SHOWN, ZERO, heat
from hlcore.records.recorder import Recorder


def recorded(steps, **more):
    learner, stream = experiments.get("tracker-sinusoid").learner(0)
    recorder = Recorder(**more)
    learner.run(stream, steps, recorder)
    return recorder


@pytest.mark.parametrize("steps", [7, 1000])
def test_the_cells_are_the_values(steps):
    recorder = recorded(steps)
    for quantity in ("h", "z", "theta", "omega"):
        found, t = heat(recorder, quantity, 5000), recorder.window("t")
        whole = recorder.window(quantity)
        units = np.linspace(0, whole.shape[1] - 1, min(whole.shape[1], SHOWN)).round().astype(int)
        stride = -(-steps // MOMENTS)
        values = whole[::stride, units].T
        assert found.cells.shape == values.shape == (found.plan["units"], found.plan["moments"])
        scale = abs(values).max()
        assert np.allclose((found.cells.astype(float) - ZERO) / 127 * scale, values, atol=scale / 127)
        assert abs(found.cells.astype(int) - ZERO).max() == 127, "the largest has the full colour"
        assert found.plan["from"] == 0 and found.plan["to"] == pytest.approx(t[::stride][-1] - t[0])
        assert f"{len(units)} of {whole.shape[1]}" in found.told


def test_a_moving_window_shows_the_same_moments():
    recorder = recorded(1500, capacity=1000)
    seen = recorder.window("step", 900, most=100)
    assert len(seen) == 100 and (np.diff(seen) == 9).all() and ((seen - 1) % 9 == 0).all()
    assert np.array_equal(recorder.window("step", 900), np.arange(601, 1501))
    assert recorder.window("h", 900, [0, 2], most=100).shape == (100, 2)


def test_the_switch_shows_maps_instead_of_lines_and_back():
    panel = Cockpit(experiments.get("tracker-sinusoid")).step(50)
    rows = {row["symbol"]: row for row in panel._rows.widget.plan["rows"]}
    assert not any(row["map"] for row in rows.values()) and panel._rows.widget.maps == b""
    panel._controls.maps.set_state({"value": True})
    panel.step(1)
    rows = {row["symbol"]: row for row in panel._rows.widget.plan["rows"]}
    assert (
        [s for s, row in rows.items() if row["map"]] == list("hzθω") and not rows["h"]["lines"] and rows["L"]["lines"]
    )
    cells = sum(row["map"]["units"] * row["map"]["moments"] for row in rows.values() if row["map"])
    assert len(panel._rows.widget.maps) == cells
    panel._controls.maps.set_state({"value": False})
    panel.step(1)
    assert panel._rows.widget.maps == b"" and panel._rows.widget.plan["rows"][1]["lines"]


def test_a_network_without_state_has_no_map_of_it():
    panel = Cockpit(experiments.get("iris-linear"))
    panel._controls.maps.set_state({"value": True})
    panel.step(5)
    assert [r["symbol"] for r in panel._rows.widget.plan["rows"] if r["map"]] == ["θ", "ω"]


def test_the_picture_is_named_after_the_run():
    panel = Cockpit(experiments.get("tracker-sinusoid")).step(5)
    for number in (1, 2):
        panel._loop.post("export", ".png")
        assert panel._rows.widget.picture == {"name": "tracker-sinusoid-5.png", "number": number}
