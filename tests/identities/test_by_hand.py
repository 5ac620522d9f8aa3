"""A derivative worked out by hand is autograd's and that of finite differences, in numpy and in torch alike."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, Network, Sample, Settings, experiments
from hlcore.law import arrays as light
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.law.hand import squares
from hlcore.law.orders import _by_autograd
from hlcore.networks import FactoredReadout, KeyedReadout, Recurrent, Rotations, choir

BOUNDS = {torch.float64: 1e-14, torch.float32: 5e-6}  # of the largest entry: some tens of roundings
TAU, PHI = 0.3, 0.7


def keyed(batch):
    readout = KeyedReadout(4, 10, 2, memories=5)
    u = torch.randn(batch, 4)
    if batch > 2:
        u[1] = u[0]  # two samples that choose the same memory
    return Rotations(5, 4, 2, start="clock", readout=readout), mse_loss, Sample(u, torch.randn(batch, 2), end=False)


def factored(batch):
    readout = FactoredReadout(5, 10, active=3)
    with torch.no_grad():
        for p in readout.parameters():
            p.normal_()
    u = torch.zeros(batch, 5).scatter_(1, torch.rand(batch, 5).argsort(1)[:, :3], 1.0)
    return Rotations(5, 5, 1, start="clock", readout=readout), choir, Sample(u, torch.randn(batch, 1), end=False)


def recurrent(batch, speed=None):
    network = Recurrent(torch.nn.RNNCell(3, 10), torch.nn.Linear(10, 2), speed=speed)
    return network, mse_loss, Sample(torch.randn(batch, 3), torch.randn(batch, 2), end=False)


CASES = {
    "keyed": keyed,
    "factored": factored,
    "recurrent": recurrent,
    "leaky": lambda batch: recurrent(batch, speed=1.7),
}


def case(name, batch=2, dtype=torch.float64, seed=0):
    torch.set_default_dtype(dtype)
    torch.manual_seed(seed)
    network, loss, sample = CASES[name](batch)
    h, z = ({"h": torch.randn(batch, 10)} for _ in range(2))
    return network, loss, sample, h, z


def slopes(network, loss, sample, h, z, phi=PHI, hand=True):
    """(v, y, L, ∂H'/∂h, ∂H'/∂θ …) as tensors."""
    network = copy.deepcopy(network)
    theta = dict(network.named_parameters())
    law = Hamiltonian(network, loss)
    if hand:
        taken = law.by_hand(sample, h, z, TAU, theta)
        assert taken is not None, "it is done by hand"
        found = taken.slopes(phi)
    else:
        found = _by_autograd(law, TAU, phi, sample, h, z, theta)
    tensors = [light.tensor(found.v["h"]), found.output.detach(), torch.tensor(found.loss)]
    dtheta = [torch.zeros_like(p) if d is None else d for p, d in zip(theta.values(), found.dtheta, strict=True)]
    return [*tensors, light.tensor(found.dh["h"]), *dtheta], dict(network.named_buffers())


def apart(a, b):
    return max((float((x - y).abs().max()) for x, y in zip(a, b, strict=True)), default=0.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("arrays", ["numpy", "torch"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_derivative_by_hand_is_autograds(name, batch, arrays, dtype, monkeypatch):
    if arrays == "torch":
        monkeypatch.setattr(light, "SMALL", 0)
    given = case(name, batch, dtype)
    (mine, keys), (truth, theirs) = slopes(*given), slopes(*given, hand=False)
    assert all(x.dtype == y.dtype and x.shape == y.shape for x, y in zip(mine[3:], truth[3:], strict=True))
    bound = BOUNDS[dtype] * max(float(x.abs().max()) for x in truth)
    assert apart(mine, truth) <= bound
    assert apart(keys.values(), theirs.values()) <= BOUNDS[dtype], "keys move alike"
    network, loss, sample, h, z = given
    assert apart(mine, slopes(network, loss, sample, h, {"h": -z["h"]}, hand=False)[0]) > 1e-2
    assert apart(mine, slopes(network, loss, sample, h, z, 1.0, hand=False)[0]) > 1e-2
    without = network, loss, Sample(sample.u, end=False), h, z
    assert apart(slopes(*without)[0], slopes(*without, hand=False)[0]) <= bound
    assert apart(slopes(*without)[0], mine) > 1e-2


@pytest.mark.parametrize("name", CASES)
def test_the_derivative_by_hand_is_that_of_finite_differences(name):
    """Along random directions of h and of every weight, central differences of H' = φL + z·f^h."""
    network, loss, sample, h, z = case(name)
    network.eval()  # a key that moves is no function of the weights
    found = slopes(network, loss, sample, h, z)[0][3:]
    points = [h["h"], *network.parameters()]

    @torch.no_grad()
    def value():
        v, y = network.velocity(sample.u, h, TAU)["h"], network.output(sample.u, h)
        return float(PHI * loss(y, sample.target) + (z["h"] * v).sum())

    for x, d in zip(points, found, strict=True):
        if d.any():
            tiny, way = 1e-6, torch.randn_like(x)
            values = []
            for sign in (tiny, -2 * tiny):
                x.data.add_(way, alpha=sign)
                values.append(value())
            x.data.add_(way, alpha=tiny)
            assert (values[0] - values[1]) / (2 * tiny) == pytest.approx(float((d * way).sum()), rel=1e-6, abs=1e-8)
    assert sum(bool(d.any()) for d in found) >= len(found) - (name == "keyed"), "B alone has no part"


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("speed", [None, 3.0])
def test_a_recurrent_learner_by_hand_is_one_by_autograd(order, speed, monkeypatch):
    """100 steps, sequences that end, uneven dt, a target missing now and then."""
    walk = []
    for k in range(100):
        u, y = torch.randn(2, 3), torch.randn(2, 2)
        walk.append(Sample(u, None if k % 7 == 3 else y, end=k % 11 == 10, dt=(None, 0.05)[k % 2]))
    network = recurrent(2, speed)[0]
    hand, auto = (
        Learner(copy.deepcopy(network), mse_loss, Settings(tau=0.1, eta=1.0, beta=0.3, eta_z=2.0, phi=1.5), order)
        for _ in range(2)
    )
    start, calls, wholly = hand.point.clone(), [], Recurrent.pullback
    monkeypatch.setattr(Recurrent, "pullback", lambda *given: calls.append(1) or wholly(*given))
    told = hand.run(walk)
    assert len(calls) == 100, "every step was taken by hand"
    monkeypatch.setattr(Hamiltonian, "by_hand", lambda *given: None)
    truth = auto.run(walk)
    for part in ("h", "z", "theta", "omega"):
        assert apart(getattr(hand.point, part).values(), getattr(auto.point, part).values()) <= 1e-12
    assert told.hamiltonian == pytest.approx(truth.hamiltonian, abs=1e-12)
    assert apart(hand.point.theta.values(), start.theta.values()) > 1e-2
    other = Learner(copy.deepcopy(network), mse_loss, auto.settings, {"euler": "sequential"}.get(order, "euler"))
    other.run(walk)
    assert apart(other.point.theta.values(), auto.point.theta.values()) > 1e-4, "the orders are told apart"


