"""The page's learner in JavaScript is hlcore.Learner: the same weights in float64, both orders, every setting."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from hlcore import experiments
from hlcore.lab.figures import time_rows
from hlcore.page import lab_page
from hlcore.page.document import HERE, as_json

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="NO NODE: the twin is tested in Chromium alone")
NAME = "tracker-water-flow"
READ = """
const told = given.told, doubles = (x) => new Float64Array(Uint8Array.from(Buffer.from(x, "base64")).buffer);
told.series = doubles(told.series);
told.starts = { float64: told.starts.float64.map(doubles), float32: [] };
"""


@pytest.fixture(scope="module")
def told():
    return lab_page.tracker()


def node(body, given, *names):
    """What `body` returns, with the page's scripts of these names at hand."""
    rooms = [
        f"const {name} = (() => {{ {(HERE / f'{name}.js').read_text().replace('export default', 'return')} }})();"
        for name in names
    ]
    head = "const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
    code = "\n".join([head, *rooms, f"const found = (() => {{ {body} }})();", "console.log(JSON.stringify(found));"])
    done = subprocess.run(["node", "-e", code], input=as_json(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_page(told, steps, order, changes, script=READ):
    """θ of the page's run after each of `steps`."""
    settings = {one["name"]: one["value"] for one in told["settings"]} | changes
    state = {"experiment": NAME, "options": {"dtype": "float64", "order": order}, "seed": 1, "settings": settings}
    text = "hl1:" + json.dumps(state | {"changes": [], "steps": 0})
    body = f"""{script} const run = new trial.Run(told, trial.parsed(given.text, told)), found = [];
        for (const n of given.steps) {{ run.walk(n - run.steps); found.push([...run.learner.theta]); }} return found;"""
    return [np.array(x) for x in node(body, {"told": told, "text": text, "steps": steps}, "learner", "trial")]


def by_python(steps, order, changes):
    learner, stream = experiments.get(NAME, dtype="float64", order=order, seed=1, **changes).learner()
    found = []
    for n in steps:
        learner.run(stream.since(learner.steps), n - learner.steps)
        found.append(theta(learner))
    return found


def theta(learner):
    return torch.cat([x.flatten() for x in learner.point.theta.values()]).numpy().copy()


@pytest.mark.parametrize("order", ["sequential", "euler"])
def test_the_twin_is_the_learner_for_ten_thousand_steps(told, order):
    start, early, late = by_page(told, [0, 1000, 10_000], order, {})
    for found, exact, bound in zip((early, late), by_python([1000, 10_000], order, {}), (1e-12, 1e-9), strict=True):
        assert np.abs(found - exact).max() <= bound
    assert np.abs(early - start).max() > 0.05, "the weights moved"


@pytest.mark.parametrize(
    ("order", "changes"),
    [
        ("sequential", {"control": 0.3, "phi": 1.0}),
        ("euler", {"control": 0.3, "eta": 0.5, "eta_z": None}),
        ("sequential", {"metric": "rms", "beta": 0.01, "memory": 20.0}),
        ("euler", {"metric": "rms", "beta": 0.01, "memory": 20.0}),
        ("sequential", {"s": 1, "beta": 0.001}),
        ("euler", {"tau": 0.05, "eta_z": 1.0}),
    ],
)
def test_the_twin_under_every_setting(told, order, changes):
    steps = 100 if "s" in changes else 400  # run forward, s = +1 climbs, and a rounding with it
    (found,), (exact,) = by_page(told, [steps], order, changes), by_python([steps], order, changes)
    assert np.abs(found - exact).max() <= 1e-12
    (plain,) = by_page(told, [steps], order, {})
    assert np.abs(found - plain).max() > 1e-4, "the control: the settings matter"


def test_a_term_less_is_noticed(told):
    (exact,) = by_python([1000], "sequential", {})
    broken = READ + "const step = learner.Learner.prototype.flow; learner.Learner.prototype.flow = function (u, h) {"
    broken += " const f = step.call(this, u, h); return { ...f, toState: (z) => z.map(() => 0) }; };"
    (found,) = by_page(told, [1000], "sequential", {}, broken)
    assert np.abs(found - exact).max() > 1e-3


def test_what_diverges_stops_before_it(told):
    body = f"""{READ} const run = new trial.Run(told); run.walk(100); run.set(told.presets.diverges);
        try {{ run.walk(60000); }} catch (error) {{
            const finite = run.learner.theta.every(Number.isFinite);
            return [run.steps, error.quantity, finite, run.count, run.state]; }} return null;"""
    steps, quantity, finite, count, state = node(body, {"told": told}, "learner", "trial")
    assert finite and count == steps > 1000 and quantity in {"loss", "h", "z", "hamiltonian", "omega", "theta"}
    assert json.loads(state.removeprefix("hl1:"))["changes"] == [[100, {"eta": 20.2}]]


def test_the_rows_are_thinned_and_smoothed_as_the_panel_does():
    rng = np.random.default_rng(0)
    x, ys = np.arange(997.0), rng.normal(size=(997, 2))
    body = """const ys = given.ys.map((y) => Float64Array.from(y));
        const thin = rows.thinned(Float64Array.from(given.x), ys, given.first, 200);
        return [...thin, rows.smooth(ys[0], 300)].map((c) => [...c]);"""
    found = node(body, {"x": x.tolist(), "ys": ys.T.tolist(), "first": 13}, "rows")
    at, thin = time_rows.thinned(x, ys, 13, 200)
    for one, other in zip(found, [at, *thin.T, time_rows.smooth(ys[:, 0], 300)], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    assert len(at) < 250
