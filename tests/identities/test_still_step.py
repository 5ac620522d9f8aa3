"""A captured step is Learner.step: to the bit with settings in the graph, to rounding with live ones.

Here on the CPU, uncaptured; on a GPU where there is one.
"""

import copy
import math

import pytest
import torch

from hlcore import Diverged, HLError, Learner, OutputNetwork, Sample, Settings, experiments
from hlcore.law.closed_form import Closed
from hlcore.networks import Crowd
from hlcore.networks.preserved import preserved
from tests import chains

STEPS = 20
CASES = [
    ("iris-mlp", {}),
    ("mnist-resnet", {}),
    ("digits-chain", {"depth": 4}),
    ("digits-chain", {"eta_z": 0.3, "tau": 0.7}),
]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif("cuda" in chains.ABSENT, reason="no GPU: NOT tested"))]


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


def worst(one, other):
    """The largest difference of all four parts of two points."""
    a, b = one.point, other.point
    return max(
        float((x - getattr(b, part)[name]).abs().max().to("cpu"))
        for part in ("h", "z", "theta", "omega")
        for name, x in getattr(a, part).items()
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_captured_step_is_the_learners_to_the_bit(name, options, device):
    learner, other, stream = pair(name, device, **options)
    before = copy.deepcopy(other.point)
    graph = other.captured(stream[1].to(device), every=7)
    assert all(torch.equal(p, before.theta[k]) for k, p in other.point.theta.items()), "a capture moves nothing"
    for k in range(1, STEPS):
        learner.step(stream[k].to(device))
        graph.step(stream[k].to(device))
    report = graph.look()
    assert worst(learner, other) == 0 and (other.steps, other.t) == (learner.steps, learner.t) == (STEPS, report.t)
    assert any(not torch.equal(p, before.theta[k]) for k, p in other.point.theta.items()), "the weights moved"
    told = learner.step(stream[STEPS].to(device))
    graph.step(stream[STEPS].to(device))
    report = graph.look()
    assert (told.loss, told.hamiltonian) == (report.loss, report.hamiltonian) and torch.equal(
        told.output, report.output
    )
    learner.step(stream[0].to(device))
    other.step(stream[0].to(device))  # it goes on by itself
    assert worst(learner, other) == 0
    with pytest.raises(HLError, match="moved by itself"):
        graph.step(stream[1].to(device))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[0] != "mnist-resnet"])
def test_live_settings_move_without_a_new_capture(name, options, device, monkeypatch):
    monkeypatch.setattr(
        Closed, "holds", staticmethod(lambda form: False)
    )  # on the CPU a closed form wants plain numbers
    learner, other, stream = pair(name, device, **options)
    graph = other.captured(stream[1].to(device), live=True)
    numbers, changed = graph._c, learner.settings.replace(eta=0.37, beta=0.013, phi=1.7)
    for k in range(1, STEPS):
        if k == 10:
            learner.settings = other.settings = changed
        learner.step(stream[k].to(device))
        graph.step(stream[k].to(device))
    graph.look()
    assert graph._c is numbers
    assert worst(learner, other) <= 2e-5
    still, _, stream = pair(name, device, **options)
    for k in range(1, STEPS):
        still.step(stream[k].to(device))
    assert worst(still, other) > 1e-3, "the change is felt"


@pytest.mark.parametrize("device", DEVICES)
def test_a_sample_that_lies_there_is_stepped_on_without_a_copy(device):
    learner, other, stream = pair("digits-chain", device, depth=4)
    first, second = (Sample(stream[k].u, stream[k].target, end=end).to(device) for k, end in ((1, True), (2, False)))
    graph = other.captured(first)
    for sample in (first, second, second, first, first, second):
        learner.step(sample)
    graph.step()
    graph.step(second)
    graph.step()
    graph.step(first)
    graph.step()
    graph.step(second)
    for x, new in ((graph.sample.u, stream[3].u), (graph.sample.target, stream[3].target)):
        x.copy_(new)
    for _ in range(3):
        graph.step()
        learner.step(Sample(stream[3].u, stream[3].target, end=False).to(device))
    graph.look()
    assert worst(learner, other) == 0 and other.steps == 10
    assert not torch.equal(stream[1].u, stream[3].u), "the control: samples differ, and theirs are not written to"


