"""Chains of every kind for the tests of devices; worker processes import this module too."""

import os
import time
from itertools import pairwise

import torch
from torch.nn.functional import cross_entropy, mse_loss

from hlcore import Chain, Learner, Recorder, Sample, Settings
from hlcore.devices.device import KINDS, chosen
from hlcore.experiments import Setup, register
from hlcore.streams import Stream, digits
from tests import far

KINDS[far.NAME] = lambda rank: far.install()  # for ranks of the tests
ABSENT = {} if torch.cuda.is_available() else {"cuda": "no GPU here: nccl and CUDA were NOT tested"}
ABSENT |= {} if far.READY else {far.NAME: far.WHY}


def alone(experiment, steps, device="cpu", **options):
    """The trajectory in one process on a device; on the one that only pretends, that of the CPU, whose bits it has."""
    if device != "cuda":
        return experiment.run(steps, experiment.seed, **options)
    setup, recorder = experiment.setup(experiment.seed), Recorder(**options)
    here = chosen(device, 0)
    learner = Learner(setup.network.to(here), experiment.loss, experiment.settings, experiment.order)
    learner.run((sample.to(here) for sample in setup.stream), steps, recorder)
    return recorder.trajectory()


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


def sleep(rank, seconds):
    """Stands still, on one rank of those that `Workers` started."""
    if os.environ.get("LOCAL_RANK") == str(rank):
        time.sleep(seconds)


class Sleeper(torch.nn.Module):
    """Passes x on; the first time it is slow, as what loads a library is."""

    def __init__(self, *given):
        super().__init__()
        self.given, self.fresh = given, True

    def forward(self, x):
        if self.fresh and not x.is_meta:
            self.fresh = False
            sleep(*self.given)
        return x


class Slow(Noise):
    """One sample that is slow to come."""

    def __init__(self, seed, tick, *given):
        super().__init__(seed, 0)
        self.tick, self.given = tick, given

    def sample(self, k):
        if k == self.tick:
            sleep(*self.given)
        return super().sample(k)


@register("slow-chain", "A chain with one slow rank", downloads=True)
def slow(seed, rank=0, seconds=0.0, build=False, layer=False, tick=-1, schedule="parallel"):
    """Three groups; one rank is slow to build the experiment, in its first pass through its layers, or at a tick."""
    setup = chain(seed, schedule=schedule)
    if build:
        sleep(rank, seconds)
    if layer:
        for part in setup.network.layers:
            part.append(Sleeper(rank, seconds))
    return setup._replace(stream=Slow(seed, tick, rank, seconds))


class Rows(Stream):
    """Digits as rows, permuted anew in every epoch, in whole batches, each held for some steps."""

    def __init__(self, seed, batch, hold):
        self.images, self.batch, self.hold = digits(seed), batch, hold
        self.per_epoch = len(self.images.inputs) // batch

    def sample(self, k):
        epoch, place = divmod(k // self.hold, self.per_epoch)
        rows = self.images._order(epoch)[place * self.batch : (place + 1) * self.batch]
        return Sample(self.images.inputs[rows].flatten(1), self.images.targets[rows], end=False)


def race_layers(width, depth):
    """A deep tanh network on digits, as a list of layers."""
    widths = [64, *[width] * (depth - 1)]
    hidden = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh()) for a, b in pairwise(widths)]
    return [*hidden, torch.nn.Linear(width, 10)]


@register("race-chain", "The chain of the races", downloads=True)
def race(seed, width=640, depth=6, batch=512, hold=1):
    """Six layers that cost milliseconds each."""
    settings = Settings(tau=1.0, eta=0.1, beta=0.06, phi=0.1, eta_z=0.0)
    return Setup(Chain(race_layers(width, depth)), Rows(seed, batch, hold), cross_entropy, settings, order="euler")
