"""Any torch module moves under HL as under torch.optim.SGD: drawn architectures, dtypes, batches; buffers too."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from hlcore import Learner, OutputNetwork, Sample, StateNetwork

CLASSES, STEPS = 3, 12


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.attend = nn.Linear(4, 8), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, u):
        x = self.embed(u.unsqueeze(-1).expand(-1, 12, 4))
        return self.attend(x, x, x, need_weights=False)[0].mean(1)


class Tied(nn.Module):
    """One layer is used twice: its weight has two gradients to add."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(12, 8, bias=False), nn.Linear(8, 12)
        self.down.weight = nn.Parameter(self.up.weight.detach().t().clone())
        self.again = self.up

    def forward(self, u):
        return self.again(torch.tanh(self.down(torch.tanh(self.up(u)))))


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.fixed, self.free = nn.Linear(12, 10), nn.Linear(10, 8)
        self.fixed.requires_grad_(False)

    def forward(self, u):
        return self.free(torch.tanh(self.fixed(u)))


class Sometimes(nn.Module):
    """One of two branches per step: the other one's weights have no gradient then."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.never = nn.Linear(12, 8), nn.Linear(12, 8), nn.Linear(2, 2)

    def forward(self, u):
        return (self.one if float(u.detach().sum()) > 0 else self.other)(u)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 8)

    def forward(self, u):
        return self.out(u + self.b(torch.relu(self.a(u))))


BODIES = {
    "mlp": lambda: nn.Sequential(nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 8)),
    "conv": lambda: nn.Sequential(nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 4, 2, padding=1), nn.ReLU(), nn.Flatten(),
                                  nn.Linear(36, 8)),
    "transposed conv": lambda: nn.Sequential(nn.Unflatten(1, (3, 4)), nn.ConvTranspose1d(3, 2, 3), nn.Flatten(),
                                             nn.Linear(12, 8)),
    "batch norm": lambda: nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Tanh()),
    "layer norm": lambda: nn.Sequential(nn.Linear(12, 8), nn.LayerNorm(8), nn.GELU()),
    "dropout": lambda: nn.Sequential(nn.Linear(12, 20), nn.Dropout(0.4), nn.Linear(20, 8)),
    "attention": Attention,
    "tied": Tied,
    "frozen": Frozen,
    "sometimes": Sometimes,
    "residual": Residual,
    "spectral": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(12, 8)),
}  # fmt: skip


class Tokens(nn.Module):
    """An embedding: integer input."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(7, 5), nn.Linear(5, CLASSES)

    def forward(self, u):
        return self.out(self.embed(u).mean(1))


class Pair(nn.Module):
    """Two inputs."""

    def __init__(self):
        super().__init__()
        self.mix, self.out = nn.Bilinear(4, 3, 6), nn.Linear(6, CLASSES)

    def forward(self, a, b):
        return self.out(torch.tanh(self.mix(a, b)))


