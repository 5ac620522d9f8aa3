"""T5 on a stream that does not wait: with stashed activations every gradient is backprop's, of an earlier sample."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import mse_loss

from hlcore import Chain, HLError, Learner, Sample, Settings, Stashed
from hlcore.streams import Late, Stream

from .test_T5_locality import BATCH, BOUND, INPUTS, OUTPUTS, SEEN, cuts, expected, per_group, phis, problem, taus

few = settings(max_examples=10, deadline=None, derandomize=True)


class Rush(Stream):
    """Another sample at every step."""

    def sample(self, k):
        generator = torch.Generator().manual_seed(k)
        u, y = (torch.randn(BATCH, n, generator=generator, dtype=torch.float64) for n in (INPUTS, OUTPUTS))
        return Sample(u, y, end=False)


def worst(chain, tau, phi, targets_late, k=None):
    """Largest error of ∂H'/∂θ at step k against φ backprop for the sample that each group's costate tells of."""
    G = len(chain.groups)
    stream, k = Late(Rush(), targets_late), 3 * G + 2 if k is None else k
    learner = Learner(chain, mse_loss, Settings(tau=tau, phi=phi, beta=0.0, eta_z=0.0))
    for j in range(k):
        learner.step(stream[j])
    found, errors = per_group(chain, learner.gradient(stream[k])), []
    for i in range(1, G + 1):
        sample = Rush()[k - 2 * G + i - 1]
        truth = expected(chain, sample.u, sample.target)[i - 1]
        assert float(truth.abs().max()) > SEEN
        errors.append(float((found[i - 1] - phi * truth).abs().max()))
    return max(errors)


@given(sizes=cuts, tau=taus, phi=phis)
@few
def test_T5_stashed_groups_have_backprops_gradient_of_an_earlier_sample(sizes, tau, phi):
    layers, *_ = problem(sum(sizes))
    G = len(sizes)
    assert worst(Stashed(layers, sizes), tau, phi, G) <= BOUND
    assert worst(Stashed(layers, sizes), tau, phi, G, k=2 * G) <= BOUND, "from step 2G on"
    assert worst(Chain(layers, sizes), tau, phi, G) > SEEN, "without the queue it is of no sample"
    assert worst(Stashed(layers, sizes), tau, phi, G - 1) > SEEN, "with the targets of other samples it is not"


@pytest.mark.parametrize("change", [-1, 1])
def test_T5_a_queue_of_another_length_is_wrong(change):
    class Other(Stashed):
        def lag(self, i):
            return super().lag(i) + change

    layers, *_ = problem(3)
    assert worst(Other(layers), 1.0, 1.0, 3) > SEEN


@given(sizes=cuts, tau=taus, early=st.sampled_from([0, 1]))
@few
def test_T5_held_2G_plus_1_steps_and_supervised_once_each_group_has_one_gradient_backprops(sizes, tau, early):
    """The sample stays 2G+1 steps, its target is shown G steps after its coming: one exact gradient, and no other."""
    layers, *_ = problem(sum(sizes))
    chain, G = Chain(layers, sizes), len(sizes)
    hold = 2 * G + 1 - early
    learner = Learner(chain, mse_loss, Settings(tau=tau, phi=0.7, beta=0.0, eta_z=0.0))
    found = {i: [] for i in range(G)}
    for k in range(4 * hold):
        sample = Rush()[k // hold]
        shown = Sample(sample.u, sample.target if k % hold == G else None, end=False)
        for i, g in enumerate(per_group(chain, learner.gradient(shown))):
            if float(g.abs().max()) > BOUND:  # τ z/τ leaves round-off behind
                found[i].append(g)
        learner.step(shown)
    errors = []
    for i, gradients in found.items():
        assert len(gradients) >= 3
        for s, g in enumerate(gradients):
            errors.append(float((g - 0.7 * expected(chain, Rush()[s].u, Rush()[s].target)[i]).abs().max()))
    assert max(errors) > SEEN if early else max(errors) <= BOUND


def test_stashed_outputs_are_those_of_the_chain_and_the_queues_are_not_learned_through():
    layers, *_ = problem(3)
    settings = Settings(tau=0.5, beta=0.0)
    pair = [Learner(network, mse_loss, settings) for network in (Chain(layers), Stashed(layers))]
    for k in range(12):
        for learner in pair:
            learner.step(Rush()[k])
    plain, stashed = (learner.point for learner in pair)
    for name, x in plain.h.items():
        assert float((stashed.h[name] - x).abs().max()) <= BOUND
    for i in (1, 2, 3):
        assert stashed.h[f"past{i}"].shape[1] == 2 * (3 - i) + 2
        assert not stashed.z[f"past{i}"].any()
    queue = stashed.h["past1"]
    assert torch.allclose(queue[:, -1], Rush()[11].u) and torch.allclose(queue[:, 0], Rush()[6].u)


class Teacher(Rush):
    """Inputs at random, targets of a fixed linear map."""

    def sample(self, k):
        sample = super().sample(k)
        return Sample(sample.u, torch.tanh(sample.u[:, :OUTPUTS]), end=False)


def final_loss(chain, steps=1500):
    learner = Learner(chain, mse_loss, Settings(eta=1.0, beta=0.2, eta_z=0.0))
    learner.run(Late(Teacher(), len(chain.groups)), steps)
    samples = [Teacher()[10_000 + k] for k in range(50)]
    return sum(float(mse_loss(chain(s.u), s.target).detach()) for s in samples) / 50


def test_T5_on_a_stream_that_does_not_wait_stashed_learns_and_the_chain_does_not():
    stashed, plain = final_loss(Stashed(problem(3)[0])), final_loss(Chain(problem(3)[0]))
    assert stashed < 0.1 * plain


def test_a_resume_goes_on_with_the_queues_to_the_bit(tmp_path):
    stream = Late(Rush(), 3)
    learner = Learner(Stashed(problem(3)[0]), mse_loss, Settings(beta=0.1, eta=0.5, eta_z=0.1))
    learner.run(stream, 9)
    learner.save(tmp_path / "a.hl")
    resumed = Learner.load(tmp_path / "a.hl", Stashed(problem(3, seed=5)[0]), mse_loss)
    for k in range(9, 25):
        learner.step(stream[k])
        resumed.step(stream[k])
    for part in ("h", "theta", "z", "omega"):
        a, b = getattr(learner.point, part), getattr(resumed.point, part)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_stashed_and_late_tell_bad_input():
    learner = Learner(Stashed([torch.nn.Embedding(3, 2), torch.nn.Linear(2, 2)]), mse_loss)
    for u in (torch.tensor([1, 2]), (torch.zeros(1, 2), torch.zeros(1, 2))):
        with pytest.raises(HLError, match="one tensor of floats"):
            learner.step(Sample(u, end=False))
    with pytest.raises(HLError, match="add up"):
        Stashed(problem(3)[0], (1, 1))
    for arguments in (([], 1), (Rush(), -1), (Rush(), 1.0)):
        with pytest.raises(HLError):
            Late(*arguments)


def test_late_targets():
    late = Late(Rush(), 2)
    assert late[0].target is None and late[1].target is None
    assert torch.equal(late[5].target, Rush()[3].target) and torch.equal(late[5].u, Rush()[5].u)
