"""The panel without a browser: `set_state` moves a control as the browser does."""

import asyncio
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from hlcore import Diverged, HLError, Sample, experiments, streams
from hlcore.__main__ import main
from hlcore.lab import Cockpit, Predict, jupyter, panels
from hlcore.lab.figures.time_rows import POINTS, thinned


@pytest.fixture
def panel():
    return Cockpit(experiments.get("tracker-water-flow"))


def plan(panel):
    return panel._rows.widget.plan


def columns(panel):
    widget = panel._rows.widget
    return np.frombuffer(widget.frame, np.float32).reshape(-1, plan(panel)["points"])


def slide(panel, name, value):
    panel._controls.dials[name].slider.set_state({"value": value})


def type_in(panel, name, value):
    panel._controls.dials[name].field.set_state({"value": value})


def choose_rival(panel, name):
    values = [value for _, value in panel._controls.race.options]
    panel._controls.race.set_state({"index": values.index(name)})


def press(panel, label):
    (button,) = [b for b in every(panel) if getattr(b, "description", "") == label]
    button.click()


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def words_of(panel):
    return " ".join(w.value for w in (panel._status, panel._alarm, panel._law, panel._summary))


def test_each_control_has_a_twin(panel):
    other = Cockpit(experiments.get("tracker-water-flow"))
    press(panel, "Step")
    panel._controls.count.set_state({"value": 9})
    press(panel, "Step n")
    type_in(panel, "eta", 3.0)
    panel._controls.dials["s"].slider.set_state({"value": 1, "index": 1})
    press(panel, "Step")
    other.step().step(9).set(eta=3.0).set(s=1).step()
    assert panel.settings == other.settings
    assert panel.state_string() == other.state_string()
    assert panel.trajectory().identical(other.trajectory())
    press(panel, "Reset")
    assert panel.session.learner.steps == 0 and panel.settings.eta == 3.0
    press(panel, "New seed")
    assert panel.session.seed == 1


def test_slider_and_field_go_together_and_a_snap_is_no_change(panel):
    slide(panel, "eta", 4.0)
    dial = panel._controls.dials["eta"]
    assert panel.settings.eta == dial.field.value == 4.0
    type_in(panel, "eta", 0.5)
    assert panel.settings.eta == dial.slider.value == 0.5
    slide(panel, "eta", 0.501187)  # the browser's grid: nearer than half a step
    assert panel.settings.eta == 0.5
    slide(panel, "eta", 0.55)
    assert panel.settings.eta == 0.55


def test_a_field_reaches_what_a_slider_cannot(panel):
    type_in(panel, "beta", 0.0)
    assert panel.settings.beta == 0 and "stand still" in words_of(panel)
    type_in(panel, "beta", 1e4)
    assert panel.settings.beta == 1e4


def test_bad_input_is_told_and_the_good_value_stays(panel):
    panel.step(3)
    type_in(panel, "tau", -1.0)
    dial = panel._controls.dials["tau"]
    assert panel.settings.tau == 0.1 == dial.field.value
    assert "tau" in panel._alarm.value and "finite number" in panel._alarm.value
    for bad in ({"etta": 1}, {"tau": 0}):
        with pytest.raises(HLError):
            panel.set(**bad)
    assert panel.settings.tau == 0.1 and panel.session.learner.steps == 3
    with pytest.raises(HLError):
        panel.step(-1)


def test_reset_reproduces_the_first_hundred_steps_bit_for_bit(panel):
    first = panel.step(100).trajectory().theta.values.tobytes()
    torch.rand(5)
    assert panel.step(20).reset().step(100).trajectory().theta.values.tobytes() == first
    assert panel.reset(seed=7).step(100).trajectory().theta.values.tobytes() != first