def test_a_recurrent_network_of_another_kind_is_left_to_autograd():
    _, _, sample, h, z = case("recurrent")

    def told(network, sample=sample):
        theta = {name: p for name, p in network.named_parameters() if p.requires_grad}
        return Hamiltonian(network, mse_loss).by_hand(sample, h, z, TAU, theta)

    cell, head = torch.nn.RNNCell(3, 10), torch.nn.Linear(10, 2)
    assert told(Recurrent(cell, head)) is not None
    hooked = torch.nn.RNNCell(3, 10)
    hooked.register_forward_hook(lambda module, given, y: 2 * y)
    tied = torch.nn.RNNCell(3, 10)
    tied.bias_hh = tied.bias_ih
    frozen = torch.nn.Linear(10, 2)
    frozen.bias.requires_grad_(False)
    for other in (
        Recurrent(torch.nn.RNNCell(3, 10, nonlinearity="relu"), head),
        Recurrent(torch.nn.RNNCell(3, 10, bias=False), head),
        Recurrent(torch.nn.GRUCell(3, 10), head),
        Recurrent(hooked, head),
        Recurrent(tied, head),
        Recurrent(cell, frozen),
        Recurrent(cell, torch.nn.Sequential(head)),
    ):
        assert told(other) is None
    assert told(Recurrent(cell, head), Sample(torch.randn(2, 4), None)) is None, "autograd says what does not fit"
    assert told(Recurrent(cell, head), Sample(torch.zeros(2, 3, dtype=torch.int64), None)) is None


@pytest.mark.parametrize("batch", [1, 4])
def test_the_slope_of_a_loss_is_autograds(batch):
    for loss, own, y, target in (
        (mse_loss, squares, torch.randn(batch, 3), torch.randn(batch, 3)),
        (choir, choir.slope, torch.randn(batch, 7), torch.randn(batch, 1)),
    ):
        leaf = y.clone().requires_grad_()
        L = loss(leaf, target)
        truth = torch.autograd.grad(L, leaf)[0]
        for arrays in (light.light(y, target), (torch, y, target)):
            value, slope = own(*arrays)
            assert value == pytest.approx(L.item(), rel=1e-13)
            assert apart([light.tensor(slope)], [truth]) <= 1e-14 < apart([truth], [2 * truth])


def test_any_loss_will_do():
    network, _, sample, h, z = case("keyed")
    bent = lambda y, target: (y - target).abs().pow(3).mean()  # noqa: E731
    assert apart(slopes(network, bent, sample, h, z)[0], slopes(network, bent, sample, h, z, hand=False)[0]) <= 1e-12
    with pytest.raises(HLError, match="target"):
        slopes(network, mse_loss, Sample(sample.u, torch.randn(7)), h, z)


