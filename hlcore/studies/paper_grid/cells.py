"""The cells of the grid: model × settings × learner."""

from itertools import product, starmap
from typing import NamedTuple

CASES = {  # lr, momentum, dampening, tau (P, App. E)
    "GD-a": (0.01, 0.0, 0.0, 1.0),
    "GD-b": (0.001, 0.0, 0.0, 0.5),
    "Mom-a": (0.01, 0.05, 0.6, 1.0),
    "Mom-b": (0.01, 0.1, 0.5, 0.5),
}


class Model(NamedTuple):
    """One row of the paper: its experiment, its epochs, the final loss and accuracy read off the paper's figures."""

    title: str
    experiment: str
    epochs: int
    recurrent: bool
    paper: dict[str, tuple[float, float]]


def _paper(*values: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return dict(zip(CASES, values, strict=True))


RNN = _paper((0.01, 1.0), (0.48, 0.83), (0.04, 0.99), (0.02, 0.99))
LSTM = _paper((0.11, 0.96), (0.68, 0.64), (0.4, 0.83), (0.24, 0.91))

MODELS = {
    "linear": Model("Linear", "iris-linear", 40, False, _paper((0.22, 0.94), (0.51, 0.86), (0.31, 0.92), (0.28, 0.93))),
    "mlp": Model("MLP", "iris-mlp", 40, False, _paper((0.14, 0.95), (0.45, 0.92), (0.18, 0.96), (0.16, 0.96))),
    "resnet": Model("ResNet", "mnist-resnet", 40, False, _paper((0.08, 0.98), (0.2, 0.95), (0.07, 0.98), (0.07, 0.98))),
    "vit": Model("ViT", "mnist-vit", 40, False, _paper((0.61, 0.78), (1.14, 0.7), (0.62, 0.8), (0.65, 0.78))),
    "rnn": Model("RNN", "vowels-rnn", 80, True, RNN),
    "lstm": Model("LSTM", "vowels-lstm", 80, True, LSTM),
    "imdb-rnn": Model("RNN on IMDb", "imdb-rnn", 80, True, RNN),
    "imdb-lstm": Model("LSTM on IMDb", "imdb-lstm", 80, True, LSTM),
}
USUAL = [name for name in MODELS if not name.startswith("imdb")]  # what packages carry

LEARNERS = {"sgd": "torch.optim.SGD", "output": "HL output", "state": "HL state", "state-output": "HL state/output"}


class Cell(NamedTuple):
    """One run."""

    model: str
    case: str
    learner: str

    @property
    def name(self) -> str:
        return f"{self.model}-{self.case}-{self.learner}"


def cells() -> list[Cell]:
    """All of them; state/output for the recurrent models alone."""
    every = starmap(Cell, product(MODELS, CASES, LEARNERS))
    return [cell for cell in every if cell.learner != "state-output" or MODELS[cell.model].recurrent]
