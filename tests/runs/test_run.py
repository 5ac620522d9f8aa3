"""A run is its experiment, seed, changes and number of steps: the same of these gives the same bits."""

import json

import numpy as np
import pytest
import torch

from hlcore import Diverged, HLError, OutputNetwork, Settings, experiments, learners
from hlcore.experiments import Experiment, Setup
from hlcore.runs.run import Run
from hlcore.streams import World, iris

LEARNERS = ("hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river")


def started(name="iris-mlp", **options):
    return Run(experiments.get(name, **options), capacity=500)


def bits(run):
    return run.recorder.window("theta").tobytes(), run.recorder.window("loss").tobytes()


def noisy():
    """An experiment whose network draws from torch's global generator."""

    def build(seed):
        module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3))
        loss = torch.nn.functional.cross_entropy
        return Setup(OutputNetwork(module), iris(seed), loss, Settings(tau=1.0, eta=0.5, beta=0.05))

    setup = build(0)
    return Experiment("noisy", "", "", build, setup.loss, setup.settings, "sequential")


@pytest.mark.parametrize("make", [started, lambda: started("tracker-water-flow"), lambda: Run(noisy())])
def test_reset_reproduces_the_first_hundred_steps_bit_for_bit(make):
    run = make()
    run.step(100)
    first = bits(run)
    run.step(57)
    torch.rand(11)  # what others draw from the global generator is no part of the run
    run.reset()
    assert run.learner.steps == 0 and len(run.recorder) == 0
    run.step(40)
    run.step(60)
    assert bits(run) == first
    run.reset(seed=1)
    run.step(100)
    assert bits(run) != first, "negative control: another seed is another run"
    theta = run.recorder.window("theta")
    assert np.abs(theta[-1] - theta[0]).max() > 0, "the weights moved"


def test_others_do_not_feel_the_started():
    run = Run(noisy())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run.step(3)
    assert torch.equal(torch.rand(3), expected)


def test_a_reset_keeps_the_settings_in_force():
    run = started()
    run.set(eta=0.7)
    run.step(5)
    run.set(beta=0.001)
    run.reset()
    assert (run.settings.eta, run.settings.beta, run.changes) == (0.7, 0.001, [])


@pytest.mark.parametrize("name", ["iris-linear", "tracker-sinusoid"])
def test_the_state_string_makes_the_same_bits(name):
    run = started(name)
    run.set(phi=0.8)
    run.step(30)
    run.set(eta=1.5)
    run.set(beta=0.003, eta=1.4)
    run.step(20)
    run.set(eta=0.1)
    text = run.state_string()
    again = Run.from_state(text)
    again.recorder.capacity = run.recorder.capacity
    assert again.learner.steps == 50 and again.settings == run.settings and again.state_string() == text
    assert bits(again) == bits(run)
    other = Run.from_state(text.replace('"eta":1.4', '"eta":1.3'))
    assert bits(other) != bits(run), "negative control"


def test_options_and_seed_are_in_the_state_string():
    run = started("iris-mlp", units=5, seed=3, order="euler", dtype="float64")
    run.step(4)
    again = Run.from_state(run.state_string())
    assert bits(again) == bits(run) and again.learner.order == "euler"
    assert again.recorder.window("theta").dtype == np.float64 and again.recorder.window("theta").shape[1] == 43


GOOD = {"experiment": "iris-linear", "options": {}, "seed": 0, "settings": {}, "changes": [], "steps": 0}


BAD = [
    {"experiment": "iris-lnear"},
    {"experiment": 3},
    {"options": {"untis": 3}},
    {"options": 3},
    {"seed": -1},
    {"seed": "a"},
    {"settings": {"ta": 1}},
    {"settings": {"tau": 0}},
    {"settings": 4},
    {"changes": [[0, {"etta": 1}]]},
    {"changes": 3},
    {"changes": [[1]]},
    {"changes": [["a", {}]]},
    {"steps": -3},
    {"extra": 1},
]


@pytest.mark.parametrize(
    "text", ["", "nonsense", "hl1:", "hl1:[]", None, 5, *("hl1:" + json.dumps(GOOD | b) for b in BAD)]
)
def test_a_bad_state_string_is_told(text):
    with pytest.raises(HLError):
        Run.from_state(text)


def test_the_good_one_is_good():
    assert Run.from_state("hl1:" + json.dumps(GOOD)).learner.steps == 0


def test_the_code_of_a_run_is_the_run(capsys):
    run = started("tracker-water-flow", units=6)
    run.set(eta=1.0)
    run.step(12)
    run.set(beta=0.1)
    run.step(8)
    names = {}
    exec(run.code(), names)
    assert "xarray" in capsys.readouterr().out
    assert names["recorder"].window("theta").tobytes() == run.recorder.window("theta").tobytes()