def test_a_change_marks_the_time_axis(panel):
    panel.step(50)
    assert plan(panel)["marks"] == []
    panel.set(eta=3).step(30)
    slide(panel, "beta", 0.5)
    panel.step(30)
    (first, text), (second, other) = plan(panel)["marks"]
    assert (first, second) == pytest.approx((5.0, 8.0)) and "η = 3" in text and "β = 0.5" in other
    panel.reset().step(5)
    assert plan(panel)["marks"] == [], "a reset begins with the settings in force"


def test_a_mark_leaves_with_its_time(panel):
    panel._controls.window.set_state({"index": 0})  # the last 200 steps
    panel.step(20).set(eta=3).step(150)
    assert len(plan(panel)["marks"]) == 1
    panel.step(100)
    assert plan(panel)["marks"] == []


def test_the_frame_is_the_record(panel):
    panel.step(300)
    record, sent = panel.trajectory(), columns(panel)
    assert sent.shape[1] == 300 and plan(panel)["start"] == pytest.approx(0.1)
    names = [line["name"] for row in plan(panel)["rows"] for line in row["lines"]]
    assert names[:4] == ["output", "target", "h[0,0]", "h[0,1]"]
    expected = {
        "output": record.output[:, 0],
        "target": record.target[:, 0],
        "H'": record.hamiltonian,
        "L": record.loss,
    }
    for name, values in expected.items():
        assert sent[1 + names.index(name)] == pytest.approx(values.values.astype(np.float32))
    assert not np.allclose(sent[1 + names.index("output")], sent[1 + names.index("target")])


def test_one_goes_back_to_a_clicked_time_and_forks(panel):
    button = panel._controls.back
    panel.step(100).set(eta=3).step(100)
    before = panel.trajectory()
    assert button.disabled
    panel._rows.widget.set_state({"picked": 5.04})
    assert not button.disabled and button.description == "Back to t 5"
    button.click()
    assert panel.session.learner.steps == 50 and panel.settings.eta == 2 and button.disabled
    assert plan(panel)["marks"] == [] and plan(panel)["points"] == 50
    panel.set(eta=1).step(50)
    after = panel.trajectory()
    assert (after.theta[:50].values == before.theta[:50].values).all()
    assert not np.allclose(after.theta[-1], before.theta[99]) and len(plan(panel)["marks"]) == 1
    for wrong in (-1.0, 1000.0):
        with pytest.raises(HLError, match="back"):
            panel.back(wrong)


def test_a_pinned_run_stays_as_a_ghost(panel):
    first = panel.step(200).trajectory()
    press(panel, "Pin")
    panel.set(beta=0.01).reset().step(150)
    names = [(row["symbol"], line["name"]) for row in plan(panel)["rows"] for line in row["lines"]]
    ghosts = [i for i, (_, name) in enumerate(names) if name.startswith("seed 0")]
    sent, record = columns(panel), panel.trajectory()
    assert {names[i][1] for i in ghosts} == {"seed 0"}, "a run with the settings of its experiment"
    press(panel, "Pin")
    label = [line["name"] for row in plan(panel.step(1))["rows"] for line in row["lines"] if "seed 0," in line["name"]]
    assert set(label) == {"seed 0, β = 0.01"}, "and one with others"
    panel.back(15.0)
    assert len(sent) == len(names) + 1 and {names[i][0] for i in ghosts} == {"y", "h", "z", "θ", "ω", "L", "H'"}
    ghost, own = sent[1 + ghosts[0]], sent[1 + names.index(("y", "output"))]
    assert ghost == pytest.approx(first.output.values[:150, 0], abs=1e-5)
    assert own == pytest.approx(record.output.values[:, 0], abs=1e-6) and not np.allclose(ghost, own, atol=1e-3)
    panel.step(100)
    assert np.isnan(columns(panel)[1 + ghosts[0]][-40:]).all(), "a ghost ends where it was pinned"
    press(panel, "Unpin")
    assert not any("seed 0" in line["name"] for row in plan(panel)["rows"] for line in row["lines"])


