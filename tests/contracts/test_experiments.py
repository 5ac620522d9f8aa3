"""The list of experiments: what it tells without building, and the learner as an option like any other."""

import subprocess
import sys

import pytest
import torch

from hlcore import HLError, Settings, experiments, learners
from hlcore.__main__ import main
from hlcore.experiments import Setup, registry
from hlcore.learners.sgd import SGDSettings
from hlcore.networks import OutputNetwork
from hlcore.streams import iris

NAMES = ("hamiltonian", "sgd", "bptt", "hl-bptt", "rtrl", "river")


@pytest.fixture
def unbuildable(monkeypatch):
    """A list whose builders cannot be called."""

    def refuse(seed):
        raise AssertionError("built")

    entries = {name: entry._replace(builder=refuse) for name, entry in registry.listed().items()}
    monkeypatch.setattr(registry, "_ENTRIES", entries)


@pytest.mark.usefixtures("unbuildable")
def test_the_list_is_told_without_building_anything(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == experiments.names()
    assert any("foresee the flow through a real pipeline" in line for line in lines)
    with pytest.raises(AssertionError, match="built"):
        experiments.get("iris-linear")


def test_the_list_imports_no_data_set():
    code = "import sys; from hlcore.__main__ import main; main(['list']); print(sorted(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = told.splitlines()[-1]
    assert "'hlcore.streams.datasets'" in loaded
    assert not any(f"'{name}'" in loaded for name in ("sklearn.datasets", "mlxtend", "river", "xarray", "plotly"))


def test_what_is_not_asked_for_is_not_imported():
    """The lists are read when they are asked for; a learner's or an experiment's own file may come first."""
    code = (
        "import sys, hlcore; rooms = ('hlcore.learners.', 'hlcore.experiments.')\n"
        "early = [m for m in sys.modules if m.startswith(rooms)]\n"
        "hlcore.Learner, hlcore.experiments.Experiment\n"  # others are not imported for them
        "early += [m for m in sys.modules if m in ('hlcore.learners.rtrl', 'hlcore.experiments.far_past')]\n"
        "from hlcore.learners.rtrl import RTRL; from hlcore.experiments import far_past\n"
        "print(early, hlcore.learners.names() == hlcore.learners.names(), *hlcore.learners.names())\n"
        "print(*hlcore.experiments.names())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    first, listed = told[0].split(), told[1].split()
    assert first[:3] == ["[]", "True", "hamiltonian"] and {*NAMES} <= {*first}
    assert first[2:] == learners.names()[: len(first) - 2] and listed == experiments.names()[: len(listed)]
    assert len(listed) > 40, "others' may come after them"


def test_a_name_of_hlcore_is_taken_before_its_file_is_imported():
    code = (
        "from hlcore import HLError, experiments, learners\n"
        "for kind, name in ((experiments, 'iris-linear'), (learners, 'rtrl')):\n"
        "    made = (lambda seed: None) if kind is experiments else type('Own', (learners.BaseLearner,), {})\n"
        "    arguments = (name, 'a title') if kind is experiments else (name,)\n"
        "    try: kind.register(*arguments)(made)\n"
        "    except HLError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 2 and "a second 'iris-linear'" in told[0] and "a second 'rtrl'" in told[1]


def test_every_entry_has_a_title_and_one_line(capsys):
    for name in experiments.names():
        entry = experiments.entry(name)
        assert entry.title and entry.about.splitlines()[0].endswith((".", "?")), name
        assert next(iter(entry.presets)) == "good" and entry.presets["good"] == {}, "the convention"


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_is_an_option(name):
    assert name in learners.names()
    experiment = experiments.get("tracker-sinusoid", learner=name, units=3, dtype="float64")
    kind = learners.get(name)
    assert experiment.learner_name == name and type(experiment.settings) is kind.settings_type
    learner, _ = experiment.learner(4)
    assert type(learner) is kind and learner.settings == experiment.settings and learner.order in kind.orders
    assert experiment.recipe() == {"learner": name, "units": 3, "dtype": "float64"}
    data = experiment.run(20)
    assert data.identical(experiment.run(20))
    if name != "river":  # it has no network to draw
        assert not data.theta.equals(experiment.run(20, seed=1).theta)


def test_its_settings_are_those_of_the_learner():
    experiment = experiments.get("tracker-sinusoid", learner="sgd", momentum=0.5)
    hl = experiments.get("tracker-sinusoid").settings
    assert experiment.settings == SGDSettings(hl.tau * hl.beta, 0.5, 1 - hl.tau * hl.phi, hl.tau)
    assert experiments.get("tracker-sinusoid", learner="bptt", window=7).settings.window == 7
    with pytest.raises(HLError, match="momentum"):
        experiments.get("tracker-sinusoid", learner="sgd", momentm=0.5)
    with pytest.raises(HLError, match="eta"):
        experiments.get("tracker-sinusoid", learner="sgd", eta=0.5)
    with pytest.raises(HLError, match="order"):
        experiments.get("tracker-sinusoid", learner="sgd", order="euler")
    with pytest.raises(HLError, match=r"did you mean 'rtrl'"):
        experiments.get("tracker-sinusoid", learner="rtlr")
    assert experiments.get("digits-chain").order == "euler"
    assert experiments.get("digits-chain", learner="rtrl").order == "sequential", "the learner's own"


def test_presets_are_changes_of_the_learners_settings():
    hl, sgd = (experiments.get("tracker-sinusoid", learner=name) for name in ("hamiltonian", "sgd"))
    assert hl.presets == {"good": {}, "sluggish": {"beta": 0.002}, "diverges": {"eta": 20.2}}
    assert sgd.presets["good"] == {} and sgd.presets["sluggish"] == {"lr": pytest.approx(0.0002)}
    assert sgd.presets["diverges"] == {"momentum": pytest.approx(-1.02)}
    river = experiments.get("tracker-sinusoid", learner="river")
    for name, changes in river.presets.items():
        assert name == "good" or changes, "one that means nothing to a learner is left out"
        river.settings.replace(**changes)


def test_the_command_line_knows_learners(capsys):
    assert main(["run", "iris-linear", "--steps", "30", "--set", "learner=sgd", "--set", "momentum=0.5"]) == 0
    assert "30 steps" in capsys.readouterr().out
    assert main(["run", "iris-linear", "--steps", "3", "--set", "learner=sdg"]) == 1
    assert "'sgd'" in capsys.readouterr().err
    assert main(["run", "tracker-sinusoid", "--steps", "9", "--set", "learner=hl-bptt", "--set", "reset_omega=no"]) == 1
    assert main(["run", "tracker-sinusoid", "--steps", "9", "--set", "learner=bptt", "--set", "window=None"]) == 0


@pytest.mark.parametrize("wrong", ["units=2.5", "units=abc", "units=-3", "frequency=abc", "eta=0,3"])
def test_a_value_that_nothing_can_be_built_of_is_told(wrong, capsys):
    assert main(["run", "tracker-sinusoid", "--steps", "5", "--set", wrong]) == 1
    assert capsys.readouterr().err.startswith("error:")
    assert main(["run", "tracker-sinusoid", "--steps", "5", "--seed", "99999999999999999999"]) == 1
    assert "seed" in capsys.readouterr().err


def building(seed, momentum=0.25):
    """Iris by SGD.

    More words.
    """
    network = OutputNetwork(torch.nn.Linear(4, 3))
    return Setup(network, iris(seed), torch.nn.functional.cross_entropy, SGDSettings(0.05))


def test_an_experiment_may_have_a_learner_and_settings_of_its_own(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", registry.listed())
    with pytest.raises(HLError, match="second"):
        experiments.register("iris-linear", "Mine")(building)
    experiments.register("mine", "Mine", {"good": {}, "fast": {"lr": 0.5}}, learner="sgd")(building)
    experiments.register("mine", "Mine", {"good": {}, "fast": {"lr": 0.5}}, learner="sgd")(building)  # the cell again
    mine = experiments.get("mine", lr=0.1)
    assert (mine.learner_name, mine.settings, mine.title) == ("sgd", SGDSettings(0.1), "Mine")
    assert mine.presets["fast"] == {"lr": 0.5} and mine.recipe() == {}
    other = experiments.get("mine", learner="hamiltonian", eta=0.5)
    assert other.settings == Settings(tau=1.0, eta=0.5, beta=0.05, phi=1.0)
    assert other.presets["fast"] == {"beta": 0.5}
    with pytest.raises(HLError, match="momentum"):
        experiments.get("mine", momentum=0.5)  # the builder's or the learner's?
    assert experiments.get("mine", learner="hamiltonian", momentum=0.5).options["momentum"] == 0.5


def test_what_cannot_be_made_again_by_name_has_no_recipe():
    iris_linear = experiments.get("iris-linear", batch=3)
    assert iris_linear.recipe() == {"batch": 3}
    assert iris_linear.replace(order="euler", seed=3).recipe() == {"batch": 3, "order": "euler"}
    for changed in ({"loss": lambda y, t: y.sum()}, {"build": building}, {"name": "mine"}, {"origin": None}):
        with pytest.raises(HLError, match="register"):
            iris_linear.replace(**changed).recipe()


def test_devices_take_hl_on_a_replayable_stream_alone(monkeypatch):
    from hlcore.devices.job import Job
    from tests.contracts.test_world import Ring, td

    monkeypatch.setattr(registry, "_ENTRIES", registry.listed())

    def world(seed):
        return Setup(OutputNetwork(torch.nn.Linear(6, 2)), Ring(seed), td, Settings())

    experiments.register("ring", "Ring")(world)
    assert Job.of(experiments.get("digits-chain"), 3).steps == 3
    for wrong, word in ((experiments.get("digits-chain", learner="rtrl"), "rtrl"), (experiments.get("ring"), "world")):
        with pytest.raises(HLError, match=word):
            Job.of(wrong, 3)
