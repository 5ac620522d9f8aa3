"""Where all lies, which rows there are, and what a run shows before it begins; the browser is played by `set_state`."""

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import Cockpit
from hlcore.lab.figures.arrangement import LEAST

ALL = ["y", "h", "z", "θ", "ω", "L", "H'"]


@pytest.fixture
def panel():
    return Cockpit(experiments.get("tracker-water-flow"))


def told(panel, **state):
    """What a browser says, and the frame that follows."""
    panel._rows.widget.set_state(state)
    panel.draw()
    return panel._rows.widget.plan


def rows(plan):
    return [row["symbol"] for row in plan["rows"]]


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def press(panel, label):
    (button,) = [w for w in walk(panel) if getattr(w, "description", "") == label]
    button.click()
    panel.draw()


def test_without_a_browser_all_rows_are_there_and_no_step_is_foreseen(panel):
    panel.draw()
    assert rows(panel._rows.widget.plan) == ALL and panel.view.opening is None
    assert panel.step(3).run.learner.steps == 3


def test_where_there_is_little_room_the_rows_that_tell_least_go_first(panel):
    assert rows(told(panel, room=7 * LEAST)) == ALL
    assert rows(told(panel, room=6 * LEAST)) == ALL[:-1], "H' first"
    assert rows(told(panel, room=4 * LEAST)) == ["y", "h", "z", "L"], "y and L stay longest"
    panel.race().step(3)
    assert "|Δθ|" in rows(told(panel, room=4 * LEAST)), "a race is about that row"
    assert rows(told(panel, room=1)) != []


def test_rows_are_ticked_moved_and_made_taller_from_the_list_and_by_the_mouse(panel):
    picker = panel._controls.rows
    told(panel, room=4 * LEAST)
    assert {name: tick.value for name, tick in picker.ticks.items()} == {name: name in "yhzL" for name in ALL}
    picker.ticks["ω"].set_state({"value": True})
    panel.draw()
    assert rows(panel._rows.widget.plan) == ["y", "h", "ω", "L"], "what is asked for is there"
    picker.which.set_state({"index": ALL.index("L")})
    for _ in range(5):
        press(panel, "Up")
    assert rows(panel._rows.widget.plan)[0] == "L"
    press(panel, "Taller")
    plan = told(panel, rows={"shown": {"y": False}})
    assert rows(plan)[0] == "L" and "y" not in rows(plan) and not picker.ticks["y"].value
    assert {row["symbol"]: row["weight"] for row in plan["rows"]}["L"] == 1.5
    assert told(panel, rows={"tall": {"L": 1e9}})["rows"][0]["weight"] == 6.0, "no row fills the picture"
    panel.step(5)
    sent = np.frombuffer(panel._rows.widget.frame, np.float32).reshape(-1, 5)
    lines = sum(len(row["lines"]) for row in panel._rows.widget.plan["rows"])
    assert len(sent) == 1 + lines, "a row that is not seen is not sent"


def test_the_opening_is_what_play_will_do_and_leaves_the_run_at_step_0(panel):
    plan = told(panel, room=500)
    assert "300 steps" in plan["ahead"] and plan["points"] == 300
    assert panel.run.learner.steps == 0 and len(panel.run.recorder) == 0
    foreseen = panel.view.opening.trajectory()
    before, frame = panel.state_string(), panel._rows.widget.frame
    panel.set(eta=4.0).draw()
    assert panel._rows.widget.frame != frame, "a setting touched before Play moves it"
    panel.set(eta=2.0).draw()
    assert panel.state_string() == before
    panel.step(300)
    assert "ahead" not in panel._rows.widget.plan and panel.view.opening is None
    assert panel.trajectory().theta.values.tobytes() == foreseen.theta.values.tobytes()
    assert panel.reset(seed=3).view.opening.seed == 3


def test_an_opening_can_be_left_away_and_one_that_diverges_shows_how_far_it_goes():
    quiet = Cockpit(experiments.get("tracker-water-flow"), opening=0)
    assert "ahead" not in told(quiet, room=500)
    with pytest.raises(HLError, match="opening"):
        Cockpit(experiments.get("tracker-water-flow"), opening=-1)
    wild = Cockpit(experiments.get("tracker-water-flow", eta=60.0))
    assert 10 < told(wild, room=500)["points"] < 300
    wild.view.opening = None
    with pytest.raises(HLError):
        wild.step(300)
