"""T7 where a forward moves a buffer that its output depends on: a block that runs again finds the buffers of then."""

import copy

import pytest
import torch
from torch import nn

from hlcore import HLError, Reversible

F64 = torch.float64


class Spectral(nn.Module):
    """A power iteration in every forward."""

    def __init__(self):
        super().__init__()
        self.inner = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6, dtype=F64))

    def forward(self, h):
        return torch.tanh(self.inner(h))


class Mean(nn.Module):
    """Takes a moving mean away, and puts another tensor in the buffer's place."""

    def __init__(self, replace):
        super().__init__()
        self.inner, self.replace = nn.Linear(6, 6, dtype=F64), replace
        self.register_buffer("mean", torch.zeros(6, dtype=F64))

    def forward(self, h):
        after = 0.5 * self.mean + 0.5 * h.detach().mean(0)
        if self.replace:
            self.mean = after
        else:
            self.mean.copy_(after)
        return torch.tanh(self.inner(h - self.mean.clone()))


BLOCKS = {"spectral norm": Spectral, "mean, in place": lambda: Mean(False), "mean, replaced": lambda: Mean(True)}


def gradients(chain, h, how):
    chain.zero_grad()
    ((getattr(chain, how)(h) - 2 * h) ** 2).sum().backward()
    return torch.cat([p.grad.flatten() for p in chain.parameters()]), [b.clone() for b in chain.buffers()]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("keep", [0, 1, 3])
@pytest.mark.parametrize("name", BLOCKS)
def test_T7_the_gradient_is_autograds_and_the_buffers_move_once(name, keep, shared):
    torch.manual_seed(0)
    make = BLOCKS[name]
    chain = Reversible([make()] * 5 if shared else [make() for _ in range(5)], 0.05, keep=keep, tolerance=1e-3)
    h = torch.randn(4, 6, dtype=F64)
    for _ in range(3):  # as training goes: the buffers are on their way
        twin = copy.deepcopy(chain)
        truth, theirs = gradients(twin, h, "stored")
        mine, ours = gradients(chain, h, "forward")
        assert float((mine - truth).abs().max()) <= 1e-9 * float(truth.abs().max())
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
        with torch.no_grad():
            for p in chain.parameters():
                p.add_(0.1 * torch.randn_like(p))


def test_T7_buffers_that_are_not_put_back_are_seen(monkeypatch):
    torch.manual_seed(0)
    chain = Reversible([Mean(False) for _ in range(5)], 0.05, tolerance=1.0)
    h = torch.randn(4, 6, dtype=F64)
    truth, _ = gradients(copy.deepcopy(chain), h, "stored")
    monkeypatch.setattr("hlcore.networks.reversible.coupling.put_back", lambda buffers: None)
    wrong, _ = gradients(chain, h, "forward")
    assert float((wrong - truth).abs().max()) > 1e-3 * float(truth.abs().max())


def test_autocast_is_named():
    chain, h = Reversible([nn.Linear(4, 4)] * 3, 0.1), torch.randn(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(HLError, match="autocast"):
        chain(h)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert chain.stored(h).shape == h.shape
