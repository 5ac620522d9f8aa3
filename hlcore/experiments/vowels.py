"""Japanese vowels, a whole utterance per step: the unfolding is automatic (P, section 4)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..streams import vowels
from .experiment import Setup
from .forms import formed
from .iris import MOM_B
from .iris import PRESETS as IRIS_PRESETS
from .registry import register

PRESETS = IRIS_PRESETS | {"diverges": {"eta": 4.4}}  # 1 - τη = -1.2: these steps are slow, so grow faster


class LastState(nn.Module):
    """What a recurrent module holds after the last token: (batch, n, d) -> (batch, units)."""

    def __init__(self, recurrent: Any) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, u: Tensor) -> Tensor:
        """The last output."""
        return self.recurrent(u)[0][:, -1]


@register("vowels-rnn", "Vowels · unfolded RNN", PRESETS)
def vowels_rnn(seed: int, units: int = 30, per_speaker: int = 10, form: str = "output") -> Setup:
    """A tanh RNN tells nine speakers by a vowel; a step takes a whole utterance, autograd unfolds it."""
    body = LastState(nn.RNN(12, units, batch_first=True))
    return Setup(formed(body, nn.Linear(units, 9), form), vowels(per_speaker, seed), cross_entropy, MOM_B)


@register("vowels-lstm", "Vowels · unfolded LSTM", PRESETS)
def vowels_lstm(seed: int, units: int = 30, per_speaker: int = 10, form: str = "output") -> Setup:
    """An LSTM tells nine speakers by a vowel; a step takes a whole utterance, autograd unfolds it."""
    body = LastState(nn.LSTM(12, units, batch_first=True))
    return Setup(formed(body, nn.Linear(units, 9), form), vowels(per_speaker, seed), cross_entropy, MOM_B)
