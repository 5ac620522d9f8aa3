"""Crowds of perceptrons that tell two kinds of inputs apart (after Schmid and Murray, NeurIPS 2024)."""

import math

import numpy as np
import torch

from ..errors import bad, number, whole
from ..law.settings import Settings
from ..networks.crowd import Crowd, crowd_loss
from ..streams import Clusters, DigitPairs
from .experiment import Setup
from .registry import register

PRESETS = {
    "good": {},
    "theory leaves": {"beta": 3.0},  # γ = 3: steps as large as the flow itself
    "ball on ice": {"eta": 0.1, "beta": 0.01},  # ε = 1: on HL's flow, off the plain one
}
CODING = np.array([1.0, 1.0]) / math.sqrt(2)


@register("crowd-clusters", "A crowd of learners · two clusters", PRESETS)
def crowd_clusters(
    seed: int, rule: str = "supervised", noise: float = 1.0, stretch: float = 0.0, learners: int = 256,
    decay: float = 0.0, baseline: float | str = 0.0,
) -> Setup:  # fmt: skip
    """256 perceptrons tell two noisy clusters apart; an equation knows beforehand where their mean will go.

    rule  "supervised" or "reinforce"     noise  σ     stretch  ε of Σ = σ² diag(1+ε, 1-ε), the first axis along μ
    """
    if not abs(stretch) < 1:
        raise bad("stretch", stretch, "a number between -1 and 1")
    across = np.array([-CODING[1], CODING[0]])
    shape = (1 + stretch) * np.outer(CODING, CODING) + (1 - stretch) * np.outer(across, across)
    cov = number("noise", noise) ** 2 * shape
    start = torch.as_tensor(-across).to(torch.get_default_dtype()).expand(whole("learners", learners), -1)
    stream = Clusters(CODING, cov, learners, seed)
    return Setup(Crowd(start, decay), stream, crowd_loss(rule, baseline), Settings(eta=1.0, beta=0.05))


@register("crowd-digits", "A crowd of learners · digits", {"good": {}, "theory leaves": {"beta": 1.0}})
def crowd_digits(seed: int, rule: str = "supervised", kinds: str = "01", learners: int = 20) -> Setup:
    """Twenty perceptrons tell real digits apart, 0 from 1 or 3 from 8; the data's covariances foretell their way.

    kinds  "01", "38", …: two classes of MNIST
    """
    if not (isinstance(kinds, (str, int)) and str(kinds).zfill(2).isdecimal() and len(str(kinds)) <= 2):
        raise bad("kinds", repr(kinds), "two digits, as in '38'")
    low, high = map(int, str(kinds).zfill(2))
    stream = DigitPairs((low, high), learners, seed)
    start = torch.zeros(whole("learners", learners), 784)
    return Setup(Crowd(start, 1.0), stream, crowd_loss(rule), Settings(eta=1.0, beta=1e-3))


@register("crowd-tasks", "A crowd of learners · ten tasks", {"good": {}, "no diffusion": {"beta": 2.5e-4}})
def crowd_tasks(seed: int, rule: str = "supervised", noise: float = 0.1, learners: int = 8) -> Setup:
    """Ten random tasks in 500 dimensions, one after the other: what is left of the first?

    The decay λ = 10 shrinks w by a tenth in each step of γ = .01, so the diffusion of the samples rivals w itself.
    """
    tasks = np.random.default_rng(seed).standard_normal((10, 500))
    tasks /= np.linalg.norm(tasks, axis=1, keepdims=True)
    stream = Clusters(tasks, number("noise", noise) ** 2, learners, seed, every=200)
    start = 0.01 * torch.randn(whole("learners", learners), 500) / math.sqrt(500)
    return Setup(Crowd(start, 10.0), stream, crowd_loss(rule), Settings(eta=1.0, beta=0.01))
