"""Streams whose answer lies in the past: what a law of credit through time is tried on."""

from abc import abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, flag, kind, whole
from ..law.sample import Sample
from .datasets import Labelled, mnist
from .stream import Stream


class Episodes(Stream):
    """Sequences of `steps` tokens each, `batch` of them side by side, drawn by (seed, episode)."""

    def __init__(self, steps: int, seed: int, batch: int = 1) -> None:
        self.steps, self.seed, self.dtype = whole("steps", steps, 2), whole("seed", seed, 0), torch.get_default_dtype()
        self.batch = whole("batch", batch)
        self._drawn = lru_cache(maxsize=4)(lambda episode: self.draw(np.random.default_rng((self.seed, episode))))

    @abstractmethod
    def draw(self, rng: Any) -> tuple[Tensor, list[Tensor | None]]:
        """(inputs (steps, batch, d), a target (batch, d) or None for each token) of one episode."""

    def sample(self, k: int) -> Sample:
        """Token k mod steps of episode k // steps."""
        episode, token = divmod(k, self.steps)
        u, targets = self._drawn(episode)
        return Sample(u[token], targets[token], end=token == self.steps - 1)


class Recall(Episodes):
    """Channels (cue ±1, noise ±1, "now"): what was the cue? The answer is asked for at "now" alone.

    delay  tokens from the first to the last     noise  False: the second channel is silent (a memory chain)
    vary   True: the cue comes in the first quarter, "now" in the second half; False: the first token and the last
    batch  episodes side by side, with cues and noise of their own and the same times
    """

    def __init__(self, delay: int, seed: int = 0, noise: bool = True, vary: bool = True, batch: int = 1) -> None:
        super().__init__(whole("delay", delay) + 1, seed, batch)
        self.delay, self.noise, self.vary = self.steps - 1, flag("noise", noise), flag("vary", vary)

    def draw(self, rng: Any) -> tuple[Tensor, list[Tensor | None]]:
        """One cue an episode."""
        cue, late = 2.0 * rng.integers(2, size=self.batch) - 1, self.delay
        first = int(rng.integers(max(1, late // 4))) if self.vary else 0
        now = int(rng.integers(max(1, late // 2), late + 1)) if self.vary else late
        u = np.zeros((self.steps, self.batch, 3))
        u[first, :, 0], u[now, :, 2] = cue, 1.0
        if self.noise:
            u[:, :, 1] = 2.0 * rng.integers(2, size=u.shape[:2]) - 1
        targets: list[Tensor | None] = [None] * self.steps
        targets[now] = torch.from_numpy(cue[:, None]).to(self.dtype)
        return torch.from_numpy(u).to(self.dtype), targets


class Sung(Episodes):
    """Told once, at the first token, how fast: sing sin 2πfk for the rest of the sequence; 4 to 16 turns.

    vary  True: a frequency an episode, which a linear network cannot sing (it is linear in what it is told, sin 2πfk is
          not linear in f); False: one frequency a seed, that the network's own must find
    """

    def __init__(self, steps: int, seed: int = 0, batch: int = 1, vary: bool = True) -> None:
        super().__init__(steps, seed, batch)
        self.vary = flag("vary", vary)

    def draw(self, rng: Any) -> tuple[Tensor, list[Tensor | None]]:
        """One frequency an episode, or for all."""
        one = np.random.default_rng(self.seed).uniform(4, 16)
        turns = torch.from_numpy(rng.uniform(4, 16, size=self.batch) if self.vary else np.full(self.batch, one))
        y = torch.sin(2 * torch.pi * turns / self.steps * torch.arange(1, self.steps + 1)[:, None]).to(self.dtype)
        u = torch.zeros(self.steps, self.batch, 2, dtype=self.dtype)
        u[0] = torch.stack([torch.ones_like(turns), turns / 10 - 1], 1)
        return u, list(y[:, :, None])


class Copied(Stream):
    """y_k = u_{k-delay}, u independent signs: `batch` streams without end side by side, 0 before the first."""

    def __init__(self, delay: int, seed: int = 0, batch: int = 1) -> None:
        self.delay, self.seed, self.dtype = whole("delay", delay), whole("seed", seed, 0), torch.get_default_dtype()
        self.batch = whole("batch", batch)

    def sample(self, k: int) -> Sample:
        """Token k."""
        u, y = (torch.from_numpy(self._signs(i)[:, None]).to(self.dtype) for i in (k, k - self.delay))
        return Sample(u, y, end=False)

    def _signs(self, k: int) -> Any:
        if k < 0:
            return np.zeros(self.batch)
        return 2.0 * np.random.default_rng((self.seed, k)).integers(2, size=self.batch) - 1


class Strips(Stream):
    """Images shown strip by strip, (1, pixels of a strip) a token; which class, asked for at the last."""

    def __init__(self, images: Labelled, tokens: int) -> None:
        self.images = kind("images", images, Labelled, "an hlcore.streams.Labelled", "hlcore.streams.mnist() is one")
        self.tokens, pixels = whole("tokens", tokens), images[0].u[0].numel()
        if pixels % self.tokens:
            raise bad("tokens", tokens, f"a number that divides the {pixels} pixels of an image")

    def sample(self, k: int) -> Sample:
        """Strip k mod tokens of image k // tokens."""
        image, token = divmod(k, self.tokens)
        whole_image = self.images[image]
        last = token == self.tokens - 1
        strip = whole_image.u.reshape(len(whole_image.u), self.tokens, -1)[:, token]
        return Sample(strip, whole_image.target if last else None, end=last)


def strips(tokens: int, seed: int = 0, batch: int = 1) -> Strips:
    """5,000 real MNIST digits in `tokens` strips: 28 rows, or 98 strips of 8 pixels."""
    return Strips(mnist(500, seed, batch), tokens)
