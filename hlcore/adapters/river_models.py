"""river's classifier and regressor: a network that learns over time behind learn_one and predict_one."""

from typing import Any

import torch
from river import base
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from ..declared import BaseSettings
from ..errors import bad, whole
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.learner import Learner
from .small_networks import Build, learner_for, recurrent

GOOD = Settings(tau=0.1, eta=2.0, beta=0.2, phi=2.0)


class _Online:
    """What both have: the network is built for the features of the first x that is learned, by name.

    A feature that comes later is not seen; one that is missing counts as zero, which after river's StandardScaler is
    its mean. predict_one moves nothing; the state h moves with learn_one, once a sample, and is never cleared.
    """

    _learner: Learner | None = None
    _features: tuple[Any, ...] = ()

    network: Build | None
    settings: BaseSettings | None
    order: str
    seed: int

    def _learn(self, x: dict[Any, Any], target: Tensor, outputs: int, loss: Any) -> None:
        if self._learner is None:
            features = tuple(sorted(x, key=lambda name: (type(name).__name__, str(name))))
            build, settings = self.network or recurrent, self.settings or GOOD
            learner = learner_for(build, len(features), outputs, loss, settings, self.order, self.seed)
            learner.step(Sample(_row(x, features), target, end=False))
            self._learner, self._features = learner, features
        else:
            self._learner.step(Sample(_row(x, self._features), target, end=False))

    def _foretold(self, x: dict[Any, Any]) -> Tensor | None:
        """The output on x; None before anything was learned."""
        if self._learner is None:
            return None
        kept = self._learner.inventory.kept()
        try:
            return self._learner.propose(Sample(_row(x, self._features), None, end=False)).output
        finally:
            self._learner.inventory.put_back(kept)


class RiverRegressor(_Online, base.Regressor):
    """A number foretold by a network that learns over time, by Hamiltonian Learning on the square of the error.

    network   a function (inputs, outputs) -> hlcore.Network; None: twelve recurrent units
    settings  hlcore.Settings; None: τ = .1, η = 2, β = .2, φ = 2
    order     "sequential" or "euler"     seed  of the weights

    HLError for a feature or target that is no finite number; `Diverged` where a step would write inf or nan.
    """

    def __init__(
        self,
        network: Build | None = None,
        settings: BaseSettings | None = None,
        order: str = "sequential",
        seed: int = 0,
    ) -> None:
        self.network, self.settings, self.order, self.seed = network, settings, order, seed

    def learn_one(self, x: dict[Any, Any], y: float) -> None:
        """One step of HL on (x, y)."""
        self._learn(x, _row({"y": y}, ("y",)), 1, mse_loss)

    def predict_one(self, x: dict[Any, Any]) -> float:
        """y of x; 0 before anything was learned."""
        y = self._foretold(x)
        return 0.0 if y is None else float(y)


class RiverClassifier(_Online, base.Classifier):
    """A class foretold by a network that learns over time, by Hamiltonian Learning on the cross-entropy.

    classes   outputs of the network: the labels take them as they come, one more is an HLError
    network, settings, order, seed   as of RiverRegressor
    """

    def __init__(
        self,
        classes: int = 10,
        network: Build | None = None,
        settings: BaseSettings | None = None,
        order: str = "sequential",
        seed: int = 0,
    ) -> None:
        self.classes, self.network, self.settings, self.order, self.seed = classes, network, settings, order, seed
        self._labels: list[Any] = []

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: dict[Any, Any], y: Any) -> None:
        """One step of HL on (x, y)."""
        labels = self._labels if y in self._labels else [*self._labels, y]
        if len(labels) > whole("classes", self.classes):
            raise bad("label", f"{y!r}, one more than {self.classes}", "one of them", f"use classes={len(labels)}")
        self._learn(x, torch.tensor([labels.index(y)]), self.classes, cross_entropy)
        self._labels = labels

    def predict_proba_one(self, x: dict[Any, Any]) -> dict[Any, float]:
        """{label: probability} over the labels seen so far."""
        y = self._foretold(x)
        if y is None:
            return {}
        return dict(zip(self._labels, y[0, : len(self._labels)].softmax(0).tolist(), strict=True))


def _row(x: dict[Any, Any], names: tuple[Any, ...]) -> Tensor:
    """(1, len(names)) of the numbers under these names, 0 for one that is missing."""
    try:
        row = torch.tensor([[float(x.get(name, 0.0)) for name in names]], dtype=torch.float64)
    except (TypeError, ValueError):
        row = torch.tensor([[torch.nan]])
    if not bool(torch.isfinite(row).all()):
        wrong = {name: x[name] for name in names if name in x}
        raise bad("x or y", wrong, "finite numbers", "river's OneHotEncoder and StatImputer make them")
    return row