def samples(kind, batch, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        target = torch.randint(0, CLASSES, (batch,), generator=generator)
        if kind == "tokens":
            u = torch.randint(0, 7, (batch, 4), generator=generator)
        elif kind == "pair":
            u = tuple(torch.randn(batch, n, generator=generator, dtype=dtype) for n in (4, 3))
        else:
            u = torch.randn(batch, 12, generator=generator, dtype=dtype)
        yield Sample(u, target)


def race(module, given_samples, wrap, rate, momentum, dampening, tau):
    """(worst difference of weights and buffers, how far the weights moved, how far the buffers moved)."""
    start, twin = copy.deepcopy(module), copy.deepcopy(module)
    optimiser = torch.optim.SGD([p for p in twin.parameters() if p.requires_grad], rate, momentum, dampening)
    learner = Learner.like_sgd(wrap(module), cross_entropy, rate, momentum, dampening, tau)
    torch.manual_seed(11)
    for sample in given_samples:
        learner.step(sample)
    torch.manual_seed(11)
    for sample in given_samples:
        optimiser.zero_grad()
        u = sample.u if isinstance(sample.u, tuple) else (sample.u,)
        cross_entropy(twin(*u), sample.target).backward()
        optimiser.step()
    for (name, p), q in zip(module.named_parameters(), start.parameters(), strict=True):
        assert p.requires_grad or torch.equal(p, q), f"{name} is frozen"
    pairs = [
        *zip(module.parameters(), twin.parameters(), strict=True),
        *zip(module.buffers(), twin.buffers(), strict=True),
    ]
    moved = [(p, q) for p, q in zip(module.parameters(), start.parameters(), strict=True)]
    return _worst(pairs), _worst(moved), _worst(list(zip(module.buffers(), start.buffers(), strict=True)))


def _worst(pairs):
    return max((float((a.detach().double() - b.detach().double()).abs().max()) for a, b in pairs), default=0.0)


def check(module, given_samples, dtype, wrap, **how):
    torch.set_default_dtype(torch.float64)
    difference, moved, buffers = race(module.to(dtype), given_samples, wrap, **how)
    assert difference <= (1e-12 if dtype == torch.float64 else 2e-5)
    assert moved > 1e-6
    if any(isinstance(m, nn.BatchNorm1d) for m in module.modules()):
        assert buffers > 1e-3


how = st.fixed_dictionaries(
    {"rate": st.floats(1e-3, 0.05), "momentum": st.sampled_from([0.0, 0.3, 0.9]),
     "dampening": st.sampled_from([0.0, 0.5]), "tau": st.sampled_from([1.0, 0.5, 0.3])}
)  # fmt: skip
dtypes = st.sampled_from([torch.float32, torch.float64])
wraps = st.sampled_from([OutputNetwork, StateNetwork])


@given(names=st.lists(st.sampled_from(sorted(BODIES)), min_size=1, max_size=3), batch=st.sampled_from([2, 3, 16, 64]),
       dtype=dtypes, wrap=wraps, how=how, seed=st.integers(0, 999))  # fmt: skip
@settings(max_examples=40, deadline=None, derandomize=True)
def test_drawn_architectures_move_as_under_sgd(names, batch, dtype, wrap, how, seed):
    torch.manual_seed(seed)
    parts = []
    for name in names:
        parts += [BODIES[name](), nn.Linear(8, 12), nn.Tanh()]
    module = nn.Sequential(*parts, nn.Linear(12, CLASSES))
    check(module, list(samples("vector", batch, dtype, seed)), dtype, wrap, **how)


@pytest.mark.parametrize("name", sorted(set(BODIES) - {"batch norm"}))
def test_each_module_with_batch_one(name):
    torch.manual_seed(3)
    module = nn.Sequential(BODIES[name](), nn.Linear(8, CLASSES))
    how = {"rate": 0.02, "momentum": 0.9, "dampening": 0.0, "tau": 0.5}
    check(module, list(samples("vector", 1, torch.float64, 5)), torch.float64, OutputNetwork, **how)


@pytest.mark.parametrize("wrap", [OutputNetwork, StateNetwork])
@pytest.mark.parametrize("kind", ["tokens", "pair"])
@pytest.mark.parametrize("batch", [1, 8])
def test_integer_and_several_inputs(kind, batch, wrap):
    torch.manual_seed(3)
    module = Tokens() if kind == "tokens" else Pair()
    how = {"rate": 0.05, "momentum": 0.9, "dampening": 0.3, "tau": 1.0}
    check(module, list(samples(kind, batch, torch.float64, 5)), torch.float64, wrap, **how)


def test_a_weight_without_gradient_follows_the_law_in_a_plain_learner():
    """E*4 with ∂H'/∂θ = 0: ω decays by (1-τη) and θ moves on; torch's way is to stand still."""
    torch.manual_seed(3)
    module = Sometimes()
    law = Learner(OutputNetwork(module), lambda y, t: y.sum(), Learner.like_sgd(OutputNetwork(copy.deepcopy(module)),
                  lambda y, t: y.sum(), 0.1, 0.5).settings, "sequential")  # fmt: skip
    law.step(Sample(torch.ones(1, 12)  , torch.ones(1, 8)))  # fmt: skip
    before = law.point.clone()
    law.step(Sample(-torch.ones(1, 12), torch.ones(1, 8)))
    name = "module.one.weight"
    assert torch.allclose(law.point.omega[name], 0.5 * before.omega[name], rtol=0, atol=1e-15)
    moved = before.theta[name] - 0.1 * 0.5 * before.omega[name]
    assert torch.allclose(law.point.theta[name], moved, rtol=0, atol=1e-15)
    assert float(before.omega[name].abs().max()) > 0
    assert not law.point.omega["module.never.weight"].any()


def test_the_check_can_fail():
    torch.manual_seed(3)
    module, given_samples = BODIES["mlp"](), list(samples("vector", 4, torch.float64, 5))
    network = nn.Sequential(module, nn.Linear(8, CLASSES))

    class Shifted(OutputNetwork):
        def output(self, u, h):
            return super().output(u, h) * 1.0001

    assert race(network, given_samples, Shifted, 0.05, 0.9, 0.0, 1.0)[0] > 1e-8
