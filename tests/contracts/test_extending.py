"""The examples of docs/extending.md do what the page says, in the panel too."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hlcore
import hlcore.lab
from hlcore.experiments import Experiment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def made():
    names = {"__name__": "extending"}
    sys.modules["extending"] = type(sys)("extending")
    for code in blocks("python"):
        exec(compile(code, "docs/extending.md", "exec"), names)
    return names


def test_network_stream_and_experiment_learn(made):
    experiment = hlcore.experiments.get("hopfield-levels")
    assert isinstance(experiment, Experiment) and "hopfield-levels" in hlcore.experiments.names()
    frozen = hlcore.experiments.get("hopfield-levels", beta=0.0).run(4000)
    assert float(experiment.run(4000).loss[-1000:].mean()) < 0.6 * float(frozen.loss[-1000:].mean()), "it learns"
    assert experiment.run(200).equals(experiment.run(200)), "the same bits every time"
    assert not experiment.run(200, seed=1).equals(experiment.run(200))


def test_the_learner_is_in_the_panel_with_its_sliders_equations_record_rewind_share_and_race(made):
    experiment = hlcore.experiments.get("hopfield-levels", learner="sign", rate=0.002)
    panel = hlcore.lab.Cockpit(experiment, figures=[made["Spectrum"], made["Spectrum"]])
    panel.step(700)
    before = panel.session.learner.point.clone()
    panel.set(rate=0.004)
    panel.step(50)
    assert float(panel.trajectory().rate[-1]) == pytest.approx(0.004)
    twin = hlcore.lab.Cockpit.from_state(panel.state_string())
    assert twin.session.learner.name == "sign" and twin.settings == panel.settings
    for name, p in panel.session.learner.point.theta.items():
        assert torch.equal(p, twin.session.learner.point.theta[name])
    panel.back(float(before.t))
    assert all(torch.equal(p, before.theta[k]) for k, p in panel.session.learner.point.theta.items())
    panel.race("hamiltonian")
    panel.step(20)
    assert panel.gap > 0
    assert "rate" in panel._controls.dials and "sign ∂L/∂θ" in panel._law.value
    code = panel.session.code()
    assert "learner='sign'" in code or 'learner="sign"' in code
    panel.close(), twin.close()


def test_what_the_learner_does_is_sign_descent(made):
    learner, stream = hlcore.experiments.get("hopfield-levels", learner="sign", rate=0.5).learner(0)
    before = learner.point.clone()
    learner.run(stream, 2)
    apart = [(p - before.theta[k]).abs() for k, p in learner.point.theta.items()]
    assert all(
        bool((torch.isclose(d, torch.full_like(d, 0.5)) | torch.isclose(d, torch.ones_like(d)) | (d == 0)).all())
        for d in apart
    )
    assert any(bool((d > 0).any()) for d in apart)


def test_a_figure_that_breaks_is_told_and_the_others_go_on(made):
    class Broken(made["Spectrum"]):
        def frame(self, run, view):
            raise ZeroDivisionError("by zero")

    panel = hlcore.lab.Cockpit(hlcore.experiments.get("hopfield-levels"), figures=[Broken, made["Spectrum"]])
    panel.step(3)
    panel.step(3)
    assert panel.session.learner.steps == 6
    panel.close()


def patched(place):
    """A copy of the package with the page's diff applied, a hunk being found by its unchanged lines."""
    shutil.copytree(ROOT / "hlcore", place / "hlcore", ignore=shutil.ignore_patterns("__pycache__"))
    added, files, file = 0, set(), None
    for line in blocks("diff")[0].splitlines():
        if line.startswith("+++ "):
            file = place / line.removeprefix("+++ b/")
            files.add(file.name)
        elif line.startswith(("---", "@@")):
            pending, anchor = [], None
        elif line.startswith("+"):
            added += 1
            text = line[1:]
            if anchor is None:
                pending.append(text)
            else:
                content = file.read_text()
                file.write_text(content.replace(anchor + "\n", f"{anchor}\n{text}\n"))
                anchor = text
        else:
            anchor, content = line[1:], file.read_text()
            assert anchor + "\n" in content, f"the page's {anchor!r} is not in {file.name}"
            if pending:
                file.write_text(content.replace(anchor + "\n", "\n".join([*pending, anchor]) + "\n"))
                pending = []
    return added, files


def test_a_setting_takes_two_files_and_four_lines(tmp_path):
    added, files = patched(tmp_path)
    assert (added, files) == (3, {"settings.py", "weights.py"})
    script = """
import torch, hlcore, hlcore.lab
from hlcore import HLError, Learner, OutputNetwork, Sample, Settings
panel = hlcore.lab.Cockpit(hlcore.experiments.get("tracker-sinusoid", kappa=0.5))
panel.step(100)
panel.set(kappa=0.25)
panel.step(10)
assert float(panel.trajectory().kappa[-1]) == 0.25 and float(panel.trajectory().kappa[0]) == 0.5
assert hlcore.lab.Cockpit.from_state(panel.state_string()).settings.kappa == 0.25
assert "kappa" in panel._controls.dials, sorted(panel._controls.dials)
try:
    panel.settings.to_sgd(); raise SystemExit("to_sgd said nothing")
except HLError as error:
    assert "kappa" in str(error)
net = OutputNetwork(torch.nn.Linear(1, 1, bias=False))
with torch.no_grad(): net.module.weight.fill_(2.0)
settings = Settings(tau=0.1, eta=10.0, beta=1.0, phi=1.0, kappa=3.0)
learner = Learner(net, torch.nn.functional.mse_loss, settings, "sequential")
learner.step(Sample(torch.zeros(1, 1), torch.zeros(1, 1)))
assert abs(float(net.module.weight) - (2.0 - 0.1 * 0.1 * 3.0 * 2.0)) < 1e-6, float(net.module.weight)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
