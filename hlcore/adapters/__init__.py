"""Hamiltonian Learning behind the doors of other libraries; each library is imported when its door is opened.

Optimizer                        a torch.optim.Optimizer, for a training loop (and for UNaIVERSE's optimiser slot)
RiverClassifier, RiverRegressor  learn_one, predict_one                                             (river)
HLClassifier, HLRegressor        fit, partial_fit, predict                                          (scikit-learn)
"""

from importlib import import_module
from typing import Any

from ..errors import bad

DOORS = {  # name: (file, library, what to install)
    "Optimizer": ("torch_optimizer", "torch", "torch"),
    "RiverClassifier": ("river_models", "river", "river"),
    "RiverRegressor": ("river_models", "river", "river"),
    "HLClassifier": ("sklearn_estimators", "sklearn", "scikit-learn"),
    "HLRegressor": ("sklearn_estimators", "sklearn", "scikit-learn"),
}


def __getattr__(name: str) -> Any:
    """The adapter `name`; HLError where its library is not installed."""
    if name not in DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    file, library, package = DOORS[name]
    try:
        return getattr(import_module(f".{file}", __name__), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != library:
            raise
        raise bad(f"adapters.{name}", f"no module {error.name!r}", package, f"pip install {package}") from None


def __dir__() -> list[str]:
    """The doors."""
    return sorted(DOORS)
