"""Who races: every learner, its stream, and the short grid from which the prefix chooses."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from hlcore import Learner, Recurrent, Report, Sample, Settings, experiments, streams
from hlcore.online import Forecaster, Persistence, Regressor, Stepper
from hlcore.streams import Changes, Series

real = lru_cache(streams.real)  # reads each file once


class Track(NamedTuple):
    """A learner at its beginning, its stream, and how its numbers become the series' unit."""

    learner: Stepper
    stream: Any
    read: Callable[[int, Tensor], Tensor]


def changes(name: str, lags: int = 3) -> Changes:
    return Changes(real(name).values, lags, real(name).rhythm)


def fixed(learner: Stepper, name: str) -> Track:
    """The series itself, in its round units."""
    zero, one = real(name).zero, real(name).one
    return Track(learner, Series(real(name).scaled), lambda k, y: zero + one * y)


def natural(learner: Stepper, name: str) -> Track:
    """The series itself, in its own unit."""
    return Track(learner, Series(real(name).values), lambda k, y: y)


def hl(form: str, name: str, seed: int, beta: float) -> Track:
    learner, stream = experiments.get(f"forecast-{name}", network=form, beta=beta).learner(seed)
    return Track(learner, stream, stream.read)


def tracker(name: str, seed: int, beta: float) -> Track:
    """The lab's recurrent tracker as it stands: levels in round units, no change against the last value."""
    torch.manual_seed(seed)
    network = Recurrent(torch.nn.RNNCell(1, 12), torch.nn.Linear(12, 1), speed=5.0)
    settings = Settings(tau=0.1, eta=2.0, beta=beta, phi=2.0, eta_z=5.0)
    return fixed(Learner(network, mse_loss, settings, "sequential"), name)


def persistence(name: str, seed: int) -> Track:
    return natural(Persistence(), name)


def scaled(model: Any) -> Any:
    from river.preprocessing import StandardScaler

    return StandardScaler() | model


class Echo:
    """y = d_{k+1-rhythm}: the change of one round of the calendar ago. Nothing is learned."""

    def step(self, sample: Sample) -> Report:
        """The next to last entry of u in `Changes`."""
        y = sample.u[:, -2:-1]
        return Report(0.0, float((y - sample.target).square().mean()), 0.0, y)


def echo(name: str, seed: int) -> Track:
    stream = Changes(real(name).values, 1, real(name).rhythm, limit=None)
    return Track(Echo(), stream, stream.read)


def sgd(rate: float) -> Any:
    from river import linear_model, optim

    return linear_model.LinearRegression(optim.SGD(rate), loss=optim.losses.Huber(1.0), intercept_lr=rate)


def bayes(smoothing: float | None) -> Any:
    from river.linear_model import BayesianLinearRegression

    return BayesianLinearRegression(smoothing=smoothing)


def passive(C: float) -> Any:
    from river.linear_model import PARegressor

    return PARegressor(C=C, eps=0.1)


def tree(grace: int) -> Any:
    from river.tree import HoeffdingTreeRegressor

    return HoeffdingTreeRegressor(grace_period=grace)


def adaptive_tree(grace: int, seed: int) -> Any:
    from river.tree import HoeffdingAdaptiveTreeRegressor

    return HoeffdingAdaptiveTreeRegressor(grace_period=grace, seed=seed)


def forest(models: int, seed: int) -> Any:
    from river.forest import ARFRegressor

    return ARFRegressor(n_models=models, seed=seed)


def on_lags(make: Callable[..., Any], name: str, seed: int, **options: Any) -> Track:
    """As river is commonly used: standardised (online) values of one round of the calendar, the value as target."""
    from river.preprocessing import StandardScaler

    return fixed(Regressor(StandardScaler() | make(**options), real(name).rhythm), name)


def on_changes(make: Callable[..., Any], name: str, seed: int, **options: Any) -> Track:
    """The very samples that HL sees."""
    chance = {"seed": seed} if make in (adaptive_tree, forest) else {}
    stream = changes(name)
    return Track(Regressor(make(**options, **chance)), stream, stream.read)


def holt_winters(name: str, seed: int, alpha: float, seasons: bool) -> Track:
    from river.time_series import HoltWinters

    more = {"gamma": 0.2, "seasonality": real(name).rhythm, "multiplicative": True} if seasons else {}
    return natural(Forecaster(HoltWinters(alpha=alpha, beta=0.05, **more)), name)


def snarimax(name: str, seed: int, p: int, sp: int, rate: float) -> Track:
    from river.preprocessing import StandardScaler
    from river.time_series import SNARIMAX

    model = SNARIMAX(p=p, d=1, q=0, m=real(name).rhythm, sp=sp, regressor=StandardScaler() | sgd(rate))
    return fixed(Forecaster(model), name)


class Racer(NamedTuple):
    """What is on a line of the table: its way, and the options among which the prefix chooses."""

    title: str
    way: Callable[..., Track]
    grid: list[dict[str, Any]]
    chance: bool = False


def over(name: str, *values: Any) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


RATES = over("beta", 0.001, 0.003, 0.01, 0.03, 0.1)
SGD = over("rate", 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)
STEPS = over("C", 0.001, 0.003, 0.01, 0.03)
MEMORY = over("smoothing", None, 0.99, 0.999)
GRACE = over("grace", 50, 200)
HW = [{"alpha": alpha, "seasons": seasons} for alpha in (0.6, 0.8, 0.95) for seasons in (False, True)]
ARI = [{"p": p, "sp": sp, "rate": rate} for p in (1, 3) for sp in (0, 1) for rate in (0.001, 0.003, 0.01)]

RACERS = {
    "persistence": Racer("persistence", persistence, [{}]),
    "echo": Racer("persistence of the last round's change", echo, [{}]),
    "hl linear": Racer("**HL** sparse linear", partial(hl, "linear"), RATES),
    "hl tanh": Racer("**HL** 16 tanh", partial(hl, "tanh"), RATES, True),
    "hl recurrent": Racer("**HL** recurrent, 16 GRU", partial(hl, "recurrent"), RATES, True),
    "hl rotations": Racer("**HL** rotations, 12 clocks", partial(hl, "rotations"), RATES, True),
    "hl plain": Racer("**HL** plain linear", partial(hl, "plain"), RATES),
    "hl tracker": Racer("**HL** the lab's tracker, on levels", tracker, over("beta", 0.05, 0.2, 0.5), True),
    "sgd": Racer("river LinearRegression, HL's inputs", partial(on_changes, sgd), SGD),
    "bayes": Racer("river BayesianLinearRegression, HL's inputs", partial(on_changes, bayes), MEMORY),
    "passive": Racer("river PARegressor, HL's inputs", partial(on_changes, passive), STEPS),
    "adaptive": Racer("river HoeffdingAdaptiveTree, HL's inputs", partial(on_changes, adaptive_tree), GRACE, True),
    "forest": Racer("river ARFRegressor, HL's inputs", partial(on_changes, forest), over("models", 10), True),
    "sgd lags": Racer("river LinearRegression, on lags", partial(on_lags, sgd), SGD),
    "bayes lags": Racer("river BayesianLinearRegression, on lags", partial(on_lags, bayes), MEMORY),
    "tree lags": Racer("river HoeffdingTree, on lags", partial(on_lags, tree), GRACE),
    "holt winters": Racer("river HoltWinters", holt_winters, HW),
    "snarimax": Racer("river SNARIMAX, d = 1", snarimax, ARI),
}  # fmt: skip