def test_an_unknown_setting_changes_nothing():
    run = started()
    before = run.settings
    for bad in ({"etta": 1}, {"eta": -1}, {"tau": 0.0}, {"eta": 1, "beta": "x"}):
        with pytest.raises(HLError):
            run.set(**bad)
    assert run.settings == before and run.changes == []


def test_what_is_set_again_is_no_change():
    run = started()
    run.step(3)
    assert run.set(eta=run.settings.eta) == {} and run.changes == []
    assert run.set(eta=0.25) == {"eta": 0.25} and run.changes == [(3, {"eta": 0.25})]


def test_a_diverging_run_keeps_its_last_finite_point():
    run = started("iris-linear", eta=9.0)
    with pytest.raises(Diverged) as caught:
        run.step(5000)
    steps = run.learner.steps
    assert 50 < steps < 5000 and caught.value.quantity in ("omega", "theta", "loss")
    for trace in ("theta", "omega", "loss"):
        assert np.isfinite(run.recorder.window(trace)).all()
    assert run.recorder.window("step")[-1] == steps
    run.set(eta=0.5)
    run.reset()
    run.step(300)
    assert run.recorder.window("loss")[-50:].mean() < run.recorder.window("loss")[:50].mean()


def test_learn_takes_no_more_than_it_may():
    run = started()
    assert run.learn(5.0, most=7) == 7 and run.learner.steps == 7
    assert run.learn(0.0) == 0


@pytest.mark.parametrize("make", [lambda: started("tracker-sinusoid"), lambda: Run(noisy(), capacity=500)])
@pytest.mark.parametrize("steps", [0, 499, 500, 730, 1201])
def test_T12_going_back_and_on_is_the_uninterrupted_run(make, steps):
    run = make()
    run.step(700)
    run.set(eta=0.9)
    run.step(500)
    run.set(beta=0.01)
    run.step(30)
    whole = {
        int(k): row.tobytes() for k, row in zip(run.recorder.window("step"), run.recorder.window("theta"), strict=True)
    }
    end = run.learner.steps
    run.back(steps)
    assert run.learner.steps == steps and run.changes == [
        c for c in [(700, {"eta": 0.9}), (1200, {"beta": 0.01})] if c[0] < steps
    ]
    assert all(k <= steps for k in run.recorder.window("step"))
    for at, change in [(700, {"eta": 0.9}), (1200, {"beta": 0.01})]:
        if at >= steps:
            run.step(at - run.learner.steps)
            run.set(**change)
    run.step(end - run.learner.steps)
    again = {
        int(k): row.tobytes() for k, row in zip(run.recorder.window("step"), run.recorder.window("theta"), strict=True)
    }
    shared = again.keys() & whole.keys()
    assert len(shared) > 20 and all(again[k] == whole[k] for k in shared)
    run.back(steps)
    run.set(phi=0.33)
    run.step(end - steps)
    assert run.recorder.window("theta")[-1].tobytes() != whole[end], "negative control: a fork goes its own way"
    if run.experiment.name != "noisy":
        again = Run.from_state(run.state_string())
        assert again.recorder.window("theta")[-1].tobytes() == run.recorder.window("theta")[-1].tobytes()


def test_one_cannot_go_back_to_what_never_was():
    run = started()
    run.step(10)
    for wrong in (-1, 11, 2.5):
        with pytest.raises(HLError):
            run.back(wrong)
    assert run.learner.steps == 10


@pytest.mark.parametrize("name", LEARNERS)
def test_T12_every_learner_goes_back_and_comes_again(name):
    run, speed = started("tracker-sinusoid", learner=name, units=5), "lr" if name in ("sgd", "river") else "beta"
    run.step(520)
    run.set(**{speed: 0.05})
    run.step(60)
    theta = {k: x.detach().clone() for k, x in run.learner.traced()["theta"].items()}
    text, losses = run.state_string(), run.recorder.window("loss")[-40:].tolist()
    for again in (Run.from_state(text), _forked(run, speed)):
        found = again.learner.traced()["theta"]
        assert again.learner.name == name and again.learner.steps == 580
        assert all(torch.equal(found[k], x) for k, x in theta.items()), "the same bits"
        assert again.recorder.window("loss")[-40:].tolist() == losses
    names = {}
    exec(run.code().rpartition("\n")[0], names)
    assert all(torch.equal(names["learner"].traced()["theta"][k], x) for k, x in theta.items())
    other = Run.from_state(text.replace(f'"{speed}":0.05', f'"{speed}":0.06'))
    assert any(not torch.equal(other.learner.traced()["theta"][k], x) for k, x in theta.items()), "negative control"