def test_T1_can_be_watched():
    panel = Cockpit(experiments.get("iris-mlp", dtype="float64"))
    assert np.isnan(panel.gap)
    choose_rival(panel, "sgd")
    panel.step(200)
    assert panel.gap < 1e-12 and plan(panel)["rows"][-1]["symbol"] == "|Δθ|"
    assert "max |Δθ| from torch.optim.SGD" in panel._summary.value
    slide(panel, "eta", 1.0)
    panel.step(50)
    assert panel.gap > 1e-5 and columns(panel)[-1, -1] == pytest.approx(panel.gap)
    choose_rival(panel, "race …")
    assert np.isnan(panel.gap) and plan(panel.step())["rows"][-1]["symbol"] == "H'"


def test_where_the_settings_mean_nothing_to_the_rival_there_is_no_race():
    panel = Cockpit(experiments.get("iris-linear", beta={"module.weight": 0.1}))
    choose_rival(panel, "sgd")
    assert "beta" in panel._alarm.value and panel._controls.race.index == 0 and np.isnan(panel.gap)
    choose_rival(panel, "rtrl")
    choose_rival(panel, "sgd")
    assert panel.run.rival.name == panel._controls.race.value == "rtrl", "the race there was goes on"


def test_a_race_is_called_by_name_and_ends():
    panel = Cockpit(experiments.get("iris-linear"))
    for name in ("sgd", True):
        assert panel.race(name).step(3).gap < 1e-6 and panel._controls.race.value == "sgd"
        for off in (None, False):
            assert np.isnan(panel.race(off).gap) and panel._controls.race.index == 0
    with pytest.raises(HLError, match="sgd"):
        panel.race("sgdd")
    panel._loop.post("race", "sgd")
    panel.reset()
    assert panel._controls.race.value == "sgd" and panel.gap == 0.0
    panel.adopt(Cockpit(experiments.get("iris-linear")).run)
    assert panel._controls.race.index == 0


def test_several_learners_race_side_by_side_in_one_ink_each(panel):
    panel.step(5).race("sgd", "rtrl").step(120)
    alone = Cockpit(experiments.get("tracker-water-flow")).step(5).race("rtrl").step(120)
    by_name = {rival.name: rival for rival in panel.run.rivals}
    assert list(by_name) == ["sgd", "rtrl"] and panel.gap == max(rival.gap for rival in by_name.values()) > 0
    for x, y in zip(by_name["rtrl"].learner.law.theta, alone.run.rival.learner.law.theta, strict=True):
        assert torch.equal(x, y)
    rows, inks = plan(panel)["rows"], {}
    for row in rows:
        for line in row["lines"]:
            if line["name"] in [rival.learner.title for rival in by_name.values()]:
                inks.setdefault(line["name"], set()).add(line["ink"])
    assert rows[-1]["symbol"] == "|Δθ|" and sorted(map(len, inks.values())) == [1, 1], "one legend"
    panel.race("sgd")
    choose_rival(panel, "bptt")
    assert [rival.name for rival in panel.run.rivals] == ["sgd", "bptt"]
    assert panel._controls.race.label == "race sgd + bptt"
    choose_rival(panel, "race …")
    assert panel.run.rivals == () and np.isnan(panel.gap)


def test_units_are_picked_by_name(panel):
    panel.step(30)
    picker = panel._controls.units["theta"]
    assert picker.options[0].startswith("cell.weight") and picker.index == (0, 1)
    last = len(picker.options) - 1
    picker.set_state({"index": [3, last]})
    panel.step(1)
    row = next(r for r in plan(panel)["rows"] if r["symbol"] == "θ")
    assert [line["name"] for line in row["lines"]] == [picker.options[3], picker.options[last]]
    panel._controls.phase.set_state({"index": 2})
    panel.step(1)
    record = panel.trajectory()
    x, z = np.frombuffer(panel._phase.widget.frame, np.float32).reshape(2, -1)
    assert (x[-1], z[-1]) == pytest.approx((float(record.h[-1, 2]), float(record.z[-1, 2])), abs=1e-6)
    assert panel._phase.widget.plan["x"] == "h[0,2]"


