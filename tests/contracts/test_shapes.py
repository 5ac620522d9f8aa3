"""A target is never broadcast: shapes are compared, not counts, for every loss not known to want otherwise."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hlcore import HLError, Learner, OutputNetwork, Recurrent, Sample, Settings, StateNetwork


def own(y, target):
    return ((y - target) ** 2).mean()


def network(kind, outputs):
    torch.manual_seed(0)
    if kind == "output":
        return OutputNetwork(nn.Linear(3, outputs))
    return (
        StateNetwork(nn.Linear(3, outputs)) if kind == "state" else Recurrent(nn.RNNCell(3, 5), nn.Linear(5, outputs))
    )


REGRESSIONS = [F.mse_loss, F.l1_loss, F.huber_loss, nn.MSELoss(), nn.SmoothL1Loss(), own, lambda y, t: F.mse_loss(y, t)]


@pytest.mark.parametrize("kind", ["output", "state", "recurrent"])
@pytest.mark.parametrize("loss", REGRESSIONS)
@pytest.mark.parametrize("shape", [(8,), (1, 8), (1,), (), (8, 1, 1), (1, 1)])
def test_another_shape_is_told_before_anything_is_learned(kind, loss, shape):
    net = network(kind, 1)
    learner, before = Learner(net, loss, Settings(beta=0.1), "sequential"), [p.clone() for p in net.parameters()]
    with pytest.raises(HLError, match="target: got shape"):
        learner.step(Sample(torch.randn(8, 3), torch.randn(shape)))
    assert learner.steps == 0
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    for _ in range(3):  # it goes on, with the right shape, and learns
        learner.step(Sample(torch.randn(8, 3), torch.randn(8, 1)))
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize(
    "loss", [F.cross_entropy, nn.CrossEntropyLoss(), F.nll_loss, lambda y, t: F.cross_entropy(y, t)]
)
def test_classes_are_taken(loss):
    learner = Learner(network("output", 4), loss)
    target = torch.tensor([0, 3, 1, 2, 2])
    report = learner.step(Sample(torch.randn(5, 3), target))
    assert report.loss == float(loss(report.output, target))


@pytest.mark.parametrize(("shape", "outputs"), [((4, 1), 2), ((4,), 1), ((1,), 2), ((2,), 2)])
def test_whole_numbers_beside_a_regression_are_told(shape, outputs):
    learner = Learner(network("output", outputs), F.mse_loss)
    if (4, outputs) != shape:
        with pytest.raises(HLError, match="target: got shape"):
            learner.step(Sample(torch.randn(4, 3), torch.ones(shape, dtype=torch.long)))


def test_a_loss_may_want_it_so():
    def rows(y, target):
        return (y - target[None]).square().mean()

    rows.own_shapes = True
    report = Learner(network("output", 2), rows).step(Sample(torch.randn(4, 3), torch.ones(2)))
    assert report.loss == float(rows(report.output, torch.ones(2)))
