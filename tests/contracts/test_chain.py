"""What a Chain accepts, refuses, and leaves alone."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from hlcore import Chain, Diverged, HLError, Learner, Sample, Settings

SETTINGS = Settings(tau=0.5, eta=0.3, beta=0.1, eta_z=0.1)


def small():
    torch.manual_seed(1)
    return [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"groups": "layers"}, "did you mean 'layer'"),
        ({"groups": (2, 2)}, "add up to 3"),
        ({"groups": (3, 0)}, ">= 1"),
        ({"groups": ()}, ">= 1"),
        ({"groups": 3}, "tuple"),
        ({"groups": (True, 2)}, ">= 1"),
        ({"groups": (1.0, 2)}, ">= 1"),
        ({"schedule": "delayfree"}, "did you mean 'delay_free'"),
        ({"schedule": None}, "one of"),
        ({"layers": []}, "at least one"),
        ({"layers": nn.Linear(2, 2)}, "list of modules"),
        ({"layers": 3}, "list of modules"),
        ({"layers": [nn.Linear(2, 2), "tanh"]}, "Chain layer 2"),
        ({"links": {(1, 4): nn.Identity()}}, "3 groups"),
        ({"links": {(0, 0): nn.Identity()}}, "3 groups"),
        ({"links": {3: nn.Identity()}}, "source, target"),
        ({"links": {(1, 3): "identity"}}, "torch.nn.Module"),
    ],
)
def test_bad_construction_is_told(change, word):
    with pytest.raises(HLError, match=word):
        Chain(**({"layers": small()} | change))


def test_sizes_may_be_a_list_and_layers_a_sequential():
    chain = Chain(nn.Sequential(*small()), [1, 2])
    assert chain.groups == (1, 2) and list(chain.initial_state(5)) == ["h1", "h2"]
    assert set(dict(chain.named_parameters())) == {
        "layers.0.weight",
        "layers.0.bias",
        "layers.2.weight",
        "layers.2.bias",
    }


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
def test_a_group_that_does_not_return_one_tensor_is_told(schedule):
    learner = Learner(Chain([nn.LSTM(3, 3), nn.Linear(3, 2)], schedule=schedule), mse_loss)
    with pytest.raises(HLError, match="output of group 1"):
        learner.step(Sample(torch.randn(2, 3)))
    learner = Learner(Chain([nn.Linear(3, 3), nn.Linear(4, 2)], schedule=schedule), mse_loss)
    with pytest.raises(HLError, match="torch says"):
        learner.step(Sample(torch.randn(2, 3)))


class Adder(nn.Module):
    def forward(self, words, numbers):
        return self.embed(words).mean(1) + numbers

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)


def shared():
    layer = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    return [layer, layer, nn.Linear(4, 3)]


def half_frozen():
    layers = [nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)]
    layers[0].weight.requires_grad_(False)
    return layers


MODULES = {
    "tuple and embedding": (
        lambda: [Adder(), nn.Linear(4, 3)],
        lambda: (torch.randint(0, 7, (6, 5)), torch.randn(6, 4)),
    ),
    "tied": (shared, lambda: torch.randn(6, 4)),
    "frozen": (half_frozen, lambda: torch.randn(6, 4)),
    "images": (
        lambda: [nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()), nn.Linear(18, 3)],
        lambda: torch.randn(6, 1, 5, 5),
    ),
    "one number per row": (lambda: [nn.Linear(4, 3), nn.LayerNorm(3)], lambda: torch.randn(6, 4)),
}


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
@pytest.mark.parametrize("name", MODULES)
def test_any_module_is_a_layer_and_held_samples_are_learned(name, schedule):
    torch.manual_seed(2)
    make, draw = MODULES[name]
    chain, u, target = Chain(make(), schedule=schedule), draw(), torch.randint(0, 3, (6,))
    learner = Learner(chain, cross_entropy, Settings(beta=0.03, eta=1.0, eta_z=0.0), "euler")
    losses = [learner.step(Sample(u, target, end=False)).loss for _ in range(400)]
    assert losses[-1] < 0.6 * losses[10]


def noisy():
    torch.manual_seed(1)
    return [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Dropout(0.5), nn.Linear(4, 2)]


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
def test_the_dry_pass_and_a_look_at_the_gradient_leave_no_trace(schedule):
    learner = Learner(Chain(noisy(), schedule=schedule), mse_loss, SETTINGS)
    sample = Sample(torch.randn(6, 3), torch.randn(6, 2), end=False)
    twin, chain = copy.deepcopy(learner), learner.network
    buffers, start = [b.clone() for b in chain.buffers()], torch.get_rng_state()
    chain._zeros_like_outputs(sample.u)
    learner.gradient(sample)
    assert all(torch.equal(a, b) for a, b in zip(chain.buffers(), buffers, strict=True))
    assert torch.equal(torch.get_rng_state(), start)
    for _ in range(7):
        learner.step(sample)
        generator = torch.get_rng_state()
        first, again = learner.gradient(sample), learner.gradient(sample)
        assert all(torch.equal(first[k], again[k]) for k in first), "the same draw"
        assert torch.equal(torch.get_rng_state(), generator)
    torch.set_rng_state(start)
    for _ in range(7):
        twin.step(sample)
    for a, b in zip(learner.network.state_dict().values(), twin.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(next(iter(chain.buffers())), buffers[0]), "but a step does leave one"


@pytest.mark.parametrize("schedule", ["parallel", "delay_free"])
@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_a_resume_goes_on_with_the_same_turn_to_the_bit(schedule, at, tmp_path):
    torch.manual_seed(5)
    stream = [Sample(torch.randn(6, 3), torch.randn(6, 2), end=k == 7) for k in range(14)]
    learner = Learner(Chain(noisy(), schedule=schedule), mse_loss, SETTINGS)
    for sample in stream[:at]:
        learner.step(sample)
    learner.save(tmp_path / "a.hl")
    for sample in stream[at:]:
        learner.step(sample)
    resumed = Learner.load(tmp_path / "a.hl", Chain(noisy(), schedule=schedule), mse_loss)
    for sample in stream[at:]:
        resumed.step(sample)
    for part in ("h", "theta", "z", "omega"):
        a, b = getattr(learner.point, part), getattr(resumed.point, part)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert all(torch.equal(a, b) for a, b in zip(learner.network.buffers(), resumed.network.buffers(), strict=True))


def test_a_refused_step_leaves_the_turn_and_the_statistics():
    layers = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 4), nn.Linear(4, 2)]
    learner = Learner(Chain(layers, schedule="delay_free"), mse_loss, SETTINGS)
    sample = Sample(torch.randn(6, 3), torch.randn(6, 2), end=False)
    for _ in range(3):
        learner.step(sample)
    before = [b.clone() for b in learner.network.buffers()]
    bad = Sample(sample.u + 1, sample.target * 1e200, end=False)
    with pytest.raises(Diverged):
        learner.step(bad)
    assert all(torch.equal(a, b) for a, b in zip(learner.network.buffers(), before, strict=True))
    for _ in range(3):
        learner.step(sample)
    assert any(not torch.equal(a, b) for a, b in zip(learner.network.buffers(), before, strict=True))


def test_a_batch_that_changes_inside_a_sequence_is_told():
    learner = Learner(Chain(small()), mse_loss)
    learner.step(Sample(torch.randn(2, 3), end=False))
    with pytest.raises(HLError, match=r"batch|size"):
        learner.step(Sample(torch.randn(5, 3), end=False))
    learner.clear()
    learner.step(Sample(torch.randn(5, 3), end=False))
