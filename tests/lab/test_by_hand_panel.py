"""In the panel: moves by hand, a point to start from, keys, a file that is dropped."""

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Variants
from hlcore.lab.drive import Drive


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def press(panel, label):
    next(b for b in every(panel) if getattr(b, "description", "") == label).click()


def drive_of(panel):
    (found,) = [one for one in panel.figures if isinstance(one, Drive)]
    return found


def test_a_world_is_driven_by_buttons_and_keys():
    panel = Cockpit(experiments.get("coin-rooms"))
    press(panel, "north")
    drive = drive_of(panel)
    drive._pressed("ArrowRight")
    drive._pressed("T")
    panel.drive(1)
    assert panel.run.moves == {0: 0, 1: 2, 2: 4, 3: 1} and panel.run.learner.steps == 4
    assert "HL would take" in drive._would.value
    again = Cockpit.from_state(panel.state_string())
    assert again.trajectory().identical(panel.trajectory()) and again.run.moves == panel.run.moves
    with pytest.raises(HLError, match="can be made here"):
        panel.drive(9)
    assert panel.run.learner.steps == 4
    assert drive_of(Cockpit(experiments.get("ring-q")))._keys.keymap == {"ArrowRight": "on", "ArrowLeft": "back"}
    assert not [one for one in Cockpit(experiments.get("ring-td")).figures if isinstance(one, Drive)], (
        "nothing to drive"
    )


def test_a_click_into_the_phase_portrait_is_a_point_to_start_from():
    panel = Cockpit(experiments.get("tracker-sinusoid", dtype="float64")).step(20)
    panel._phase.widget.set_state({"spot": [0.4, -0.1]})
    assert panel.run.placed == {20: (0, {"h": 0.4, "z": -0.1})}
    panel.step(1)
    other = Cockpit(experiments.get("tracker-sinusoid", dtype="float64")).step(20).start_from(0.4, -0.1, 0).step(1)
    assert other.trajectory().identical(panel.trajectory())
    assert (
        not Cockpit(experiments.get("tracker-sinusoid", dtype="float64"))
        .step(21)
        .trajectory()
        .equals(panel.trajectory())
    )
    with pytest.raises(HLError, match="entry of h"):
        panel.start_from(0.0, 0.0, 99)


def test_keys_walk_there_and_back_and_choose_presets():
    panel = Cockpit(experiments.get("tracker-sinusoid"))
    for _ in range(5):
        panel.pressed("ArrowRight")
    record = panel.trajectory()
    panel.pressed("ArrowLeft")
    panel.pressed("ArrowLeft")
    assert panel.run.learner.steps == 3
    panel.pressed("End")
    assert panel.trajectory().identical(record)
    panel.pressed("Home")
    assert panel.run.learner.steps == 1
    panel.pressed("3")
    assert panel.settings.eta == 20.2
    panel.pressed("Enter")  # no key of ours
    assert {" ", "ArrowRight", "ArrowLeft", "Home", "End", "1", "2", "3"} == set(panel._gate.keymap)
    assert panel._gate.keymap["2"] == "preset sluggish"


def test_what_is_read_out_is_not_said_at_every_frame(monkeypatch):
    panel = Cockpit(experiments.get("tracker-sinusoid")).step(50)
    assert "step 50: loss" in panel._gate.said
    gate = panel._gate
    gate.say("one", True)
    gate.say("two", True)
    assert gate.said == "one"
    gate.say("three", False)
    assert gate.said == "three"


CSV = "t;x;y\n" + "\n".join(f"a{k};{np.sin(0.3 * k):.4f};{3 + 2 * np.cos(0.3 * k):.4f}" for k in range(400))


def test_a_dropped_file_is_learned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = Cockpit(experiments.get("tracker-sinusoid")).step(10)
    content = CSV.encode()
    panel._controls.own._handle_custom_msg({"name": "my data.csv", "size": len(content)}, [content])
    assert "my data.csv" in panel._title.value and panel.run.learner.steps == 0
    panel.step(1500)
    loss = panel.trajectory().loss.values
    assert loss[-300:].mean() < 0.2 * loss[:100].mean(), "it learns"
    assert panel.run.learner.network.readout.out_features == 2
    again = Cockpit.from_state(panel.state_string())
    assert again.trajectory().identical(panel.trajectory())
    (tmp_path / "b.csv").write_text(CSV)
    assert Cockpit(experiments.get("iris-linear")).learn_from("b.csv").step(20).trajectory().loss.shape == (20,)


@pytest.mark.parametrize(
    ("size", "content", "word"),
    [(7_000_000, b"", "7.0 MB"), (3, b"\x00\xff\x01", "file"), (10, b"a,b\nx,y\nz,w", "numbers"), (0, b"", "CSV")],
)
def test_a_bad_file_is_told_and_nothing_is_lost(tmp_path, monkeypatch, size, content, word):
    monkeypatch.chdir(tmp_path)
    panel = Cockpit(experiments.get("tracker-sinusoid")).step(10)
    before, run = panel.trajectory(), panel.run
    panel._controls.own._handle_custom_msg({"name": "bad.csv", "size": size}, [content])
    assert word in panel._alarm.value and panel.run is run and panel.trajectory().identical(before)
    assert not list(tmp_path.rglob("*bad*.csv"))
    with pytest.raises(HLError, match="can be read"):
        panel.learn_from("nowhere.csv")


def played(preset, steps):
    """The rooms' panel of lab 12 under one of its presets: its world, and the rewards of the last episodes."""
    wrong = {"dead_ends": True, "never_back": True}
    panel = Variants(
        "coin-rooms", {"strength": (0.0, 1.0)},
        presets={
            "good": {}, "soft": {"strength": 0.03, **wrong}, "stubborn": {"knowledge": "shield", **wrong},
            "shield without mask": {"knowledge": "shield", "mask": False}, "shield": {"knowledge": "shield"},
        },
    )  # fmt: skip
    panel.command("preset", preset)
    ends, stuck = [], 0
    for _ in range(steps):
        panel.run.step()
        world = panel.run.stream
        stuck += bool(world.hard and world.allowed(world.now) is None)
        ends += [] if world.last.alive else [world.last.reward]
    return panel, np.mean(ends[-15:]), stuck / steps


def test_failing_presets_of_lab_12_fail_for_their_reason():
    panel, hard, stuck = played("stubborn", 600)
    assert hard < 0.3 and stuck > 0.5, "everything is forbidden, and it stands still"
    (_, masked, _), (panel, unmasked, _) = played("shield", 1000), played("shield without mask", 1000)
    assert masked > 0.8 > unmasked + 0.2
    panel.command("preset", "good")
    assert panel.run.learner.steps == 0 and not panel.run.stream.hard, "a preset begins from the panel's own start"


def test_two_states_fail_for_their_reason_and_a_smaller_discount_mends_it():
    ends = []
    for discount in (0.95, 0.85):
        panel = Variants("two-states-td", {"every": (1, 2000)}, discount=discount, dtype="float64").vary(every=100)
        theta = abs(panel.step(501).trajectory().theta.values[:, 0])
        ends.append(theta[450] / theta[350])
    assert ends == [pytest.approx(1.064, abs=1e-3), pytest.approx((6 - 0.4) * 0.85 / 5, abs=1e-3)]
