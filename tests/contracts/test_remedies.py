"""What stopped a step is named: the sample and where in it, the loss, a layer, or the learner's own settings."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torch.nn.utils.rnn import pack_sequence

import hlcore
from hlcore import Diverged, HLError, OutputNetwork, Recurrent, Sample, experiments, learners
from hlcore.runs.run import Run

NAN, INF = float("nan"), float("inf")
NAMES = ["hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl"]  # they take a network without state
SETTINGS = {name for each in learners.names() for name in learners.get(each).settings_type.about() if len(name) > 1}


class Keeps(nn.Module):
    """A layer that remembers by an attribute, with its graph."""

    def __init__(self):
        super().__init__()
        self.l, self.h = nn.Linear(4, 3), 0

    def forward(self, x):
        self.h = torch.tanh(self.l(x) + self.h * self.l.bias)
        return self.h


def linear(*before):
    return OutputNetwork(nn.Sequential(*before, nn.Linear(4, 3)))


def recurrent():
    return Recurrent(nn.RNNCell(4, 5), nn.Linear(5, 3))


def spoilt(x, value):
    x = x.clone()
    x[1, 2] = value
    return x


def image():
    return OutputNetwork(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)))


U, Y = torch.randn(2, 4, dtype=torch.float64), torch.rand(2, 3, dtype=torch.float64)
CASES = {  # network, loss, sample, words of the message
    "nan in u": (linear, mse_loss, Sample(spoilt(U, NAN), Y), ["u of the sample", "nan at [1, 2]", "1 of 8"]),
    "nan in u, a state": (recurrent, mse_loss, Sample(spoilt(U, NAN), Y), ["u of the sample", "nan at [1, 2]"]),
    "inf in u": (linear, mse_loss, Sample(spoilt(U, INF), Y), ["u of the sample", "inf at [1, 2]"]),
    "one of two inputs": (
        lambda: OutputNetwork(nn.Bilinear(4, 4, 3)), mse_loss, Sample((U, spoilt(U, NAN)), Y), ["u of the sample"]),
    "nan in u, a loss that is picky": (
        linear, binary_cross_entropy_with_logits, Sample(spoilt(U, NAN), Y), ["u of the sample", "nan at [1, 2]"]),
    "nan in the target": (linear, mse_loss, Sample(U, spoilt(Y, NAN)), ["target of the sample", "nan at [1, 2]"]),
    "all ignored": (linear, cross_entropy, Sample(U, torch.tensor([-100, -100])), ["ignore_index = -100"]),
    "all ignored, by a number of one's own": (
        linear, nn.CrossEntropyLoss(ignore_index=7), Sample(U, torch.tensor([7, 7])), ["ignore_index = 7"]),
    "an empty batch": (linear, mse_loss, Sample(U[:0], Y[:0]), ["u of the sample", "empty", "(0, 4)"]),
    "an empty batch of classes": (linear, cross_entropy, Sample(U[:0], Y[:0, 0].long()), ["u of the sample", "empty"]),
    "an LSTM": (lambda: OutputNetwork(nn.LSTM(4, 3)), mse_loss, Sample(U, Y), ["module (LSTM)", "LSTMCell"]),
    "an RNN inside": (
        lambda: linear(nn.Identity(), nn.RNN(4, 4)), mse_loss, Sample(U, Y), ["tuple"]),
    "no batch axis": (recurrent, mse_loss, Sample(U[0], Y[0]), ["u of the sample", "(4,)", "unsqueeze(0)"]),
    "no batch axis, BatchNorm": (
        lambda: linear(nn.BatchNorm1d(4)), mse_loss, Sample(U[0], Y[0]), ["u of the sample", "unsqueeze(0)"]),
    "no batch axis, an image": (
        image, mse_loss, Sample(torch.ones(1, 8, 8, dtype=U.dtype), Y[0]), ["(1, 8, 8)", "unsqueeze(0)"]),
    "a loss that is nan by itself": (
        linear, lambda y, t: (0 * y.sum() - 1).sqrt(), Sample(U, Y), ["loss: got nan for a finite output"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES)
def test_the_cause_is_named_and_nothing_is_learned(case, name):
    make, loss, sample, words = CASES[case]
    learner = learners.get(name)(make(), loss)
    before = copy.deepcopy(learner.network.state_dict())
    with pytest.raises(HLError) as caught:
        learner.step(sample)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert not any(f"lower {setting}" in text or f"raise {setting}" in text for setting in SETTINGS), text
    assert learner.steps == 0 and learner.t == 0
    assert all(torch.equal(x, before[k]) for k, x in learner.network.state_dict().items())


@pytest.mark.parametrize("name", [*NAMES, "river"])
def test_a_real_divergence_is_cured_by_a_setting_that_the_learner_has(name):
    learner = learners.get(name)(OutputNetwork(nn.Linear(4, 1)), lambda y, t: (1e200 * (y - t)).square().sum())
    with pytest.raises(Diverged) as caught:
        for _ in range(5):
            learner.step(Sample(1e200 * U[:1], Y[:1, :1]))
    assert caught.value.cause == ""
    cure = str(caught.value).partition("was kept: ")[2]
    own = learner.settings_type.about()
    assert any(setting in cure for setting in own)
    assert not any(setting in cure for setting in SETTINGS - own.keys() if len(setting) > 2)


def test_a_layer_that_keeps_its_past_is_told_so():
    learner = learners.get("hamiltonian")(OutputNetwork(Keeps()), mse_loss)
    with pytest.raises(HLError, match="keeps a tensor of the step before"):
        for _ in range(3):
            learner.step(Sample(U, Y))
    assert learner.steps >= 1


def test_a_packed_sequence_is_told_at_construction():
    for given in ((pack_sequence([U, U[:1]]),), (U, pack_sequence([U]))):
        with pytest.raises(HLError, match="a PackedSequence"):
            Sample(*given)


def test_a_good_sample_after_a_bad_one_and_a_masked_target_are_learned_from():
    """The controls: what is not refused is not looked at."""
    learner = learners.get("hamiltonian")(linear(), lambda y, t: (y - t)[t.isfinite()].square().mean())
    with pytest.raises(HLError):
        learner.step(Sample(spoilt(U, NAN), Y))
    before = learner.point.clone()
    for _ in range(2):
        learner.step(Sample(U, spoilt(Y, NAN)))
    assert any(not torch.equal(x, before.theta[k]) for k, x in learner.point.theta.items())


def test_the_error_travels_between_processes_and_the_lab_names_the_sample():
    run = Run(experiments.get("tracker-water-flow"))
    learner, stream = run.learner, run.stream
    bad = Sample(stream[0].u * NAN, stream[0].target, end=False)
    with pytest.raises(Diverged) as caught:
        learner.step(bad)
    sent = pickle.loads(pickle.dumps(caught.value))  # as a pool of workers does
    assert type(sent) is Diverged and str(sent) == str(caught.value) and sent.quantity == caught.value.quantity
    from hlcore.lab.equations import stopped

    assert "u of the sample: got nan" in stopped(sent, run)
    real = Diverged("omega", "w", 1.0, 3)
    assert "lower τ, β or φ, or raise η" in stopped(real, run) and "{" not in stopped(real, run)


class Normed(hlcore.Network):
    """A network that counts and draws."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.out = nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3)

    def output(self, u, h):
        return self.out(self.drop(self.norm(u)))


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_step_and_a_look_leave_buffers_and_draws(name):
    learner = learners.get(name)(Normed(), mse_loss)
    learner.step(Sample(U, Y))
    before, draws = copy.deepcopy(learner.network.state_dict()), torch.get_rng_state()
    with pytest.raises(HLError):
        learner.step(Sample(spoilt(U, NAN), Y))
    learner.gradient(Sample(U, Y))
    assert all(torch.equal(x, before[k]) for k, x in learner.network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), draws)
    learner.step(Sample(U, Y))
    assert not torch.equal(learner.network.norm.running_mean, before["norm.running_mean"])
    assert not torch.equal(torch.get_rng_state(), draws)
