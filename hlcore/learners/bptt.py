"""Learners that remember the way and walk it back: by the reversed stream, or by autograd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from ..errors import HLError, whole
from ..law.hamiltonian import Loss
from ..law.network import Known, Network
from ..law.preserved import preserved
from ..law.sample import Sample
from ..law.settings import Settings
from .base import Look, OnlineLearner
from .reversed_stream import Token, advance, first_state, way_back


class _Backward(OnlineLearner):
    """Stores states, turns at the end of a sequence and every `every` tokens; between turns the weights stand (β = 0).

    A turn takes the losses since the turn before, and their paths through the last `window` tokens.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: Settings | None = None,
        window: int | None = None,
        every: int | None = None,
    ) -> None:
        super().__init__(network, loss, settings)
        self.window = None if window is None else whole("window", window)
        self.every = None if every is None else whole("every", every)
        self.waiting = False  # True: the last step was no turn
        self._tokens: list[Token] = []  # at most window - 1 between steps
        self._length = self._since = 0  # tokens of the sequence so far, and since the last turn
        self._seen: Token | None = None

    def _look(self, sample: Sample, tau: float, phi: float) -> Look:
        h = first_state(self._law, sample) if self._h is None else self._h
        token, moved, y = advance(self._law, sample, h, tau, tau * phi)
        L = self._law.instantaneous_loss(y, sample.target)
        self._seen = token
        loss = 0.0 if L is None else float(L)
        if not (sample.end or (self.every is not None and self._since + 1 >= self.every)):
            return Look(moved, y, loss, None, 0.0, 1.0)
        path = [*self._tokens, token]
        path = path if self.window is None else path[-self.window :]
        old = max(0, len(path) - self._since - 1)  # these have had their turn: paths, no losses
        path = [t._replace(sample=replace(t.sample, target=None)) for t in path[:old]] + path[old:]
        with preserved(self.network):
            start = first_state(self._law, path[0].sample) if len(path) == self._length + 1 else {}
            g, keep = self._walk(path, start, tau)
        return Look(moved, y, loss, g, 1.0, keep)

    def _remember(self, sample: Sample, look: Look) -> None:
        assert self._seen is not None
        self.waiting = look.g is None
        self._since = self._since + 1 if self.waiting else 0
        self._length = 0 if sample.end else self._length + 1
        if sample.end:
            self._tokens = []
        else:
            self._tokens.append(self._seen)
            if self.window is not None:
                del self._tokens[: max(0, len(self._tokens) - self.window + 1)]
            elif len(self._tokens) > 1_000_000:
                raise HLError(f"{type(self).__name__}: got an endless sequence; give a window, or mark ends.")

    def _walk(self, path: list[Token], start: Known, tau: float) -> tuple[list[Tensor], float]:
        """(what ω receives from the way back, the part of the old ω that is kept)."""
        raise NotImplementedError


class HLBPTT(_Backward):
    """Hamiltonian Learning on the reversed stream (P, eq. 24-27): at a turn z = 0, then `reversed_costate`.

    every        None: turn at the end of each sequence only; k: also every k tokens, for streams without end
    window       r: losses and paths of the last r tokens only
    reset_omega  ω = 0 at each turn (with η = 0 and φ = 1/τ: gradient descent on BPTT with rate τβ); False: ω goes on,
                 dissipated at every token of the way back
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: Settings | None = None,
        window: int | None = None,
        every: int | None = None,
        reset_omega: bool = True,
    ) -> None:
        super().__init__(network, loss, settings, window, every)
        self.reset_omega = reset_omega

    def _walk(self, path: list[Token], start: Known, tau: float) -> tuple[list[Tensor], float]:
        eta, eta_z = self.settings.eta, self.settings.dissipation_z
        omega = way_back(self._law, path[::-1], self._theta, eta, eta_z, start)
        return list(omega.values()), 0.0 if self.reset_omega else prod(1 - token.tau * eta for token in path)


class TruncatedBPTT(_Backward):
    """Truncated backpropagation through time by autograd: the losses since the last turn, through `window` tokens.

    The states of the window are made anew from the oldest one that is stored, with the weights of now.

    every=1 is the online form, one gradient per token; with window=None it sees the whole sequence so far, and its
    cost grows with it. ω⁺ = (1-τη) ω + τφ g: momentum as in `Learner`.
    """

    def _walk(self, path: list[Token], start: Known, tau: float) -> tuple[list[Tensor], float]:
        with torch.enable_grad():
            h: Known = _joined(path[0].h, start)
            total: Tensor | None = None
            for token in path:
                torch.set_rng_state(token.generator)
                for buffer, then in zip(self.network.buffers(), token.buffers, strict=True):
                    buffer.copy_(then)
                v = self._law.velocity(token.sample.u, dict(h), token.tau)
                h = {name: token.tau * v[name] if x is None else x + token.tau * v[name] for name, x in h.items()}
                L = self._law.instantaneous_loss(self._law.output(token.sample.u, h), token.sample.target)
                if L is not None:
                    total = token.gain * L if total is None else total + token.gain * L
        weights = list(self._theta.values())
        found: list[Tensor | None] = [None] * len(weights)
        if total is not None and total.requires_grad:
            found = list(torch.autograd.grad(total, weights, allow_unused=True))
        g = [torch.zeros_like(p) if x is None else x for p, x in zip(weights, found, strict=True)]
        return g, 1 - tau * self.settings.eta


def _joined(h: Mapping[str, Tensor], start: Known) -> dict[str, Tensor | None]:
    """The stored state, with the graph of the weights that made it where it is the initial one."""
    return {name: x.detach() if start.get(name) is None else start[name] for name, x in h.items()}
