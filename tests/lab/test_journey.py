"""The journey: what the panel shows is the reversed stream, and its end is truncated BPTT's gradient."""

import asyncio

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from hlcore import HLError, bptt_gradient
from hlcore.lab import Journey
from hlcore.studies.bptt_walk import NETWORKS, TARGETS, truncated, utterance, way


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("window", [1, 4, 18])
def test_the_end_of_the_way_is_truncated_bptt_by_autograd(network, target, window):
    made, tokens = utterance(network, target)
    assert len(tokens) == 18 and all((s.target is None) == (target == TARGETS[0]) for s in tokens[:-1])
    found, truth = way(made, tokens, window), truncated(made, tokens, window)
    assert found.gap <= 1e-10 and len(found.z) == window and len(found.h) == 18
    ours = bptt_gradient(made, tokens, cross_entropy, window)
    assert max(float((ours[k] - truth[k]).abs().max()) for k in truth) <= 1e-10
    other = truncated(made, tokens, window - 1 or 2)
    assert max(float((other[k] - truth[k]).abs().max()) for k in truth) > 1e-8, "another window is told apart"
    if window == 18:
        assert found.cosine[-1] == pytest.approx(1) and found.share[-1] == pytest.approx(1)


def test_z_is_the_derivative_of_the_loss_by_the_state():
    """By autograd, with every state of the sequence as a leaf of its own graph."""
    made, tokens = utterance("tanh RNN")
    states, state = [], {"h": torch.zeros(1, 16, dtype=torch.float64, requires_grad=True)}
    for token in tokens:
        state = {"h": state["h"] + made.velocity(token.u, state, 1.0)["h"]}
        states.append(state["h"])
    truth = torch.autograd.grad(cross_entropy(made.output(None, state), tokens[-1].target), states)
    z = way(made, tokens).z
    for q, g in enumerate(truth):
        assert np.allclose(z[17 - q], g.numpy().ravel(), atol=1e-12)
    weak = way(made, tokens, eta=0.1).z
    assert not np.allclose(weak[5], z[5], rtol=1e-3) and np.allclose(weak[0], z[0])


def test_the_panel_walks_there_and_back():
    journey = Journey()
    assert journey.length == 35 and journey.at == 35
    journey.set(window=5).reset()
    assert journey.length == 22 and "token 1 of 18" in journey._status.value
    journey.step(17)
    assert "18 of 22" in journey._status.value and "z has reached token 18" in journey._status.value
    assert "autograd's" not in journey._status.value
    journey.step(100)
    assert journey.at == 22 and "truncated BPTT(5)" in journey._status.value
    z = np.array(journey.figure.data[1].z, dtype=float)
    assert np.isfinite(z).any(0).tolist() == [False] * 17 + [True] * 5 + [False] * 13
    h = np.array(journey.figure.data[0].z, dtype=float)
    assert np.array_equal(h[:, 18], h[:, 16]) and np.array_equal(h[:, 21], h[:, 13]), "the stored states come back"
    assert repr(journey) == "Journey()"


def test_the_controls_are_heard_and_bad_values_change_nothing():
    journey = Journey()
    journey._controls["window"].set_state({"value": 3})
    assert len(journey.way.z) == 3
    journey._controls["network"].set_state({"index": 1})
    before = journey.way
    for changes, word in (({"window": 0}, "window"), ({"networks": "x"}, "networks"), ({"network": "x"}, "network")):
        with pytest.raises(HLError, match=word):
            journey.set(**changes)
    assert journey.way is before
    journey._loop.post("eta", -1.0)
    assert "eta" in journey._alarm.value and journey.way is before


def test_it_plays_to_the_end_and_rests():
    async def played():
        journey = Journey()
        journey._gate.set_state({"pong": 10**9})
        journey.set(window=2).reset()
        journey.at = 15
        journey.play()
        await asyncio.wait_for(journey._loop.wait(), 20)
        return journey

    journey = asyncio.run(played())
    assert journey.at == journey.length == 19 and journey._play.description == "Play"