def test_a_network_without_state_shows_its_weights_in_the_phase_portrait():
    with_weights = Cockpit(experiments.get("iris-linear")).step(40)
    assert with_weights._phase.widget.plan["points"] == 40
    assert "θ" in with_weights._phase.widget.plan["x"]
    assert [row["symbol"] for row in plan(with_weights)["rows"]] == ["y", "θ", "ω", "L", "H'"]


def test_no_axes_stand_empty_before_the_first_step():
    panel = Cockpit(experiments.get("iris-linear"))
    Predict("Which?", ["this", "that"], "this", panel=panel)  # nothing is shown ahead of an answer
    panel.draw()
    shown = panel._phase.widget.plan
    assert shown["bare"] and shown["layers"][0]["words"] == ["begins with the first step"] and shown["x"] == ""
    shown = panel.step(1)._phase.widget.plan
    assert "bare" not in shown and shown["layers"][0]["draw"] == "trail" and shown["x"] != ""


def test_a_classifier_shows_the_share_of_right_answers():
    panel = Cockpit(experiments.get("iris-linear", batch=2)).step(150)
    assert plan(panel)["rows"][0]["lines"][0]["name"].startswith("share of right answers")
    record = panel.trajectory()
    right = record.output.values.reshape(150, 2, 3).argmax(2) == record.target.values
    assert columns(panel)[1, -1] == pytest.approx(right[-100:].mean()) and 0.5 < right.mean() <= 1
    assert columns(panel)[1, 9] == pytest.approx(right[:10].mean())


class Uneven(streams.Stream):
    """Samples .02 apart, then .5, of which the law makes a gap and a step of τ."""

    def sample(self, k):
        return Sample(torch.ones(1, 4, dtype=torch.float32), torch.tensor([0]), dt=0.02 if k < 5 else 0.5)


def test_the_regime_is_that_of_the_samples_own_dt():
    even = experiments.get("iris-linear", tau=0.1, eta=15.0)
    panel = Cockpit(even.replace(build=lambda seed: even.build(seed)._replace(stream=Uneven())))
    assert "<b>oscillating</b>" in panel._law.value, "τη = 1.5"
    panel.step(5)
    assert "<b>overdamped</b>" in panel._law.value and "own dt, 0.02" in panel._law.value
    assert "momentum 1-τη = 0.7" in panel._law.value and "overdamped" in panel._summary.value
    panel.step(1)
    assert "<b>oscillating</b>" in panel._law.value and "own dt" not in panel._law.value
    panel.reset()
    assert "<b>oscillating</b>" in panel._law.value and "overdamped" not in panel._summary.value


def test_the_touched_symbol_is_lit(panel):
    dark = panel._law.value
    slide(panel, "phi", 3.0)
    lit = panel._law.value
    assert lit != dark and "φ" in lit.split("background")[1][:80]
    assert "dampening 1-τφ = 0.7" in lit


def test_the_regime_is_named_before_anything_happens(panel):
    assert "overdamped" in panel._law.value
    panel.set(eta=15)
    assert "oscillating" in panel._law.value
    panel.set(eta=21)
    assert "unstable" in panel._law.value and panel.session.learner.steps == 0


def test_every_preset_can_be_chosen():
    experiment = experiments.get("iris-mlp")
    panel = Cockpit(experiment)
    panel.set(beta=0.5, phi=3)
    for k, (name, changes) in enumerate(experiment.presets.items()):
        panel._controls.preset.set_state({"index": k + 1})
        assert panel.settings == experiment.settings.replace(**changes), name


