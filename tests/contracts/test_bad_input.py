"""Every bad input is an HLError that names the thing, what came and what was expected; nothing is lost."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

import hlcore
from hlcore import (
    HLError,
    Learner,
    OutputNetwork,
    Recorder,
    Recurrent,
    Sample,
    Settings,
    StateNetwork,
    experiments,
    streams,
)

NAN = float("nan")


def linear():
    return OutputNetwork(torch.nn.Linear(4, 3))


def rnn():
    return Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3))


class Renamed(hlcore.Network):
    """A network whose velocity has other names than its state."""

    def __init__(self, velocity):
        super().__init__()
        self.w, self.given = torch.nn.Parameter(torch.ones(1)), velocity

    def initial_state(self, batch_size):
        return {"h": torch.zeros(batch_size, 2)}

    def velocity(self, u, h, tau):
        return self.given(self.w)

    def output(self, u, h):
        return h["h"] * self.w


class BadStart(Renamed):
    def initial_state(self, batch_size):
        return [torch.zeros(batch_size, 2)]


def one_step(network, sample, loss=mse_loss, settings=None, order="euler"):
    return Learner(network, loss, settings or Settings(tau=0.1), order).step(sample)


U, Y = torch.randn(1, 4, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)

# name: (what fails, words that its message must hold: the thing, what came, what was expected)
CONSTRUCTION = {
    "tau zero": (lambda: Settings(tau=0), ["tau", "0.0", "> 0"]),
    "tau negative": (lambda: Settings(tau=-0.1), ["tau", "-0.1", "> 0"]),
    "tau nan": (lambda: Settings(tau=NAN), ["tau", "nan", "finite"]),
    "tau infinite": (lambda: Settings(tau=math.inf), ["tau", "inf", "finite"]),
    "tau text": (lambda: Settings(tau="0.1"), ["tau", "'0.1'", "number"]),
    "tau bool": (lambda: Settings(tau=True), ["tau", "True", "number"]),
    "eta negative": (lambda: Settings(eta=-1), ["eta", "-1.0", ">= 0"]),
    "eta none": (lambda: Settings(eta=None), ["eta", "None", "number"]),
    "eta_z negative": (lambda: Settings(eta_z=-1), ["eta_z", "-1.0", ">= 0"]),
    "beta negative": (lambda: Settings(beta=-1), ["beta", "-1.0", ">= 0"]),
    "beta nan by name": (lambda: Settings(beta={"w": NAN}), ["beta['w']", "nan", "finite"]),
    "beta negative per weight": (lambda: Settings(beta={"w": torch.tensor([1.0, -1.0])}), ["beta['w']", ">= 0"]),
    "beta tensor without name": (lambda: Settings(beta=torch.ones(3)), ["beta", "(3,)", "parameter name"]),
    "beta key not a name": (lambda: Settings(beta={3: 1.0}), ["beta", "3", "names of parameters"]),
    "phi negative": (lambda: Settings(phi=-1), ["phi", "-1.0", ">= 0"]),
    "phi text": (lambda: Settings(phi="cosine"), ["phi", "'cosine'", "number"]),
    "s two": (lambda: Settings(s=2), ["s:", "2", "-1 (forward) or +1"]),
    "s zero": (lambda: Settings(s=0), ["s:", "0", "-1"]),
    "unknown setting at construction": (lambda: Settings(etta=1), ["setting", "'etta'", "did you mean 'eta'"]),
    "unknown setting": (lambda: Settings().replace(etta=1), ["setting", "'etta'", "did you mean 'eta'"]),
    "momentum above one": (lambda: Settings.from_sgd(0.1, momentum=1.5), ["momentum", "1.5", "[0, 1]"]),
    "lr nan": (lambda: Settings.from_sgd(NAN), ["lr", "nan", "finite"]),
    "to_sgd of many betas": (lambda: Settings(beta={"w": 1.0}).to_sgd(), ["beta", "per parameter", "shared"]),
    "dt zero": (lambda: Sample(U, Y, dt=0.0), ["Sample.dt", "0.0", "> 0"]),
    "dt nan": (lambda: Sample(U, Y, dt=NAN), ["Sample.dt", "nan", "finite"]),
    "end not a bool": (lambda: Sample(U, Y, end=1), ["Sample.end", "1", "True or False"]),
    "u a list": (lambda: Sample([1.0, 2.0]), ["Sample.u", "list", "tensor"]),
    "module class, not instance": (lambda: OutputNetwork(torch.nn.Linear), ["OutputNetwork", "Linear", "Module"]),
    "state of no module": (lambda: StateNetwork(lambda u: u), ["StateNetwork", "torch.nn.Module"]),
    "cell of unknown width": (lambda: Recurrent(torch.nn.Identity(), torch.nn.Identity()), ["units", "hidden_size"]),
    "units zero": (lambda: Recurrent(torch.nn.Identity(), torch.nn.Identity(), units=0), ["units", "0", ">= 1"]),
    "speed negative": (lambda: Recurrent(torch.nn.RNNCell(1, 1), torch.nn.Identity(), speed=-1), ["speed", "-1.0"]),
    "module instead of network": (lambda: Learner(torch.nn.Linear(4, 3), mse_loss), ["network", "Linear", "wrap it"]),
    "loss not callable": (lambda: Learner(linear(), "mse"), ["loss", "'mse'", "function"]),
    "unknown order": (
        lambda: Learner(linear(), mse_loss, Settings(), "eular"),
        ["order", "'eular'", "did you mean 'euler'"],
    ),
    "settings a dict": (lambda: Learner(linear(), mse_loss, {"eta": 1}), ["settings", "dict", "hlcore.Settings"]),
    "beta of no parameter": (
        lambda: Learner(linear(), mse_loss, Settings(beta={"module.weigt": 1.0})),
        ["beta", "did you mean 'module.weight'"],
    ),
    "beta of wrong shape": (
        lambda: Learner(linear(), mse_loss, Settings(beta={"module.bias": torch.ones(2)})),
        ["beta", "(2,)", "(3,)"],
    ),
    "half precision": (lambda: Learner(OutputNetwork(torch.nn.Linear(4, 3).half()), mse_loss), ["float16", "float32"]),
    "mixed precision": (
        lambda: Learner(Recurrent(torch.nn.RNNCell(4, 5), torch.nn.Linear(5, 3).float()), mse_loss),
        ["one dtype"],
    ),
    "recorder of no capacity": (lambda: Recorder(capacity=0), ["capacity", "0", ">= 1"]),
    "recorder every half": (lambda: Recorder(every=0.5), ["every", "0.5", "whole"]),
    "trajectory of nothing": (lambda: Recorder().trajectory(), ["trajectory", "without records", "run some steps"]),
    "unknown experiment": (
        lambda: experiments.get("iris-mpl"),
        ["experiment", "'iris-mpl'", "did you mean 'iris-mlp'"],
    ),
    "unknown option": (lambda: experiments.get("iris-mlp", etta=1), ["'etta'", "did you mean 'eta'"]),
    "experiment with tau 0": (lambda: experiments.get("iris-mlp", tau=0), ["tau", "> 0"]),
    "experiment of unknown dtype": (lambda: experiments.get("iris-mlp", dtype="int8"), ["dtype", "'int8'", "float64"]),
    "experiment of no steps": (lambda: experiments.get("iris-linear").run(0), ["steps", "0", ">= 1"]),
    "negative seed": (lambda: experiments.get("iris-linear", seed=-1), ["seed", "-1", ">= 0"]),
    "too many digits": (lambda: streams.mnist(per_class=501), ["per_class", "501", "500"]),
    "batch zero": (lambda: streams.iris(batch=0), ["batch", "0", ">= 1"]),
    "index behind the end": (lambda: streams.iris(epochs=1)[150], ["index", "150", "< 150"]),
    "index negative": (lambda: streams.iris()[-1], ["index", "-1", ">= 0"]),
    "sines of no sine": (lambda: streams.sines([], []), ["sines", "0 frequencies"]),
    "signal not a function": (lambda: streams.Signal(3.0), ["signal", "3.0", "function"]),
    "data of no rows": (lambda: streams.Labelled(torch.ones(0, 2), torch.ones(0)), ["no samples", "at least one"]),
    "targets missing": (lambda: streams.Labelled(torch.ones(3, 2), torch.ones(2)), ["targets", "2", "3"]),
    "clock replayed": (lambda: streams.Clock(streams.iris(), 0.1)[0], ["live source", "cannot be replayed"]),
    "clock of no stream": (lambda: streams.Clock([1, 2], 0.1), ["Clock", "list", "Stream"]),
    "no such checkpoint": (lambda: Learner.load("nowhere.hl", linear(), mse_loss), ["checkpoint", "nowhere.hl"]),
}

STEPS = {
    "not a sample": (lambda: one_step(linear(), (U, Y)), ["tuple", "hlcore.Sample"]),
    "u too wide": (
        lambda: one_step(linear(), Sample(torch.randn(1, 5, dtype=torch.float64), Y)),
        ["output (f^y)", "(1, 5)", "shapes cannot be"],
    ),
    "u of another dtype": (lambda: one_step(linear(), Sample(U.float(), Y)), ["float32", "float64"]),
    "u of integers": (lambda: one_step(linear(), Sample(torch.ones(1, 4).long(), Y)), ["int64", "float64"]),
    "u missing": (lambda: one_step(linear(), Sample(None, Y)), ["NoneType", "input it takes"]),
    "u a pair for one input": (lambda: one_step(linear(), Sample((U, U), Y)), ["(1, 4)", "input it takes"]),
    "u too wide for f^h": (
        lambda: one_step(rnn(), Sample(torch.randn(1, 5, dtype=torch.float64), Y)),
        ["velocity (f^h)", "(1, 5)"],
    ),
    "target too wide": (lambda: one_step(linear(), Sample(U, torch.randn(1, 4))), ["target", "(1, 4)", "(1, 3)"]),
    "target that would broadcast": (
        lambda: one_step(linear(), Sample(U, torch.randn(1, 1))),
        ["target", "(1, 1)", "(1, 3)"],
    ),
    "class out of range": (
        lambda: one_step(linear(), Sample(U, torch.tensor([3])), cross_entropy),
        ["loss", "int64", "out of bounds"],
    ),
    "too many classes": (lambda: one_step(linear(), Sample(U, torch.tensor([1, 2])), cross_entropy), ["loss", "(2,)"]),
    "loss not a scalar": (
        lambda: one_step(linear(), Sample(U, Y), lambda y, t: (y - t) ** 2),
        ["loss", "(1, 3)", "scalar"],
    ),
    "loss a float": (lambda: one_step(linear(), Sample(U, Y), lambda y, t: 1.0), ["loss", "float", "scalar tensor"]),
    "loss that forgets torch": (
        lambda: one_step(linear(), Sample(U, Y), lambda y, t: torch.tensor(y.numpy().sum())),
        ["loss", "requires grad"],
    ),
    "phi turns negative": (
        lambda: one_step(linear(), Sample(U, Y), settings=Settings(phi=lambda t: -1.0)),
        ["phi(0)", "-1.0", ">= 0"],
    ),
    "phi gives no number": (
        lambda: one_step(linear(), Sample(U, Y), settings=Settings(phi=lambda t: None)),
        ["phi(0)", "None", "number"],
    ),
    "velocity with other names": (
        lambda: one_step(Renamed(lambda w: {"x": w * torch.ones(1, 2)}), Sample(U)),
        ["velocity", "['x']", "['h']"],
    ),
    "velocity with other shape": (
        lambda: one_step(Renamed(lambda w: {"h": w * torch.ones(1, 3)}), Sample(U)),
        ["velocity['h']", "(1, 3)", "(1, 2)"],
    ),
    "velocity not a dict": (
        lambda: one_step(Renamed(lambda w: w * torch.ones(1, 2)), Sample(U)),
        ["velocity", "Tensor", "dict"],
    ),
    "velocity not a tensor": (lambda: one_step(Renamed(lambda w: {"h": 1.0}), Sample(U)), ["velocity['h']", "float"]),
    "initial state not a dict": (
        lambda: one_step(BadStart(None), Sample(U)),
        ["initial_state", "list", "name: tensor"],
    ),
    "state module of two outputs": (
        lambda: one_step(StateNetwork(torch.nn.LSTM(4, 3)), Sample(U)),
        ["StateNetwork", "tuple", "one tensor"],
    ),
    "network without output": (lambda: one_step(hlcore.Network(), Sample(U)), ["output", "no definition"]),
    "empty stream": (lambda: Learner(linear(), mse_loss).run([]), ["stream", "no sample", "at least one"]),
    "stream not iterable": (lambda: Learner(linear(), mse_loss).run(3), ["stream", "int", "iterable"]),
    "steps negative": (lambda: Learner(linear(), mse_loss).run([], -1), ["steps", "-1", ">= 0"]),
    "learning rate by hand": (lambda: Learner.like_sgd(linear(), mse_loss, lr=-1), ["lr", "-1.0", ">= 0"]),
}


@pytest.mark.parametrize("case", CONSTRUCTION | STEPS)
def test_bad_input_is_told(case):
    fails, words = (CONSTRUCTION | STEPS)[case]
    with pytest.raises(HLError) as caught:
        fails()
    message = str(caught.value)
    for word in words:
        assert word in message, f"{word!r} is missing in: {message}"
    assert "got" in message and "expected" in message


def test_there_are_many_cases():
    assert len(CONSTRUCTION) + len(STEPS) >= 80


BAD_SAMPLES = [
    (U, Y),
    Sample(torch.randn(1, 5, dtype=torch.float64), Y, end=False),
    Sample(U, torch.randn(1, 7, dtype=torch.float64), end=False),
    Sample(U.float(), Y, end=False),
    Sample(
        torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64), end=False
    ),  # another batch size within a sequence
    Sample(U * math.nan, Y, end=False),
    Sample(U, Y * math.inf, end=False),
]


@pytest.mark.parametrize("order", ["euler", "sequential"])
@pytest.mark.parametrize("make", [linear, rnn])
def test_the_last_good_point_and_the_record_survive(make, order):
    network, settings = make(), Settings(tau=0.5, eta=0.2, beta=0.1)
    learner, recorder = Learner(network, mse_loss, settings, order), Recorder()
    good = [Sample(torch.randn(1, 4), torch.randn(1, 3), end=False) for _ in range(20)]
    learner.run(good[:10], recorder=recorder)
    kept, records = learner.point.clone(), len(recorder)
    refused = 0
    for bad in BAD_SAMPLES:
        try:
            learner.run([bad], recorder=recorder)
        except HLError:
            refused += 1
            assert len(recorder) == records
            _same(learner.point, kept)
        else:  # a batch of two is welcome to a network without state
            assert make is linear and isinstance(bad, Sample) and bad.batch_size == 2
            learner.point = kept.clone()
            recorder.truncate(records)
    assert refused >= len(BAD_SAMPLES) - 1
    learner.run(good[10:], recorder=recorder)
    torch.manual_seed(0)
    straight = Learner(_again(make, kept, network), mse_loss, settings, order)
    straight.point = kept.clone()
    straight.run(good[10:])
    _same(learner.point, straight.point, time=False)
    assert any(not torch.equal(learner.point.theta[k], kept.theta[k]) for k in kept.theta)


def _again(make, point, network):
    other = make()
    other.load_state_dict(network.state_dict())
    return other


def _same(a, b, time=True):
    assert not time or a.t == b.t
    for part in ("h", "theta", "z", "omega"):
        left, right = getattr(a, part), getattr(b, part)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[k], right[k]) for k in left), part


@pytest.mark.parametrize("change", [{"tau": 0}, {"eta": NAN}, {"s": 3}, {"unknown": 1}])
def test_bad_live_settings_leave_the_good_ones(change):
    learner = Learner(linear(), mse_loss, Settings(eta=0.5))
    with pytest.raises(HLError):
        learner.settings = learner.settings.replace(**change)
    assert learner.settings.eta == 0.5
    with pytest.raises(HLError):
        learner.settings = Settings(beta={"nobody": 1.0})
    assert learner.settings.beta == 1.0
    learner.step(Sample(U, Y))
