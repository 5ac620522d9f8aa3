"""Chains of every kind for the tests of devices; worker processes import this module too."""

from itertools import pairwise

import torch
from torch.nn.functional import mse_loss

from hlcore import Chain, Sample, Settings
from hlcore.experiments import Setup, register
from hlcore.streams import Stream


class Noise(Stream):
    """Drawn pairs in batches of four, with an uneven clock; every `length`-th sample is an end, some have no target."""

    def __init__(self, seed, length):
        self.seed, self.every = seed, length
        self.dtype = torch.get_default_dtype()

    def sample(self, k):
        generator = torch.Generator().manual_seed(1000 * self.seed + k)
        u, y = (torch.randn(4, n, generator=generator, dtype=self.dtype) for n in (5, 3))
        end = self.every > 0 and k % self.every == self.every - 1
        return Sample(u, None if k % 7 == 5 else y, end=end, dt=(None, 0.2)[k % 2])


@register("test-chain", "Any chain", downloads=True)  # found by `get`, not told by `names`
def chain(seed, sizes="1+1+1", schedule="parallel", ends=0, frozen=0, norm=0, dropout=0.0, width=5):
    """Tanh layers with drawn inputs."""
    cuts = tuple(int(n) for n in str(sizes).split("+"))
    widths = [5, *[width] * (sum(cuts) - 1), 3]
    layers = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh()) for a, b in pairwise(widths)]
    if norm:
        layers[norm - 1].append(torch.nn.BatchNorm1d(widths[norm]))
    if dropout:
        layers[0].append(torch.nn.Dropout(dropout))
    if frozen:
        layers[frozen - 1].requires_grad_(False)
    settings = Settings(tau=0.7, eta=0.3, beta=0.2, phi=1.3, eta_z=0.1)
    return Setup(Chain(layers, cuts, schedule), Noise(seed, ends), mse_loss, settings, order="euler")
