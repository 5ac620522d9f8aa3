"""The signal school: what is taught and what is not, exams by hand, and a student that passes them."""

import json

import pytest
import torch

from hlcore import HLError, Learner, experiments
from hlcore.networks import Network
from hlcore.studies.signal_school import HELD_OUT, SIGNALS, TOKENS, Lectures, describe, exam, grades, heard, run_free
from hlcore.studies.signal_school.__main__ import main
from hlcore.studies.signal_school.results import EXPERIMENTS, Student, examined, row, trained


class Counter(Network):
    """h counts the steps, y = τ h: it sings the straight line."""

    def __init__(self, slope=1.0):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(slope))

    def initial_state(self, batch_size):
        return {"n": torch.zeros(batch_size, 1)}

    def velocity(self, u, h, tau):
        return {"n": torch.ones_like(h["n"]) / tau}

    def output(self, u, h):
        return self.slope * 0.1 * h["n"]


@pytest.mark.parametrize(("order", "first"), [("euler", 0), ("sequential", 1)])
def test_an_exam_is_its_formula_and_leaves_the_student_as_it_was(order, first):
    network = Counter().train()
    found = exam(network, lambda t: 0.5 * t, ("square", "hf"), steps=50, order=order)
    sung = 0.1 * (torch.arange(50.0) + first)
    target = 0.05 * torch.arange(50.0)
    assert torch.allclose(found.output.flatten(), sung) and torch.allclose(found.target.flatten(), target)
    assert found.mse == pytest.approx(float((sung - target).square().mean()))
    assert network.training and float(network.slope) == 1.0
    assert exam(Counter(0.5), lambda t: 0.5 * t, ("hf",), steps=50).mse <= 1e-12 < found.mse


def test_all_exams_side_by_side_are_each_by_itself():
    setup = experiments.get("signal-school").setup(0)
    Learner(setup.network, setup.loss, setup.settings, setup.order).run(setup.stream, 700)
    together = grades(setup.network, steps=200)
    for name, signal in SIGNALS.items():
        assert exam(setup.network, signal.x, signal.tokens, steps=200).mse == pytest.approx(together[name], abs=1e-6)
    assert len({round(x, 4) for x in together.values()}) > 4


def test_the_signals_are_what_the_authors_describe():
    """Three tokens each, all different; 1000 steps of .1 are whole periods; the powers are Σa²/2 and a²."""
    assert len({s.tokens for s in SIGNALS.values()}) == 8 and all(len(s.tokens) == 3 for s in SIGNALS.values())
    for name, power in (("smoHfHa", (0.8**2 + 2 * 0.16**2) / 2), ("squHfHa", 1.0), ("squLfLa", 0.25)):
        x = heard(SIGNALS[name].x, 2000, 0.1).flatten()
        assert torch.allclose(x[:1000].square().mean(), torch.tensor(power), atol=1e-3)
        assert (x[:1000] - x[1000:]).abs().lt(1e-4).float().mean() > 0.98  # a jump may fall to either side
    assert float(heard(SIGNALS["squHfHa"].x, 1, 0.1)) == -1.0, "phase .5: it begins below"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_nothing_of_the_held_out_signal_is_ever_heard(experiment):
    for held in SIGNALS:
        stream = experiments.get(experiment, held_out=held, steps=50).stream
        assert isinstance(stream, Lectures) and stream.length == 3 * 7 * stream.lecture
        unheard, heard_of = describe(SIGNALS[held].tokens), set()
        for sample in stream:
            assert not torch.equal(sample.u[:, : len(TOKENS)], unheard)
            heard_of.add(tuple(sample.u[0, : len(TOKENS)].tolist()))
        assert len(heard_of) == 7
    assert len(experiments.get(experiment, held_out="none", steps=10).stream.names) == 8


@pytest.mark.slow
def test_a_student_passes_all_eight_exams_and_the_authors_student_does_not():
    """Forward HL alone, three rounds: at most .1 on what was taught, .05 on what was not; the control is the baseline,
    which has no weights for a description that it never heard."""
    found = trained(Student("signal-school", HELD_OUT, 0))
    assert max(found.values()) <= 0.1 and found[HELD_OUT] <= 0.05
    untaught = grades(experiments.get("signal-school").network)
    assert untaught[HELD_OUT] == pytest.approx(0.25), "before the lectures it is silent"
    baseline = trained(Student("signal-school-baseline", HELD_OUT, 0))
    assert baseline[HELD_OUT] > 0.05 and baseline["smoLfLa"] <= 0.1


def test_the_command_reads_what_is_there_and_counts_who_passed(tmp_path, capsys):
    good = dict.fromkeys(SIGNALS, 0.04)
    for seed, g in enumerate((good, good | {HELD_OUT: 0.06}, good | {"smoHfHa": 0.11}, good | {"smoHfHa": 0.09})):
        (tmp_path / f"signal-school-{HELD_OUT}-{seed}.json").write_text(json.dumps(g))
    told = [
        "--experiments",
        "signal-school",
        "--held-out",
        HELD_OUT,
        "--results",
        str(tmp_path),
        "--out",
        str(tmp_path),
    ]
    assert main([*told, "--seeds", "4"]) == 0
    assert "passed 2 of 4" in capsys.readouterr().out
    page = (tmp_path / "signal-school.md").read_text()
    assert f"| {HELD_OUT} | 2 of 4 | 0.044 | 0.110 | 0.045 | 0.060 |" in page
    results = dict(examined([Student("signal-school", HELD_OUT, k) for k in range(4)], tmp_path))
    assert row(results, "signal-school", HELD_OUT).taught_worst == 0.11
    assert main([*told, "--seeds", "0"]) == 1 and main(["--held-out", "squ"]) == 1
    assert "squ" in capsys.readouterr().err


def test_bad_input_is_told():
    network = Counter()
    for make, word in (
        (lambda: exam(network, lambda t: t, ("hg",)), "hg"),
        (lambda: exam(network, lambda t: t, "hf"), "tokens"),
        (lambda: exam(network, lambda t: t, ("hf",), steps=0), "steps"),
        (lambda: run_free(network, describe(("hf",)), 3, 0.1, "backwards"), "order"),
        (lambda: Lectures({}), "signals"),
        (lambda: experiments.get("signal-school", held_out="squ"), "held_out"),
    ):
        with pytest.raises(HLError, match=word):
            make()