def _forked(run, speed):
    """Back to a kept moment and before the change, then forward through the same change."""
    run.back(511)
    run.step(9)
    run.set(**{speed: 0.05})
    run.step(60)
    return run


class Buffered(torch.nn.Module):
    """A layer behind a running mean that no state_dict has."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, u):
        with torch.no_grad():
            self.mean.mul_(0.9).add_(u.mean(0), alpha=0.1)
        return self.layer(u - self.mean)


def by_hand(module, stream=iris, loss=torch.nn.functional.cross_entropy, **settings):
    def build(seed):
        torch.manual_seed(seed)
        return Setup(OutputNetwork(module()), stream(seed), loss, Settings(**settings))

    setup = build(0)
    return Experiment("mine", "", "", build, setup.loss, setup.settings, "sequential")


def test_buffers_that_no_state_dict_has_go_back_too():
    run, whole = (Run(by_hand(Buffered, eta=0.5, beta=0.05)) for _ in range(2))
    run.step(600)
    run.back(500)
    run.step(100)
    whole.step(600)
    a, b = run.learner.network.module, whole.learner.network.module
    assert torch.equal(a.mean, b.mean) and torch.equal(a.layer.weight, b.layer.weight) and float(a.mean.abs().max()) > 0


class Corridor(World):
    """Five rooms in a row; the last one pays and ends the episode."""

    def begin(self, rng):
        return (int(rng.integers(0, 3)),)

    def move(self, state, action, rng):
        to = min(max(state[0] + (1 if action else -1), 0), 4)
        return float(to == 4), (to,), to == 4

    def features(self, state):
        return np.eye(5)[state[0]]


def td(y, t):
    """½ (Q(s)[a] - r - 0.9 max Q(s'))²."""
    goal = t[0, 1] + 0.9 * t[0, 2].clamp(min=0) * y[0, 1].detach().max()
    return 0.5 * (t[0, 2] >= 0) * (y[0, 0, t[0, 0].long()] - goal).square()


td.own_shapes = True


@pytest.mark.parametrize("learner", ["hamiltonian", "sgd"])
def test_T12_a_run_in_a_world_goes_back_with_its_world(learner):
    experiment = by_hand(lambda: torch.nn.Linear(5, 2), lambda seed: Corridor(seed, 0.2), td, eta=0.5, beta=0.05)
    kind = learners.get(learner)
    experiment = experiment.replace(learner_name=learner, settings=kind.settings_from(experiment.settings))
    run, whole = Run(experiment), Run(experiment)
    whole.step(1300)
    run.step(1100)
    run.race("hamiltonian")
    for at in (1003, 640, 0):
        run.back(at)
        assert run.stream.k == at
    run.step(1300)
    assert run.stream.state() == whole.stream.state() and bits(run) == bits(whole)
    assert {float(x) for x in run.recorder.window("target")[:, 2]} >= {0.0, 1.0}
    run.reset(seed=1)
    run.step(1300)
    assert run.stream.state() != whole.stream.state(), "negative control"


def test_an_experiment_made_by_hand_says_at_once_why_it_cannot_be_told():
    run = Run(by_hand(Buffered))
    run.step(3)
    changed = experiments.get("iris-linear").replace(loss=lambda y, t: (y - 1).square().mean())
    for each in (run, Run(changed)):
        for told in (each.state_string, each.code):
            with pytest.raises(HLError, match="register"):
                told()


def test_what_was_changed_by_hand_is_in_the_state_string():
    """An order or a learner that `replace` has put in comes back, not the one that the list has."""
    experiment = experiments.get("iris-linear").replace(order="euler")
    run = Run(experiment)
    run.step(20)
    again = Run.from_state(run.state_string())
    assert again.learner.order == "euler" and bits(again) == bits(run)
    mapped = learners.get("rtrl").settings_from(experiment.settings)
    run = Run(experiments.get("iris-linear").replace(learner_name="rtrl", settings=mapped))
    run.step(20)
    again = Run.from_state(run.state_string())
    assert again.learner.name == "rtrl" and bits(again) == bits(run)


@pytest.mark.parametrize("learner", ["rtlr", "", 3, None])
def test_an_unknown_learner_in_a_state_string_is_told(learner):
    with pytest.raises(HLError, match="learner"):
        Run.from_state("hl1:" + json.dumps(GOOD | {"options": {"learner": learner}}))


def test_settings_of_another_learner_are_told():
    with pytest.raises(HLError, match="eta"):
        Run.from_state("hl1:" + json.dumps(GOOD | {"options": {"learner": "sgd"}, "settings": {"eta": 1.0}}))
    with pytest.raises(HLError, match="momentum"):
        started(learner="sgd").set(eta=0.3)
