"""The way of a sequence there and back, computed: states, costates, and the gradient that gathers."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..errors import known, whole
from ..law.arrays import moved
from ..law.network import State
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners.reversed_stream import bptt_gradient, reversed_costate
from ..networks import Network, Recurrent, Rotations
from ..streams import vowels

UNITS = 16  # entries of h
NETWORKS = ("tanh RNN", "rotations")
TARGETS = ("after the last token", "after every token")


class Way(NamedTuple):
    """What is seen on the way: h and z (tokens, units), and after each token of the way back ω's cosine to BPTT's
    gradient and its length as a share of that; `gap` is the largest difference from autograd's truncated BPTT."""

    h: np.ndarray
    z: np.ndarray
    cosine: np.ndarray
    share: np.ndarray
    gap: float


def utterance(network: str = NETWORKS[0], target: str = TARGETS[0], seed: int = 0) -> tuple[Network, list[Sample]]:
    """An untrained network of 16 units and one real utterance of a Japanese vowel, 12 numbers a token, in float64."""
    known("network", network, NETWORKS)
    known("target", target, TARGETS)
    sample = vowels(2, seed)[0]
    u = sample.u[0].double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Network
        if network == NETWORKS[0]:
            made = Recurrent(torch.nn.RNNCell(12, UNITS), torch.nn.Linear(UNITS, 9))
        else:
            made = Rotations(UNITS // 2, 12, 9)
    last = len(u) - 1
    tokens = [
        Sample(x[None], sample.target if k == last or target == TARGETS[1] else None, end=k == last)
        for k, x in enumerate(u)
    ]
    return made.double(), tokens


def way(network: Network, tokens: list[Sample], window: int | None = None, eta: float = 0.0) -> Way:
    """There and back over `tokens` with window r and dissipation η (P, eq. 24-27; τ = φ = 1)."""
    n = len(tokens)
    r = n if window is None else min(n, whole("window", window))
    truth = _flat(bptt_gradient(network, tokens, cross_entropy))
    h: list[Tensor] = []
    state: State = network.initial_state(1)
    with torch.no_grad():
        for token in tokens:
            state = dict(moved(state, network.velocity(token.u, state, 1.0), 1.0))
            h.append(_flat(state))
    z, cosine, share = [], [], []

    def watch(costate: Tensors, omega: Tensors) -> None:
        z.append(_flat(costate))
        g = _flat(omega)
        size = float(g.norm())
        cosine.append(float(g @ truth) / (size * float(truth.norm())) if size else 0.0)
        share.append(size / float(truth.norm()))

    reversed_costate(network, tokens, cross_entropy, Settings(eta=eta), r, watch)
    found = _flat(reversed_costate(network, tokens, cross_entropy, Settings(), r))
    gap = float((found - _flat(truncated(network, tokens, r))).abs().max())
    return Way(torch.stack(h).numpy(), torch.stack(z).numpy(), np.array(cosine), np.array(share), gap)


def truncated(network: Network, tokens: list[Sample], window: int) -> Tensors:
    """Truncated BPTT(r) by autograd alone: losses and paths of the last r tokens, from a state that is cut off."""
    total: Tensor | None = None
    state: State = network.initial_state(1)
    for k, token in enumerate(tokens):
        after = moved(state, network.velocity(token.u, state, 1.0), 1.0)
        if k < len(tokens) - window:
            after = {name: x.detach() for name, x in after.items()}
        elif token.target is not None:
            L = cross_entropy(network.output(token.u, after), token.target)
            total = L if total is None else total + L
        state = dict(after)
    assert total is not None
    theta = dict(network.named_parameters())
    found = torch.autograd.grad(total, list(theta.values()), allow_unused=True)
    return {k: torch.zeros_like(p) if g is None else g for (k, p), g in zip(theta.items(), found, strict=True)}


def _flat(tensors: Any) -> Tensor:
    return torch.cat([x.detach().flatten() for x in tensors.values()])
