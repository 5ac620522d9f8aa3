"""How well a Hopfield network remembers: stabilities, basins of attraction, the window between two dates."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..law.settings import Settings
from ..learners.learner import Learner
from ..networks.hopfield import Hopfield, energy, fall, hebb
from ..streams.nights import Nights, memories


def pseudo_inverse(patterns: Tensor) -> Tensor:
    """The projector on the memories, without diagonal: where unlearning would lead, were it to stop in time."""
    return (torch.linalg.pinv(patterns) @ patterns).fill_diagonal_(0.0)


def stabilities(J: Tensor, patterns: Tensor) -> Tensor:
    """Δ_i^μ = ξ_i (Jξ)_i / |J_i|, (P, N): a memory rests where all of its row are > 0."""
    return patterns * (patterns @ J) / J.norm(dim=1).clamp_min(1e-300)


def retrieval_map(J: Tensor, patterns: Tensor, overlaps: Sequence[float], seed: int = 0, cues: int = 1) -> Tensor:
    """Mean overlap with its memory at which a cue of overlap m₀ comes to rest, one number for each m₀."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = patterns.repeat(len(overlaps) * cues, 1)
        share = (1 - torch.tensor(overlaps, dtype=start.dtype)) / 2
        wrong = (share * start.shape[1]).round().repeat_interleave(len(patterns) * cues)
        cue = torch.where(torch.rand(start.shape).argsort(1).argsort(1) < wrong[:, None], -start, start)
        rest = fall(J, cue, 60)
    return (rest * start).mean(1).view(len(overlaps), -1).mean(1)


class Life(NamedTuple):
    """`dreams` (n,) had so far; the least stability and the share of stable spins then; J at each; the memories."""

    dreams: Tensor
    least: Tensor
    stable: Tensor
    J: Tensor
    patterns: Tensor

    @property
    def window(self) -> tuple[float, float, float]:
        """D_in, D_top, D_fin: the dreams after which all memories rest, rest best, and rest no more; nan: never."""
        good = (self.least > 0).nonzero().flatten()
        if not len(good):
            return (torch.nan,) * 3
        first, last = int(good[0]), int(good[-1])
        fin = float(self.dreams[last + 1]) if last + 1 < len(self.dreams) else torch.nan
        return float(self.dreams[first]), float(self.dreams[self.least.argmax()]), fin


def dream_life(
    units: int,
    load: float,
    eps: float,
    seed: int = 0,
    batch: int = 10,
    until: float = 1.4,
    sweeps: int = 30,
    s: int = 1,
) -> Life:
    """P = load·N random memories stored by Hebb, then nights alone, until·P/ε dreams, by `hlcore.Learner` in float64.

    s  +1 unlearns, -1 keeps what is dreamt
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        patterns = memories(round(load * units), units, seed).double()
        network = Hopfield(hebb(patterns), sweeps)
        learner = Learner(network, energy, Settings(eta=1.0, beta=2 * eps, s=s), "sequential")
        stream, kept, J = Nights(patterns, days=0, batch=batch), [], network.J.detach()
        steps = round(until * len(patterns) / eps / batch)
        every = max(1, steps // 200)
        for k in range(steps + 1):
            if k % every == 0:
                delta = stabilities(J, patterns)
                kept.append((float(k * batch), float(delta.min()), float((delta > 0).double().mean()), J.clone()))
            learner.step(stream[k])
        dreams, least, stable, Js = zip(*kept, strict=True)
    return Life(torch.tensor(dreams), torch.tensor(least), torch.tensor(stable), torch.stack(Js), patterns)