class Ended(torch.nn.Module):
    """Counts in a new buffer."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, u):
        self.seen = self.seen + 1
        return self.layer(u)


def begun(module=None, settings=None, steps=1, **options):
    learner = Learner(OutputNetwork(module or torch.nn.Linear(4, 3)), torch.nn.functional.mse_loss, settings, **options)
    sample = Sample(torch.ones(2, 4), torch.zeros(2, 3))
    for _ in range(steps):
        learner.step(sample)
    return learner, sample


def test_what_is_not_finite_is_told_at_the_next_look_and_the_point_before_is_kept():
    learner, sample = begun(settings=Settings(beta=0.01, eta=0.5))
    graph = learner.captured(sample, every=5)
    for _ in range(5):
        graph.step(sample)
    kept = copy.deepcopy(learner.point)
    harm = Sample(sample.u * math.inf, sample.target)
    with pytest.raises(
        Diverged,
        match=r"omega.*: got inf or nan in one of the steps 7 to 11.* point at t = 6 was kept: lower tau, beta",
    ):
        for k in range(5):
            graph.step(harm if k == 1 else sample)
    assert learner.steps == 6 and all(torch.equal(p, kept.theta[k]) for k, p in learner.point.theta.items())
    graph.step(sample)
    assert graph.look().t == 7 and not torch.equal(learner.point.theta["module.weight"], kept.theta["module.weight"])


def test_a_loss_that_is_not_finite_and_leaves_no_trace_is_told():
    learner = Learner(OutputNetwork(torch.nn.Linear(4, 3)), lambda y, t: 0 * y.sum() + t.sum(), Settings(beta=0.1))
    sample = Sample(torch.ones(2, 4), torch.zeros(2, 3))
    learner.step(sample)
    graph = learner.captured(sample)
    graph.step(Sample(sample.u, sample.target + math.inf))
    graph.step(sample)
    with pytest.raises(Diverged, match="loss: got inf or nan in one of the steps 2 to 3"):
        graph.look()


def test_what_no_graph_can_hold_is_refused():
    learner, sample = begun()
    graph = learner.captured(sample)
    for text, harm in (
        ("Sample.u: got .*as captured", Sample(torch.ones(3, 4), torch.zeros(3, 3))),
        ("Sample.target: got None", Sample(sample.u)),
        ("Sample.dt: got 0.5", Sample(sample.u, sample.target, dt=0.5)),
    ):
        with pytest.raises(HLError, match=text):
            graph.step(harm)
    graph.step(sample)
    kept, before = copy.deepcopy(learner.network.module.weight), learner.settings
    for harm in (Settings(beta={"module.bias": 0.1}), Settings(metric="rms")):
        learner.settings = harm
        with pytest.raises(HLError, match="β per weight or a metric"):
            graph.step(sample)
    learner.settings = before
    graph.step(sample)
    assert graph.look().t == 3 and not torch.equal(kept, learner.network.module.weight), "and it goes on"
    graph.step(sample)
    learner.network.module.weight = torch.nn.Parameter(torch.ones(3, 4))
    with pytest.raises(HLError, match="replaced by another tensor"):
        graph.look()
    for text, made in (
        ("before its first step", begun(steps=0)),
        ("β per weight", begun(settings=Settings(beta={"module.bias": 0.1}))),
        ("a metric", begun(settings=Settings(metric="rms"))),
        ("puts a new buffer", begun(Ended())),
    ):
        with pytest.raises(HLError, match=text):
            made[0].captured(made[1])
    assert float(begun(Ended())[0].network.module.seen) == 1
    with pytest.raises(HLError, match="does more after a step"):
        crowd, stream = experiments.get("crowd-clusters").learner()
        assert isinstance(crowd.network, Crowd)
        crowd.step(stream[0])
        crowd.captured(stream[1])


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
