"""The paper's experiments (P, App. E) but for MNIST: iris, reviews, and Japanese vowels in their place."""

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..errors import known
from ..law.settings import Settings
from ..networks import OutputNetwork, StateNetwork
from ..streams import Stream, iris, vowels
from ..streams.imdb import imdb
from .experiment import Setup
from .registry import register, usual

PRESETS, SLOW = usual(0.0002, 4.05), usual(0.0002, 4.4)  # slow steps: so diverge faster, 1 - τη = -1.2
MOM_B = Settings.from_sgd(lr=0.01, momentum=0.1, dampening=0.5, tau=0.5)
FORMS = ("output", "state", "state-output")


def classifier(stream: Stream, body: nn.Module, head: nn.Module | None, form: str) -> Setup:
    """`head(body(u))` as output network, as state network, or with body as f^h and head as f^y."""
    known("form", form, FORMS)
    if form == "state-output":
        return Setup(StateNetwork(body, readout=head), stream, cross_entropy, MOM_B)
    whole = body if head is None else nn.Sequential(body, head)
    return Setup(OutputNetwork(whole) if form == "output" else StateNetwork(whole), stream, cross_entropy, MOM_B)


@register("iris-linear", "Iris · linear network", PRESETS)
def iris_linear(seed: int, batch: int = 1, form: str = "output") -> Setup:
    """A linear network learns to tell three kinds of iris; its weights move as under SGD."""
    return classifier(iris(seed, batch), nn.Linear(4, 3), None, form)


@register("iris-mlp", "Iris · MLP as output network", PRESETS)
def iris_mlp(seed: int, units: int = 30, batch: int = 1, form: str = "output") -> Setup:
    """A hidden layer of tanh units learns to tell three kinds of iris; its weights move as under SGD."""
    return classifier(iris(seed, batch), nn.Sequential(nn.Linear(4, units), nn.Tanh()), nn.Linear(units, 3), form)


@register("iris-mlp-state", "Iris · MLP as state network", PRESETS)
def iris_mlp_state(seed: int, units: int = 30, batch: int = 1) -> Setup:
    """The same layers as a state network: the costate z carries the error, and the weights move all the same."""
    return iris_mlp(seed, units, batch, form="state")


class LastState(nn.Module):
    """What a recurrent module holds after the last token: (batch, n, d) -> (batch, units)."""

    def __init__(self, recurrent: Any) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, u: Tensor) -> Tensor:
        return self.recurrent(u)[0][:, -1]


@register("vowels-rnn", "Vowels · unfolded RNN", SLOW)
def vowels_rnn(seed: int, units: int = 30, per_speaker: int = 10, form: str = "output") -> Setup:
    """A tanh RNN tells nine speakers by a vowel; a step takes a whole utterance, autograd unfolds it."""
    body = LastState(nn.RNN(12, units, batch_first=True))
    return classifier(vowels(per_speaker, seed), body, nn.Linear(units, 9), form)


@register("vowels-lstm", "Vowels · unfolded LSTM", SLOW)
def vowels_lstm(seed: int, units: int = 30, per_speaker: int = 10, form: str = "output") -> Setup:
    """An LSTM tells nine speakers by a vowel; a step takes a whole utterance, autograd unfolds it."""
    body = LastState(nn.LSTM(12, units, batch_first=True))
    return classifier(vowels(per_speaker, seed), body, nn.Linear(units, 9), form)


@register("imdb-rnn", "IMDb · unfolded RNN", downloads=True)
def imdb_rnn(seed: int, units: int = 30, reviews: int = 100, form: str = "output") -> Setup:
    """A tanh RNN tells good reviews from bad ones."""
    body = LastState(nn.RNN(50, units, batch_first=True))
    return classifier(imdb(reviews, seed), body, nn.Linear(units, 2), form)


@register("imdb-lstm", "IMDb · unfolded LSTM", downloads=True)
def imdb_lstm(seed: int, units: int = 30, reviews: int = 100, form: str = "output") -> Setup:
    """An LSTM tells good reviews from bad ones."""
    body = LastState(nn.LSTM(50, units, batch_first=True))
    return classifier(imdb(reviews, seed), body, nn.Linear(units, 2), form)
