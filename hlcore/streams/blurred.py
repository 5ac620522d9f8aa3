"""Sparse spikes seen through a wavelet and noise: the blur is to be undone."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ..errors import bad, number, share, whole
from ..law.sample import Sample
from .stream import Stream

LEAST, MOST = 0.5, 1.3  # heights of spikes
BLOCK = 1024  # samples that are drawn at once


class Blurred(Stream):
    """u = the last `window` samples of wavelet * spikes + noise, target = the spike `delay` samples ago, without end.

    rate    chance of a spike at a sample       noise  standard deviation
    width   of the Gaussian wavelet, `taps` long (odd) and of length 1
    jump    (tick, width): another wavelet from then on; None: never

    sample(k): u (1, window), target (1, 1), end=False. The trace is `seed`'s: split train and test by seed.
    """

    def __init__(
        self,
        seed: int = 0,
        window: int = 16,
        delay: int = 10,
        rate: float = 0.06,
        width: float = 1.4,
        taps: int = 9,
        noise: float = 0.02,
        jump: tuple[int, float] | None = None,
    ) -> None:
        self.seed, self.window, self.delay = whole("seed", seed, 0), whole("window", window), whole("delay", delay, 0)
        self.rate, self.noise, self.taps = share("rate", rate), number("noise", noise), whole("taps", taps)
        if not self.taps % 2:
            raise bad("taps", taps, "an odd number")
        self.width = width
        self.wavelets = [(0, self._wavelet(width))]
        if jump is not None:
            if not isinstance(jump, tuple) or len(jump) != 2:
                raise bad("jump", repr(jump), "(tick, width), or None")
            self.wavelets.append((whole("jump", jump[0], 0), self._wavelet(jump[1])))
        self.dtype = torch.get_default_dtype()
        self._drawn = lru_cache(maxsize=8)(self._draw)

    @property
    def units(self) -> int:
        """Places of a spike that leave a trace in a window."""
        return self.window + self.taps - 1

    def dictionary(self) -> Tensor:
        """D (window, units): what a spike at each place leaves in a window; the last place is the newest."""
        p, c = np.ogrid[: self.window, : self.units]
        offset = p - c + self.taps - 1
        there = (offset >= 0) & (offset < self.taps)
        return self._floats(np.where(there, self.wavelets[0][1][np.clip(offset, 0, self.taps - 1)], 0.0))

    @property
    def place(self) -> int:
        """The unit of D whose spike is the target."""
        return self.units - 1 - self.taps // 2 - self.delay

    def tokens(self, start: int, n: int) -> tuple[Tensor, Tensor]:
        """Tokens start … start + n - 1 at once: u (n, window), target (n, 1)."""
        start, n = whole("start", start, 0), whole("n", n)
        first, half = start - self.window + 1, self.taps // 2
        spikes, noise = self._span(first - half, start + n + half)
        seen = self.noise * noise[half : len(noise) - half]
        t = np.arange(first, start + n)
        for k, (begin, wavelet) in enumerate(self.wavelets):
            end = self.wavelets[k + 1][0] if k + 1 < len(self.wavelets) else np.inf
            seen = seen + np.where((t >= begin) & (t < end), np.convolve(spikes, wavelet, "valid"), 0.0)
        u = np.lib.stride_tricks.sliding_window_view(seen, self.window)
        old, _ = self._span(start - self.delay, start + n - self.delay)
        return self._floats(u.copy()), self._floats(old[:, None].copy())

    def sample(self, k: int) -> Sample:
        """Token k."""
        u, target = self.tokens(k, 1)
        return Sample(u, target, end=False)

    def patterns(self, start: int, n: int) -> np.ndarray:
        """Where the spikes lie in the windows of n tokens, (n, window) of bool."""
        spikes, _ = self._span(whole("start", start, 0) - self.window + 1, start + whole("n", n))
        return np.lib.stride_tricks.sliding_window_view(spikes > 0, self.window)

    def _span(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Spikes and noise of samples a … b - 1; nothing lies before sample 0."""
        spikes, noise = np.zeros(b - a), np.zeros(b - a)
        for block in range(max(a, 0) // BLOCK, max(b - 1, 0) // BLOCK + 1):
            lo, hi = max(a, block * BLOCK, 0), min(b, (block + 1) * BLOCK)
            if lo < hi:
                drawn = self._drawn(block)
                for mine, theirs in zip((spikes, noise), drawn, strict=True):
                    mine[lo - a : hi - a] = theirs[lo - block * BLOCK : hi - block * BLOCK]
        return spikes, noise

    def _draw(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng((self.seed, block))
        there, height = draw.random(BLOCK) < self.rate, draw.uniform(LEAST, MOST, BLOCK)
        return np.where(there, height, 0.0), draw.standard_normal(BLOCK)

    def _wavelet(self, width: float) -> np.ndarray:
        k = np.arange(self.taps) - self.taps // 2
        found = np.exp(-0.5 * (k / number("width", width, positive=True)) ** 2)
        return found / np.linalg.norm(found)

    def _floats(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).to(self.dtype)
