"""A derivative worked out by hand is autograd's and that of finite differences, in numpy and in torch alike."""

import copy

import pytest
import torch
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, Network, Sample, Settings, experiments
from hlcore.law import closed_form
from hlcore.law.arrays import arrays, tensor
from hlcore.law.closed_form import ClosedForm
from hlcore.law.hamiltonian import Hamiltonian
from hlcore.law.loss import CheckedLoss, squares
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


def driven(batch):
    network = Rotations(5, 3, 2, keep=0.9)
    with torch.no_grad():
        network.frequency[:2] = torch.tensor([0.0, 0.02])  # on both sides of where its series ends
    return network, mse_loss, Sample(torch.randn(batch, 3), torch.randn(batch, 2), end=False)


CASES = {
    "driven": driven,
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


def law_of(network, loss=mse_loss, closed=True):
    law = Hamiltonian(network, loss)
    if not closed:
        law._closed = None
    return law


def is_closed(network, sample=None, loss=mse_loss, h=None):
    """Whether a step would take the closed form."""
    law = law_of(network, loss)
    if law._closed is None or not law._closed.intact():
        return False
    return sample is None or law._closed.flow(sample.u, h, TAU) is not None


def slopes(network, loss, sample, h, z, phi=PHI, closed=True):
    """(v, y, L, ∂H'/∂h, ∂H'/∂θ …) as tensors."""
    network = copy.deepcopy(network)
    law = law_of(network, loss, closed)
    flow = law.flow(sample.u, h, TAU)
    assert (type(flow).__name__ == "_ClosedFlow") is closed
    at = flow.read(flow.h, sample.target)
    dh, dtheta = flow.derivative(at, phi, flow.as_given(z))
    value = at.loss.item() if isinstance(at.loss, torch.Tensor) else float(at.loss)
    found = [tensor(flow.v["h"]), tensor(at.y).detach(), torch.tensor(value), tensor(dh["h"])]
    found += [torch.zeros_like(p) if d is None else d for p, d in zip(law.theta, dtheta, strict=True)]
    return found, dict(network.named_buffers())


def apart(a, b):
    return max((float((x - y).abs().max()) for x, y in zip(a, b, strict=True)), default=0.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("arrays", ["numpy", "torch"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_derivative_by_hand_is_autograds(name, batch, arrays, dtype, monkeypatch):
    if arrays == "torch":
        monkeypatch.setattr(closed_form, "SMALL", 0)
    given = case(name, batch, dtype)
    (mine, keys), (truth, theirs) = slopes(*given), slopes(*given, closed=False)
    assert all(x.dtype == y.dtype and x.shape == y.shape for x, y in zip(mine[3:], truth[3:], strict=True))
    bound = BOUNDS[dtype] * max(float(x.abs().max()) for x in truth)
    assert apart(mine, truth) <= bound
    assert apart(keys.values(), theirs.values()) <= BOUNDS[dtype], "keys move alike"
    network, loss, sample, h, z = given
    assert apart(mine, slopes(network, loss, sample, h, {"h": -z["h"]}, closed=False)[0]) > 1e-2
    assert apart(mine, slopes(network, loss, sample, h, z, 1.0, closed=False)[0]) > 1e-2
    without = network, loss, Sample(sample.u, end=False), h, z
    assert apart(slopes(*without)[0], slopes(*without, closed=False)[0]) <= bound
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
def test_a_recurrent_learner_in_closed_form_is_one_by_autograd(order, speed):
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
    start = hand.point.clone()
    assert is_closed(hand.network, walk[0], h={"h": torch.zeros(2, 10)}), "every step is taken in closed form"
    told = hand.run(walk)
    auto.law._closed = None
    truth = auto.run(walk)
    for part in ("h", "z", "theta", "omega"):
        assert apart(getattr(hand.point, part).values(), getattr(auto.point, part).values()) <= 1e-12
    assert told.hamiltonian == pytest.approx(truth.hamiltonian, abs=1e-12)
    assert apart(hand.point.theta.values(), start.theta.values()) > 1e-2
    other = Learner(copy.deepcopy(network), mse_loss, auto.settings, {"euler": "sequential"}.get(order, "euler"))
    other.run(walk)
    assert apart(other.point.theta.values(), auto.point.theta.values()) > 1e-4, "the orders are told apart"


class Named(Recurrent):
    """A subclass that overrides nothing."""

    purpose = "to have a name"

    def __init__(self, *given):
        super().__init__(*given)
        self.note = "mine"


def frozen(layer):
    layer.bias.requires_grad_(False)
    return layer


def test_what_is_known_keeps_its_closed_form_however_it_is_put_together():
    _, _, sample, h, _ = case("recurrent")
    cell, head = torch.nn.RNNCell(3, 10), torch.nn.Linear(10, 2)
    tied = torch.nn.RNNCell(3, 10)
    tied.bias_hh = tied.bias_ih
    deep = torch.nn.Sequential(torch.nn.Linear(10, 4), torch.nn.Tanh(), torch.nn.Sequential(torch.nn.Linear(4, 2)))
    for network in (
        Recurrent(cell, head),
        Recurrent(cell, torch.nn.Sequential(head)),
        Recurrent(cell, deep),
        Recurrent(cell, frozen(torch.nn.Linear(10, 2))),
        Recurrent(tied, head),
        Named(cell, head),
    ):
        assert is_closed(network, sample, h=h)
        z = {"h": torch.randn(2, 10)}
        mine, truth = (
            slopes(network, mse_loss, sample, h, z)[0],
            slopes(network, mse_loss, sample, h, z, closed=False)[0],
        )
        assert apart(mine, truth) <= 1e-13 * max(float(x.abs().max()) for x in truth)


def test_what_was_touched_is_left_to_autograd():
    h = case("recurrent")[3]
    cell, head = torch.nn.RNNCell(3, 10), torch.nn.Linear(10, 2)

    class Bent(torch.nn.RNNCell):
        def forward(self, u, h):
            return 2 * super().forward(u, h)

    class Louder(Recurrent):
        def output(self, u, h):
            return 3 * super().output(u, h)

    def hooked(kind):
        layer = torch.nn.Linear(10, 2)
        getattr(layer, kind)(lambda *given: None)
        return layer

    weighted = torch.nn.RNNCell(3, 10)
    weighted.weight_ih.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
    replaced = torch.nn.Linear(10, 2)
    replaced.forward = lambda x: 2 * torch.nn.functional.linear(x, replaced.weight, replaced.bias)
    hooks = ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook")
    for network in (
        *(Recurrent(cell, hooked(kind)) for kind in (*hooks, "register_full_backward_pre_hook")),
        Recurrent(weighted, head),
        Recurrent(cell, replaced),
        Recurrent(cell, torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(10, 2))),
        Recurrent(Bent(3, 10), head),
        Louder(cell, head),
        Recurrent(torch.nn.RNNCell(3, 10, nonlinearity="relu"), head),
        Recurrent(torch.nn.RNNCell(3, 10, bias=False), head),
        Recurrent(torch.nn.GRUCell(3, 10), head),
        Recurrent(cell, torch.nn.Sequential(head, torch.nn.Softplus())),
    ):
        assert not is_closed(network)
    assert not is_closed(Recurrent(cell, head), Sample(torch.randn(2, 4), None), h=h), "autograd says what does not fit"
    assert not is_closed(Recurrent(cell, head), Sample(torch.zeros(2, 3, dtype=torch.int64), None), h=h)


def test_a_slow_part_is_told_once_and_by_name(caplog):
    cell, head = torch.nn.RNNCell(3, 10), torch.nn.Sequential(torch.nn.Linear(10, 2), torch.nn.Hardswish())
    for _ in range(3):
        law_of(Recurrent(cell, head))
    assert [r.message for r in caplog.records] == [
        "Recurrent: derivatives by autograd, not in closed form: Hardswish is not on the list of closed forms"
    ]


def test_a_hook_that_comes_later_is_called():
    network, loss, sample, _, _ = case("recurrent")
    learner, calls = Learner(network, loss, Settings(tau=0.1), "sequential"), []
    learner.step(sample)
    network.cell.weight_ih.register_hook(lambda g: calls.append(1) or 0 * g)
    before = learner.point.clone()
    learner.step(sample)
    now = learner.point
    assert calls and torch.equal(before.omega["cell.weight_ih"], now.omega["cell.weight_ih"])
    assert not torch.equal(before.omega["cell.weight_hh"], now.omega["cell.weight_hh"])


def test_weights_that_move_to_other_memory_are_followed():
    network, loss, sample, _, _ = case("recurrent")
    twin = copy.deepcopy(network)
    learners = [Learner(n, loss, Settings(tau=0.1), "sequential") for n in (network, twin)]
    for learner in learners:
        learner.step(sample)
    for n, learner in zip((network, twin), learners, strict=True):
        for p in n.parameters():
            p.data = 2 * p.data  # another storage, the same parameter
        learner.law._closed = learner.law._closed if n is network else None
        learner.step(sample)
    assert apart(learners[0].point.omega.values(), learners[1].point.omega.values()) <= 1e-14


@pytest.mark.parametrize("batch", [1, 4])
def test_the_slope_of_a_loss_is_autograds(batch):
    for loss, own, y, target in (
        (mse_loss, squares, torch.randn(batch, 3), torch.randn(batch, 3)),
        (choir, choir.slope, torch.randn(batch, 7), torch.randn(batch, 1)),
    ):
        leaf = y.clone().requires_grad_()
        L = loss(leaf, target)
        truth = torch.autograd.grad(L, leaf)[0]
        for given in (arrays(y, target), (torch, y, target)):
            value, slope = own(*given)
            assert float(value) == pytest.approx(L.item(), rel=1e-13)
            assert apart([tensor(slope)], [truth]) <= 1e-14 < apart([truth], [2 * truth])


def test_any_loss_will_do():
    network, _, sample, h, z = case("keyed")
    bent = lambda y, target: (y - target).abs().pow(3).mean()  # noqa: E731
    assert apart(slopes(network, bent, sample, h, z)[0], slopes(network, bent, sample, h, z, closed=False)[0]) <= 1e-12
    with pytest.raises(HLError, match="target"):
        slopes(network, mse_loss, Sample(sample.u, torch.randn(7)), h, z)


@pytest.mark.parametrize("wrapped", [lambda y, t: mse_loss(y, t), lambda y, t: torch.nn.functional.mse_loss(y, t)])
def test_a_bare_lambda_of_a_known_loss_is_that_loss(wrapped):
    assert CheckedLoss(wrapped).slope() is squares is CheckedLoss(torch.nn.MSELoss()).slope()
    for other in (
        lambda y, t: 2 * mse_loss(y, t),
        lambda y, t: mse_loss(t, y),
        lambda y, t: torch.nn.functional.l1_loss(y, t),
        torch.nn.MSELoss(reduction="sum"),
        torch.nn.L1Loss(),
    ):
        assert CheckedLoss(other).slope() is not squares


@pytest.mark.parametrize("name", ["signal-school", "signal-school-baseline"])
def test_a_learner_in_closed_form_is_one_by_autograd_and_resumes_to_the_bit(name, tmp_path):
    experiment = experiments.get(name, units=20, steps=30)
    (hand, stream), (auto, _) = experiment.learner(0), experiment.learner(0)
    hand.network.double(), auto.network.double()
    hand, auto = (Learner(x.network, x.loss, x.settings, x.order) for x in (hand, auto))
    start = hand.point.clone()
    assert is_closed(hand.network)
    walk = [
        Sample(s.u.double(), None if s.target is None else s.target.double(), s.end)
        for s in map(stream.sample, range(99))
    ]
    hand.run(walk)
    auto.law._closed = None
    auto.run(walk)
    theta = [list(x.point.theta.values()) for x in (hand, auto)]
    assert apart(*theta) <= 1e-10 and apart(theta[0], start.theta.values()) > 1e-4
    hand.save(tmp_path / "a.hl")
    resumed = Learner.load(tmp_path / "a.hl", copy.deepcopy(hand.network), hand.loss)
    forked = copy.deepcopy(hand)
    for each in (hand, resumed, forked):
        each.run(walk[40:90])
    for other in (resumed, forked):
        for part in ("h", "z", "theta", "omega"):
            assert all(torch.equal(x, getattr(other.point, part)[k]) for k, x in getattr(hand.point, part).items())


def test_rotations_give_way_where_their_form_does_not_hold():
    network, loss, sample, *_ = case("keyed")
    assert is_closed(network)

    class Louder(Rotations):
        def output(self, u, h):
            return 3 * super().output(u, h)

    louder = Louder(5, 4, 2, start="clock", readout=copy.deepcopy(network.readout))
    hooked = copy.deepcopy(network)
    hooked.readout.register_forward_hook(lambda module, given, y: 3 * y)
    bent = Rotations(5, 4, 2, start="clock", readout=network.readout, sigma=torch.tanh)
    assert is_closed(Rotations(5, 4, 2, readout=network.readout)), "a drive has one, too"
    for other in (louder, hooked, bent):
        assert not is_closed(other)
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

    def closed_form(self):
        def velocity(xp, u, h, w, tau):
            def to_state(z):
                return {"q": -w[0] * z["p"], "p": z["q"]}

            return {"q": h["p"], "p": -w[0] * h["q"]}, self.wrong or to_state, lambda z: [-(z["p"] * h["q"]).sum(0)]

        def output(xp, u, h, w):
            return h["q"], lambda g: ({"q": g, "p": 0 * g}, [])

        return ClosedForm(velocity, [self.k], output, [])


@pytest.mark.parametrize("order", ["euler", "sequential"])
def test_a_network_of_ones_own_may_bring_its_derivative_and_a_broken_one_is_told(order, monkeypatch):
    samples = [Sample(torch.zeros(1, 1), torch.randn(1, 1), end=k % 9 == 8) for k in range(40)]
    settings = Settings(tau=0.1, eta=0.5, beta=0.3, phi=lambda t: 1 + t)
    found = []
    for by_hand in (True, False):
        if not by_hand:
            monkeypatch.setattr(Spring, "closed_form", Network.closed_form)
        learner = Learner(Spring(), mse_loss, settings, order)
        report = learner.run(samples)
        point = learner.point
        found.append([*point.h.values(), *point.z.values(), point.theta["k"], torch.tensor(report.hamiltonian)])
    assert apart(*found) <= 1e-13 and abs(float(found[0][-2]) - 2.0) > 1e-4
    monkeypatch.undo()
    with pytest.raises(HLError, match="closed_form"):
        Learner(Spring(lambda z: {}), mse_loss, order=order).run(samples[:2])