def test_a_diverging_run_says_what_and_when_and_keeps_the_last_finite_frame(panel):
    panel.set(eta=40.0)
    with pytest.raises(Diverged):
        panel.step(5000)
    assert "Stopped: L became infinite in step" in panel._alarm.value and "after t = " in panel._alarm.value
    assert "τη &gt; 2: ω grows at every step" in panel._alarm.value
    assert np.isfinite(columns(panel)).all() and columns(panel).shape[1] > 20
    panel.set(eta=2.0).reset().step(300)
    assert panel._alarm.value == "" and panel.session.learner.steps == 300


def test_play_pause_and_wait_in_an_event_loop():
    async def scene():
        panel = Cockpit(experiments.get("iris-linear"))
        panel.play().play()
        await asyncio.sleep(0.3)
        slide(panel, "eta", 1.0)
        await asyncio.sleep(0.2)
        press(panel, "Pause")
        await panel.wait()
        steps = panel.session.learner.steps
        await asyncio.sleep(0.1)
        assert panel.session.learner.steps == steps > 50
        assert panel.settings.eta == 1.0 and len(plan(panel)["marks"]) == 1
        panel.set(eta=4.9).play()
        with pytest.raises(Diverged):
            await panel.wait()
        assert "Stopped" in panel._alarm.value
        panel.close()
        return True

    assert asyncio.run(asyncio.wait_for(scene(), 60))


def test_the_speed_is_kept():
    async def scene():
        panel = Cockpit(experiments.get("iris-linear"))
        panel._controls.speed.set_state({"index": 2})  # 100 steps a second
        panel.play()
        await asyncio.sleep(1.0)
        panel.close()
        return panel.session.learner.steps

    assert 20 <= asyncio.run(scene()) <= 150


def test_teachers_hide_controls():
    panel = Cockpit(experiments.get("iris-linear"), controls=["eta", "beta"])
    shown = {w.description for w in every(panel) if getattr(w, "description", "")}
    sliders = [w for w in every(panel) if type(w).__name__ == "FloatLogSlider"]
    assert len(sliders) == 2 and "Play" in shown and "State" not in shown
    panel.set(tau=0.3)  # hidden, not gone
    assert panel.settings.tau == 0.3
    with pytest.raises(HLError, match="'beta'"):
        Cockpit(experiments.get("iris-linear"), controls=["eta", "betta"])


def test_what_is_no_experiment_is_told():
    for wrong in ("tracker-water-flow", None, 3):
        with pytest.raises(HLError, match="Experiment"):
            Cockpit(wrong)


def test_the_state_string_is_the_panel(panel):
    panel.set(eta=3).step(40).set(beta=0.05).step(25)
    again = Cockpit.from_state(panel.state_string())
    assert again.trajectory().identical(panel.trajectory()) and again.settings == panel.settings
    assert again._controls.dials["beta"].field.value == 0.05
    press(panel, "State")
    text = panel._controls.text.value
    assert json.loads(text.removeprefix("hl1:"))["steps"] == 65
    other = Cockpit(experiments.get("iris-linear"))
    other._controls.text.set_state({"value": text})
    press(other, "Load")
    assert other.trajectory().identical(panel.trajectory())
    assert "Tracker" in " ".join(w.value for w in every(other) if type(w).__name__ == "HTML"), "the title follows"
    press(panel, "Code")
    assert "import hlcore" in panel._controls.text.value
    other._controls.text.set_state({"value": "hl1:oh"})
    press(other, "Load")
    assert "state string" in other._alarm.value and other.session.learner.steps == 65


def test_running_the_cell_again_closes_the_panel_that_stood_there(monkeypatch):
    here = ["cell-1", "run-1"]
    monkeypatch.setattr(jupyter, "_here", lambda: tuple(here))
    first, beside = Cockpit(experiments.get("iris-linear")), Cockpit(experiments.get("iris-linear"))
    assert first in panels() and beside in panels(), "one cell may hold two panels"
    here[1] = "run-2"
    again = Cockpit(experiments.get("iris-linear"))
    assert again in panels() and first not in panels() and beside not in panels()
    here[0] = "cell-2"
    elsewhere = Cockpit(experiments.get("iris-linear"))
    assert again in panels() and elsewhere in panels()
    again.close()
    assert again not in panels() and elsewhere in panels()


