"""The numbers of the equations, and which way y and L would move: without a browser."""

import re
import time

import numpy as np
import pytest

from hlcore import HLError, experiments, sensitivity
from hlcore.lab import Cockpit
from hlcore.runs.run import Run

from .test_cockpit import plan

EXPERIMENT = experiments.get("tracker-sinusoid", units=4, dtype="float64", eta=0.5)


@pytest.fixture
def panel():
    return Cockpit(EXPERIMENT)


def test_a_term_of_the_equations_has_its_number_of_the_cursors_moment(panel):
    panel.step(40)
    terms = set(re.findall('data-term="([^"]+)"', panel._law.value))
    assert {"eta", "beta", "omega", "z", "loss", "hamiltonian"} <= terms <= set(panel._terms.numbers)
    assert panel._terms.numbers["eta"].startswith("η = 0.5 (t = 4)")
    largest = max(float(x.abs().max()) for x in panel.run.learner.traced()["omega"].values())
    assert f"max|ω| = {largest:.4g}" in panel._terms.numbers["omega"]
    panel.at(2.0)
    assert f"L = {panel.time.past.report.loss:.4g} (t = 2)" in panel._terms.numbers["loss"]
    visible = re.sub("<[^>]*>", "", panel._law.value)
    assert "{" not in visible and "ω' = -s ∂H'/∂θ - η ω" in visible, "the words are as before"


@pytest.mark.parametrize("name", ["sgd", "bptt", "rtrl", "fptt"])
def test_every_learners_equations_keep_their_words(name):
    panel = Cockpit(experiments.get("tracker-sinusoid", units=3, learner=name)).step(3)
    symbols = {k: a.symbol for k, a in panel.settings.about().items()}
    plain = " ".join(re.sub("<[^>]*>", "", equation.format(**symbols)) for equation in panel.run.learner.equations)
    assert plain in re.sub("<[^>]*>", "", panel._law.value).replace("  ", " ")


def moved(setting, by, steps, changed):
    run = Run(EXPERIMENT)
    run.step(changed)
    run.set(phi=0.9)
    run.set(**{setting: getattr(run.settings, setting) + by})
    run.step(steps - changed)
    return run.recorder.window("output")[changed:, 0], run.recorder.window("loss")


def test_the_band_is_the_derivative_by_the_touched_dial_since_the_last_change(panel):
    panel.step(60).set(phi=0.9)
    panel.step(30)
    panel.set(beta=panel.settings.beta)  # no change
    found = panel.band("eta", ahead=20)
    assert len(found.time) == 50 and found.attrs == {"by": "eta", "at": 0.5}
    e = 1e-6
    (up, loss_up), (down, loss_down) = moved("eta", e, 110, 60), moved("eta", -e, 110, 60)
    assert np.allclose(found.dy, (up - down) / (2 * e), rtol=1e-5, atol=1e-9) and abs(found.dy).max() > 1e-4
    slopes = (loss_up - loss_down) / (2 * e)
    mean = [slopes[max(0, k - 99) : k + 1].mean() for k in range(60, 110)]
    assert np.allclose(found.dloss, mean, rtol=1e-4, atol=1e-9)
    rows = {row["symbol"]: row["lines"] for row in plan(panel)["rows"]}
    assert [line for line in rows["y"] if line.get("band")] and plan(panel)["points"] > plan(panel)["last"] == 90
    assert not [line for line in rows["h"] if line.get("band")]
    with pytest.raises(HLError, match="touched"):
        Cockpit(EXPERIMENT).step(3).band()
    with pytest.raises(HLError, match="hamiltonian"):
        Cockpit(experiments.get("tracker-sinusoid", units=3, learner="sgd")).step(3).band("lr")


def test_from_the_beginning_the_band_is_hlcores_sensitivity(panel):
    found = panel.step(40).band("beta", behind=40, ahead=0)
    known = sensitivity(EXPERIMENT, "beta", 40)
    assert np.allclose(found.dy, known.output.values[:, 0], rtol=1e-12) and abs(found.dy).max() > 0


def test_it_is_made_in_a_process_of_its_own_once_it_is_asked_for(panel):
    panel.step(30).set(eta=0.7)
    assert panel.view.band is None and not panel._aside.working
    panel._banded.set_state({"value": True})
    panel.refresh_status()  # a notebook's loop does that after a message
    assert panel._aside.working
    end = time.monotonic() + 240
    while panel.view.band is None and time.monotonic() < end:
        time.sleep(0.05)
    assert panel.view.band.told == "η ± 10%" and len(panel.view.band.t) == 250, "ahead: it was touched now"
    curve = panel.view.band.curves["y"][0]
    panel.step(1)
    assert panel.view.band is None or len(panel.view.band.t) == 251, "it follows"
    assert curve[0] == pytest.approx(float(panel.run.report.output.flatten()[0]), rel=1e-12)
    panel._banded.set_state({"value": False})
    assert panel.view.band is None
