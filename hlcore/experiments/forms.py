"""One module in the paper's three forms: as f^y, as f^h, or split over both."""

from __future__ import annotations

import torch

from ..errors import unknown
from ..law.network import Network
from ..networks import OutputNetwork, StateNetwork

FORMS = ("output", "state", "state-output")


def formed(body: torch.nn.Module, head: torch.nn.Module | None, form: str) -> Network:
    """`head(body(u))` as output network, as state network, or with body as f^h and head as f^y."""
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if form == "state-output":
        return StateNetwork(body, readout=head)
    whole = body if head is None else torch.nn.Sequential(body, head)
    return OutputNetwork(whole) if form == "output" else StateNetwork(whole)
