"""river's and scikit-learn's own checks, and that what stands behind the doors is the Learner."""

import pickle
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.nn.functional import mse_loss

import hlcore
from hlcore import HLError, Learner, OutputNetwork, Sample, Settings, adapters
from hlcore.adapters import HLClassifier, HLRegressor, RiverClassifier, RiverRegressor
from hlcore.adapters.river_models import GOOD

ROOT = Path(__file__).parents[2]


def river_checks():
    """River's checks of both models, on the first forty samples of each of its data sets."""
    from river import checks

    whole, checks._yield_datasets = (
        checks._yield_datasets,
        lambda model, scale=1: (list(islice(data, 40)) for data in whole(model)),
    )
    try:
        return [
            (model, check) for model in (RiverRegressor(), RiverClassifier()) for check in checks.yield_checks(model)
        ]
    finally:
        checks._yield_datasets = whole


@pytest.mark.parametrize(("model", "check"), river_checks(), ids=lambda x: getattr(x, "__name__", type(x).__name__))
def test_river_checks(model, check):
    check(model.clone())


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([HLRegressor(epochs=20, batch=20), HLClassifier(epochs=20, batch=20)])
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_behind_rivers_door_is_the_learner():
    model, values = RiverRegressor(), [0.3, -0.2, 0.9, 0.1, 0.5]
    learner = None
    for a, b in pairwise(values):
        before = pickle.dumps(model)
        foretold = model.predict_one({"u": a})
        assert pickle.dumps(model) == before, "predict_one moves nothing"
        if learner is None:
            assert foretold == 0.0
            model.learn_one({"u": a}, b)
            learner = Learner(
                model._learner.network.__class__(torch.nn.RNNCell(1, 12), torch.nn.Linear(12, 1)),
                mse_loss,
                GOOD,
                "sequential",
            )
            learner.restore(model._learner.snapshot())
        else:
            report = learner.step(Sample(torch.tensor([[a]]), torch.tensor([[b]]), end=False))
            assert foretold == float(report.output)
            model.learn_one({"u": a}, b)
    assert torch.equal(learner.point.omega["cell.weight_hh"], model._learner.point.omega["cell.weight_hh"])


def test_river_tracks_water_and_beats_the_mean():
    from river import metrics, stats

    stream, model, mean = hlcore.streams.water_flow(), RiverRegressor(), stats.Mean()
    ours, naive = metrics.MAE(), metrics.MAE()
    for k in range(1200):
        sample = stream[k]
        x, y = {"flow": float(sample.u)}, float(sample.target)
        if k >= 600:
            ours.update(y, model.predict_one(x))
            naive.update(y, mean.get())
        model.learn_one(x, y)
        mean.update(y)
    assert ours.get() < 0.6 * naive.get()


@pytest.mark.parametrize(
    ("use", "word"),
    [
        (lambda: RiverRegressor().learn_one({"a": "red"}, 1.0), "OneHotEncoder"),
        (lambda: RiverRegressor().learn_one({"a": float("nan")}, 1.0), "finite"),
        (lambda: RiverRegressor().learn_one({"a": 1.0}, None), "finite"),
        (lambda: RiverRegressor(order="backwards").learn_one({"a": 1.0}, 1.0), "backwards"),
        (lambda: RiverRegressor(network=3).learn_one({"a": 1.0}, 1.0), "inputs, outputs"),
        (lambda: RiverRegressor(network=lambda i, o: torch.nn.Linear(i, o)).learn_one({"a": 1.0}, 1.0), "Network"),
        (lambda: HLRegressor(settings=0.1).fit([[0.0], [1.0]], [0.0, 1.0]), "Settings"),
        (lambda: HLRegressor(epochs=0).fit([[0.0], [1.0]], [0.0, 1.0]), "epochs"),
    ],
)
def test_bad_input_is_told(use, word):
    with pytest.raises(HLError, match=word):
        use()


def test_a_label_too_many_is_told_and_nothing_is_learned():
    model = RiverClassifier(classes=2)
    for label in "ab":
        model.learn_one({"x": 1.0}, label)
    before = pickle.dumps(model)
    with pytest.raises(HLError, match="classes=3"):
        model.learn_one({"x": 1.0}, "c")
    assert pickle.dumps(model) == before


def test_fit_is_partial_fits_in_a_row_and_the_learner_on_the_rows():
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    rows = np.random.default_rng(0).permutation(150)
    X, y = X[rows], y[rows]
    whole, parts = HLClassifier(epochs=3), HLClassifier()
    whole.fit(X, y)
    for _ in range(3):
        parts.partial_fit(X, y)
    assert (whole.predict_proba(X) == parts.predict_proba(X)).all()
    assert (whole.predict_proba(X) != HLClassifier(epochs=2).fit(X, y).predict_proba(X)).any()
    assert HLClassifier(epochs=20).fit(X, y).score(X, y) > 0.9
    assert HLClassifier(epochs=20, settings=Settings(beta=0.0)).fit(X, y).score(X, y) < 0.7, "the control: β = 0"


def test_a_line_is_found():
    X = np.linspace(-1, 1, 50)[:, None]
    model = HLRegressor(lambda i, o: OutputNetwork(torch.nn.Linear(i, o)), Settings.from_sgd(0.1, 0.5), epochs=200).fit(
        X, 3 * X[:, 0] - 0.5
    )
    assert abs(float(model.predict([[0.5]])[0]) - 1.0) < 1e-6


@pytest.mark.parametrize("library", ["river", "sklearn"])
def test_nothing_is_imported_before_its_door_is_opened(library):
    code = f"import sys, hlcore, hlcore.adapters; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "library", "package"), [("RiverRegressor", "river", "river"), ("HLClassifier", "sklearn", "scikit-learn")]
)
def test_a_library_that_is_missing_is_named(name, library, package, monkeypatch):
    file = adapters.DOORS[name][0]
    monkeypatch.delitem(sys.modules, f"hlcore.adapters.{file}")
    for part in (library, f"{library}.base"):
        monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(HLError, match=f"pip install {package}"):
        getattr(adapters, name)
    with pytest.raises(AttributeError, match="no attribute"):
        adapters.Nothing  # noqa: B018
    assert "Optimizer" in dir(adapters)
