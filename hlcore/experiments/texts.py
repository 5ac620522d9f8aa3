"""IMDb reviews with GloVe vectors, the paper's own text data (P, App. E); they must be downloaded."""

from __future__ import annotations

from torch import nn
from torch.nn.functional import cross_entropy

from ..streams.imdb import imdb
from .experiment import Setup
from .forms import formed
from .iris import MOM_B
from .registry import register
from .vowels import LastState


@register("imdb-rnn", "IMDb · unfolded RNN", downloads=True)
def imdb_rnn(seed: int, units: int = 30, reviews: int = 100, form: str = "output") -> Setup:
    """A tanh RNN tells good reviews from bad ones."""
    body = LastState(nn.RNN(50, units, batch_first=True))
    return Setup(formed(body, nn.Linear(units, 2), form), imdb(reviews, seed), cross_entropy, MOM_B)


@register("imdb-lstm", "IMDb · unfolded LSTM", downloads=True)
def imdb_lstm(seed: int, units: int = 30, reviews: int = 100, form: str = "output") -> Setup:
    """An LSTM tells good reviews from bad ones."""
    body = LastState(nn.LSTM(50, units, batch_first=True))
    return Setup(formed(body, nn.Linear(units, 2), form), imdb(reviews, seed), cross_entropy, MOM_B)
