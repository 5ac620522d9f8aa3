"""The step that a CUDA graph captures = Learner.step, to the bit; here on the CPU, uncaptured."""

import pytest
import torch

from hlcore import Learner, experiments
from hlcore.networks.preserved import preserved
from tests import chains
from tests.benchmarks.cuda import Still, captured

STEPS = 20


def pair(name, device, **options):
    """The same learner twice after one step, one of them made still, and the stream."""
    experiment = experiments.get(name, **options)
    learners = []
    for _ in range(2):
        setup = experiment.setup(0)
        network = setup.network.to(device)
        if experiment.order == "sequential":
            learner = Learner.like_sgd(network, experiment.loss, 0.01, 0.1, 0.5)
        else:
            learner = Learner(network, experiment.loss, experiment.settings, experiment.order)
        learner.step(setup.stream[0].to(device))
        learners.append(learner)
    return *learners, setup.stream


def follow(still, run, stream, learner, device):
    for k in range(1, STEPS):
        sample = stream[k].to(device)
        learner.step(sample)
        still.u.copy_(sample.u)
        still.target.copy_(sample.target)
        run()


def bits(learner, still):
    """Whether all four parts of the point agree."""
    point = learner.point
    ours = [*still.h.values(), *still.z.values(), *still.theta, *still.omega]
    theirs = [x for part in (point.h, point.z, point.theta, point.omega) for x in part.values()]
    return len(ours) == len(theirs) and all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


CASES = [
    ("iris-mlp", {}),
    ("mnist-resnet", {}),
    ("digits-chain", {"depth": 4}),
    ("digits-chain", {"eta_z": 0.3, "tau": 0.7}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_still_step_is_the_learners_to_the_bit(name, options):
    learner, other, stream = pair(name, "cpu", **options)
    still = Still(other, stream[1])
    before = [p.detach().clone() for p in still.theta]
    follow(still, still, stream, learner, "cpu")
    assert bits(learner, still)
    assert not all(torch.equal(a, b) for a, b in zip(before, still.theta, strict=True)), "the weights moved"
    still.keep *= 1 + 1e-6
    follow(still, still, stream, learner, "cpu")
    assert not bits(learner, still), "a dissipation a millionth off is seen"


@pytest.mark.skipif("cuda" in chains.ABSENT, reason=chains.ABSENT.get("cuda", ""))
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_cuda_graph_of_it_makes_the_steps_of_the_learner(name, options):
    learner, other, stream = pair(name, "cuda", **options)
    still = Still(other, stream[1].to("cuda"))
    moves = [*still.h.values(), *still.z.values(), *still.theta, *still.omega, *other.network.buffers()]
    kept = [x.detach().clone() for x in moves]
    replay = captured(still)
    with torch.no_grad():  # back to before the warm-up
        for x, before in zip(moves, kept, strict=True):
            x.copy_(before)
    follow(still, replay, stream, learner, "cuda")
    torch.cuda.synchronize()
    assert bits(learner, still)


def test_a_look_gives_back_a_buffer_that_a_forward_has_replaced():
    class Counts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, u):
            self.seen = self.seen + 1
            return u * self.seen

    module = Counts()
    before = module.seen
    with preserved(module):
        module(torch.ones(1))
        assert float(module.seen) == 1
    assert module.seen is before and float(before) == 0
