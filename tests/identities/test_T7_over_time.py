"""T7 over time: a network with an exact inverse is learned through time without stored states."""

import gc

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from hlcore import Antisymmetric, HLError, KeyedReadout, Recurrent, Rotations, Sample, bptt_gradient


@pytest.mark.parametrize("start", ["rest", "free", "clock"])
@pytest.mark.parametrize("kind", [Rotations, Antisymmetric])
def test_T7_over_time_an_exact_inverse_needs_no_stored_states(kind, start):
    """BPTT over 600 tokens with two states kept: the gradient of the stored way, and no memory that grows."""
    torch.manual_seed(0)
    network = kind(6, 3, 2, start=start).double()

    def tokens(n):
        torch.manual_seed(1)
        return [Sample(torch.rand(1, 3).double(), torch.randn(1, 2).double(), end=k == n - 1) for k in range(n)]

    kept = {}

    def counted(y, target):
        shape = (1, network.width)
        kept[now] = max(kept.get(now, 0), sum(type(x) is torch.Tensor and x.shape == shape for x in gc.get_objects()))
        return mse_loss(y, target)

    found = {}
    gc.freeze()  # what is there now is not looked at again
    try:
        for stored in (True, False):
            for n in (20, 60):
                now = stored, n
                found[now] = bptt_gradient(network, tokens(n), counted, tau=0.3, stored=stored)
    finally:
        gc.unfreeze()
    assert kept[False, 60] == kept[False, 20] and kept[True, 60] >= kept[True, 20] + 40
    for window in (None, 25):
        truth, mine = (bptt_gradient(network, tokens(600), mse_loss, window, tau=0.3, stored=s) for s in (True, False))
        assert max(float((mine[k] - truth[k]).abs().max() / (1 + truth[k].abs().max())) for k in truth) <= 1e-10
    shifted = network.undo
    network.undo = lambda u, h, tau: shifted(u, h, 1.01 * tau)
    wrong = bptt_gradient(network, tokens(60), mse_loss, tau=0.3, stored=False)
    assert max(float((wrong[k] - found[True, 60][k]).abs().max()) for k in wrong) > 1e-4, (
        "another inverse is told apart"
    )


def test_T7_over_time_what_cannot_be_undone_is_refused_with_a_reason():
    samples = [Sample(torch.rand(1, 3), torch.randn(1, 2), end=k == 3) for k in range(4)]
    keyed = Rotations(4, 3, 2, start="clock", readout=KeyedReadout(3, 8, 2))
    for network, word in ((Recurrent(nn.RNNCell(3, 4), nn.Linear(4, 2)), "undo"), (keyed, "buffers")):
        with pytest.raises(HLError, match=word):
            bptt_gradient(network, samples, mse_loss, stored=False)