def test_a_closed_panel_takes_its_views_away_before_its_models(panel, monkeypatch):
    """A view that goes after its model talks to nobody, which is an error on the page."""
    views = {}
    models = panel._rows.widget, panel._phase.widget, panel._gate
    for model in models:
        monkeypatch.setattr(model, "close", lambda model=model: views.update({model: panel.children}))
    panel.close()
    assert views == dict.fromkeys(models, ())


def test_its_repr_is_constant(panel):
    assert repr(panel) == "Cockpit()"


@pytest.mark.parametrize(
    ("code", "threads"),
    [
        ("from hlcore.lab import Chart", 1),
        ("from hlcore.__main__ import main; main(['run', 'iris-linear', '--steps', '1'])", 1),
        ("from hlcore.__main__ import main; main(['run', 'iris-linear', '--steps', '1', '--threads', '2'])", 2),
        ("import hlcore; hlcore.experiments.get('iris-linear').run(1)", None),  # a program's own affair
    ],
)
def test_torch_is_given_one_thread_by_the_lab_and_the_command_line(code, threads):
    """Small tensors only wait for a second one: on a busy machine ten times as long as the work takes."""
    code = f"import torch; before = torch.get_num_threads(); {code}; print(before, torch.get_num_threads())"
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split()[-2:])
    assert after == (before if threads is None else threads)


@pytest.mark.parametrize("threads", ["0", "-1", "1025", str(10**30)])
def test_a_bad_number_of_threads_is_told(threads, capsys):
    assert main(["run", "iris-linear", "--steps", "1", "--threads", threads]) == 1
    assert "--threads" in capsys.readouterr().err and torch.get_num_threads() == 1


def test_a_drawing_is_bounded_and_keeps_the_extremes():
    rng = np.random.default_rng(0)
    ys = rng.normal(size=(9001, 3)).astype(np.float32)
    ys[4321, 1], ys[17, 2] = 50, -50
    x, y = thinned(np.arange(9001.0), ys, first=123)
    assert len(x) == len(y) <= POINTS + 6 and (np.diff(x) >= 0).all()
    assert (y.min(0), y.max(0)) == (pytest.approx(ys.min(0)), pytest.approx(ys.max(0)))
    assert abs(x[y[:, 1].argmax()] - 4321) <= 16
    short, same = thinned(np.arange(5.0), ys[:5], first=0)
    assert len(short) == 5 and (same == ys[:5]).all()


@pytest.mark.parametrize("shift", [1, 3, 8, 1000])
def test_a_moving_window_does_not_shimmer(shift):
    ys = np.random.default_rng(0).normal(size=(12_000, 1)).astype(np.float32)
    t = np.arange(12_000.0)
    x0, y0 = thinned(t[:8000], ys[:8000], first=0)
    x1, y1 = thinned(t[shift : 8000 + shift], ys[shift : 8000 + shift], first=shift)
    points = {*zip(x0[20:-20], y0[20:-20, 0], strict=True)}
    kept = [p for p in zip(x1[20:-20], y1[20:-20, 0], strict=True) if p[0] < x0[-20]]
    assert len(kept) > 500 and set(kept) <= points


@pytest.mark.parametrize(
    ("tau", "eta", "beta", "kind"),
    [
        (0.1, 2, 1, "overdamped"), (1, 1, 1, "overdamped"), (0.1, 15, 1, "oscillating"), (1, 2, 1, "oscillating"),
        (1, 2.01, 1, "unstable"), (0.1, 0, 1, "undamped"), (0.1, 2, 0, "frozen"),
    ],
)  # fmt: skip
def test_the_regime(tau, eta, beta, kind):
    panel = Cockpit(experiments.get("iris-linear", tau=tau, eta=eta, beta=beta))
    assert f"<b>{kind}</b>" in panel._law.value and kind in panel._summary.value
