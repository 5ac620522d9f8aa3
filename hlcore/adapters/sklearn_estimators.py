"""scikit-learn's classifier and regressor: a network taught by Hamiltonian Learning behind fit and partial_fit."""

from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from ..declared import BaseSettings
from ..errors import whole
from ..law.sample import Sample
from ..law.settings import Settings
from .small_networks import Build, learner_for, perceptron

GOOD = Settings(tau=1.0, eta=0.1, beta=0.002, phi=1.0, metric="rms", memory=100.0)


class _Estimator(BaseEstimator):
    """What both have: rows in their order, `batch` at a time, `epochs` times; each row is a sequence of its own."""

    def __init__(
        self,
        network: Build | None = None,
        settings: BaseSettings | None = None,
        order: str = "sequential",
        epochs: int = 100,
        batch: int = 10,
        seed: int = 0,
    ) -> None:
        self.network, self.settings, self.order = network, settings, order
        self.epochs, self.batch, self.seed = epochs, batch, seed

    def _begin(self, outputs: int, loss: Any) -> None:
        build, settings = self.network or perceptron, self.settings or GOOD
        self.learner_ = learner_for(build, self.n_features_in_, outputs, loss, settings, self.order, self.seed)

    def _walk(self, X: Any, y: Tensor, epochs: int) -> Self:
        rows, size = torch.as_tensor(X, dtype=torch.float64), whole("batch", self.batch)
        for _ in range(whole("epochs", epochs)):
            for u, target in zip(rows.split(size), y.split(size), strict=True):
                self.learner_.step(Sample(u, target))
        return self

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        rows = torch.as_tensor(validate_data(self, X, reset=False, dtype=np.float64))
        return self.learner_.propose(Sample(rows)).output.numpy()


class HLRegressor(RegressorMixin, _Estimator):
    """A number foretold by a network that Hamiltonian Learning teaches on the square of the error.

    network   a function (inputs, outputs) -> hlcore.Network; None: one hidden layer of sixteen units
    settings  hlcore.Settings; None: τ = 1, η = .1, β = .002, a metric of 100 steps     order  "sequential" or "euler"
    epochs    walks of `fit` through the rows; `partial_fit` walks once     batch  rows a step     seed  of the weights
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Begin anew, and walk `epochs` times through the rows."""
        return self._fit(X, y, True, self.epochs)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Go on, once through the rows."""
        return self._fit(X, y, not hasattr(self, "learner_"), 1)

    def predict(self, X: Any) -> Any:
        """(rows,) of numbers."""
        return self._outputs(X)[:, 0]

    def _fit(self, X: Any, y: Any, anew: bool, epochs: int) -> Self:
        X, y = validate_data(self, X, y, reset=anew, dtype=np.float64, y_numeric=True)
        if anew:
            self._begin(1, mse_loss)
        return self._walk(X, torch.as_tensor(y, dtype=torch.float64).view(-1, 1), epochs)


class HLClassifier(ClassifierMixin, _Estimator):
    """A class foretold by a network that Hamiltonian Learning teaches on the cross-entropy; options as HLRegressor."""

    def fit(self, X: Any, y: Any) -> Self:
        """Begin anew, and walk `epochs` times through the rows."""
        return self._fit(X, y, None, True, self.epochs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Go on, once through the rows; the first call is told all `classes`, or takes those of y for all."""
        return self._fit(X, y, classes, not hasattr(self, "learner_"), 1)

    def predict(self, X: Any) -> Any:
        """(rows,) of classes."""
        found = self._outputs(X).argmax(1)
        return self.classes_[found]

    def predict_proba(self, X: Any) -> Any:
        """(rows, classes) of probabilities."""
        return torch.as_tensor(self._outputs(X)).softmax(1).numpy()

    def _fit(self, X: Any, y: Any, classes: Any, anew: bool, epochs: int) -> Self:
        X, y = validate_data(self, X, y, reset=anew, dtype=np.float64)
        check_classification_targets(y)
        if anew:
            self.classes_ = unique_labels(y if classes is None else classes)
            self._begin(len(self.classes_), cross_entropy)
        if strange := set(np.unique(y)) - set(self.classes_):
            raise ValueError(f"y: got {sorted(strange)}, expected one of the classes {list(self.classes_)}.")
        return self._walk(X, torch.as_tensor(np.searchsorted(self.classes_, y)), epochs)