@pytest.mark.parametrize("name", ["signal-school", "signal-school-baseline"])
def test_a_learner_by_hand_is_one_by_autograd_and_resumes_to_the_bit(name, tmp_path, monkeypatch):
    experiment = experiments.get(name, units=20, steps=30)
    (hand, stream), (auto, _) = experiment.learner(0), experiment.learner(0)
    hand.network.double(), auto.network.double()
    hand, auto = (Learner(x.network, x.loss, x.settings, x.order) for x in (hand, auto))
    start = hand.point.clone()
    calls = []
    wholly = Rotations.pullback
    monkeypatch.setattr(Rotations, "pullback", lambda *given: calls.append(1) or wholly(*given))
    walk = [
        Sample(s.u.double(), None if s.target is None else s.target.double(), s.end)
        for s in map(stream.sample, range(99))
    ]
    hand.run(walk)
    assert len(calls) > 90, "the steps were taken by hand"
    monkeypatch.setattr(Hamiltonian, "by_hand", lambda *given: None)
    auto.run(walk)
    theta = [list(x.point.theta.values()) for x in (hand, auto)]
    assert apart(*theta) <= 1e-10 and apart(theta[0], start.theta.values()) > 1e-4
    monkeypatch.undo()
    hand.save(tmp_path / "a.hl")
    resumed = Learner.load(tmp_path / "a.hl", copy.deepcopy(hand.network), hand.loss)
    forked = copy.deepcopy(hand)
    for each in (hand, resumed, forked):
        each.run(walk[40:90])
    for other in (resumed, forked):
        for part in ("h", "z", "theta", "omega"):
            assert all(torch.equal(x, getattr(other.point, part)[k]) for k, x in getattr(hand.point, part).items())


def test_a_derivative_is_not_inherited_and_gives_way_where_it_does_not_hold():
    class Louder(Rotations):
        def output(self, u, h):
            return 3 * super().output(u, h)

    network, loss, sample, h, z = case("keyed")

    def told(network):
        theta = {name: p for name, p in network.named_parameters() if p.requires_grad}
        return Hamiltonian(network, loss).by_hand(sample, h, z, TAU, theta)

    assert told(network) is not None
    louder = Louder(5, 4, 2, start="clock", readout=copy.deepcopy(network.readout))
    frozen, hooked = copy.deepcopy(network), copy.deepcopy(network)
    frozen.B = torch.nn.Linear(4, 10)
    frozen.readout.M.requires_grad_(False)
    hooked.readout.register_forward_hook(lambda module, given, y: 3 * y)
    bent = Rotations(5, 4, 2, start="clock", readout=network.readout, sigma=torch.tanh)
    driven = Rotations(5, 4, 2, readout=network.readout)
    for other in (louder, frozen, hooked, bent, driven, Rotations(5, 4, 2, start="clock")):
        assert told(other) is None
    changed = Learner(louder, loss, Settings(tau=0.1), "euler").step(sample)
    assert torch.allclose(changed.output, 3 * network.output(sample.u, {"h": louder.h0.expand(2, -1)}), atol=1e-2)


class Spring(Network):
    """A user's own: q' = p, p' = -k q, y = q, with its derivative by hand."""

    def __init__(self, back=None):
        super().__init__()
        self.k, self.wrong = torch.nn.Parameter(torch.tensor([2.0])), back

    def initial_state(self, batch_size):
        return {"q": torch.ones(batch_size, 1), "p": torch.zeros(batch_size, 1)}

    def velocity(self, u, h, tau):
        return {"q": h["p"], "p": -self.k * h["q"]}

    def output(self, u, h):
        return h["q"]

    def pullback(self, xp, u, h, theta, tau):
        def back(z):
            return {"q": -theta["k"] * z["p"], "p": z["q"]}, {"k": -(z["p"] * h["q"]).sum(0)}

        def read(h):
            return h["q"], lambda g: ({"q": g, "p": 0 * g}, {})

        return {"q": h["p"], "p": -theta["k"] * h["q"]}, self.wrong or back, read


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_a_network_of_ones_own_may_bring_its_derivative_and_a_broken_one_is_told(order, monkeypatch):
    samples = [Sample(torch.zeros(1, 1), torch.randn(1, 1), end=k % 9 == 8) for k in range(40)]
    settings = Settings(tau=0.1, eta=0.5, beta=0.3, phi=lambda t: 1 + t)
    found = []
    for by_hand in (True, False):
        if not by_hand:
            monkeypatch.setattr(Spring, "pullback", Network.pullback)
        learner = Learner(Spring(), mse_loss, settings, order)
        report = learner.run(samples)
        point = learner.point
        found.append([*point.h.values(), *point.z.values(), point.theta["k"], torch.tensor(report.hamiltonian)])
    assert apart(*found) <= 1e-13 and abs(float(found[0][-2]) - 2.0) > 1e-4
    monkeypatch.undo()
    with pytest.raises(HLError, match="pullback"):
        Learner(Spring(lambda z: ({}, {})), mse_loss, order=order).step(samples[0])
