"""The project's own promises: environment.yml = pyproject.toml, light import, style, types, the command line."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray
import yaml

import hlcore
from hlcore import experiments
from hlcore.__main__ import main

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def test_environment_yml_installs_what_pyproject_names():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    *conda, by_pip = environment["dependencies"]
    assert {re.split(r"[<>=]", d)[0] for d in conda} == {"python", "pip"}, "conda brings python and pip only"
    python_spec = next(d for d in conda if d.startswith("python"))
    assert PROJECT["requires-python"] in python_spec
    assert by_pip["pip"] == ["-c constraints.txt", "-e .[lab,test]"]
    assert set(PROJECT["optional-dependencies"]) == {"lab", "worlds", "test"}


def test_the_recipe_of_conda_forge_installs_what_pyproject_names():
    from packaging.requirements import Requirement

    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
    python_, *run = recipe["requirements"]["run"]
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    theirs = {"torch": "pytorch", "lazy-loader": "lazy_loader"}
    named = {(theirs.get(r.name, r.name.lower()), str(r.specifier)) for r in wanted}
    given = {(name, str(Requirement(f"x{bounds}").specifier)) for name, bounds in (text.split(" ") for text in run)}
    assert given == named and python_.startswith("python ")
    assert recipe["context"]["version"] == PROJECT.get("version", hlcore.__version__)


def test_every_dependency_has_a_tested_version_within_its_bounds_and_a_reason():
    from packaging.requirements import Requirement

    tested = pins()
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["lab"], *extras["worlds"], *extras["test"]]:
        requirement = Requirement(text)
        name = requirement.name.lower()
        assert name in tested, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(tested[name]), f"{text} does not admit {tested[name]}"
        line = next(x for x in (ROOT / "pyproject.toml").read_text().splitlines() if f'"{text}"' in x)
        assert "#" in line, f"{name} has no reason"
    assert tested["torch"] == "2.13.0" and tested["ipykernel"] == "7.3.0"


def test_import_is_light():
    heavy = ["ipywidgets", "plotly", "anywidget", "IPython", "xarray", "pandas", "scipy", "sklearn", "river"]
    code = f"import hlcore, sys; print([m for m in {heavy} if m in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"


def test_no_kernel_builds_a_grammar_of_web_addresses():
    """jsonschema 4.24 and newer do, through lark, whenever plotly's widgets are imported: half of a lab's start."""
    code = "import sys; from hlcore.lab import Chart; print('plotly' in sys.modules, 'lark' in sys.modules)"
    assert python("-c", code).stdout.strip() == "True False"


def test_a_cockpit_imports_what_it_shows():
    heavy = ["plotly", "pandas", "scipy", "sklearn", "river", "hlcore.lab.demos.valley", "hlcore.lab.doctor"]
    code = (
        f"import sys; from hlcore.lab import Cockpit; print([m for m in ['anywidget', *{heavy}] if m in sys.modules])"
    )
    assert python("-c", code).stdout.strip() == "['anywidget']"


@pytest.mark.parametrize("stub", sorted(ROOT.glob("hlcore/**/*.pyi")), ids=lambda stub: stub.parent.name)
def test_a_stub_names_each_file_of_its_package(stub):
    named = set(re.findall(r"^from \. import (\w+) as \1$", stub.read_text(), re.M))
    there = {file.stem for file in stub.parent.glob("*.py") if not file.name.startswith("_")}
    rooms_alone = stub.parent == ROOT / "hlcore"  # its files are commands and errors, imported by their whole names
    assert rooms_alone or not there - named, "a file that is asked for by `package.file` is found by its stub alone"
    package = importlib.import_module(".".join(stub.parent.relative_to(ROOT).parts))
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_doors_of_the_first_round_open_without_being_walked_through():
    code = """if True:
        import hlcore.lab, sys
        before = "plotly" in sys.modules
        from hlcore.lab import lanes, way
        print(before, lanes.timeline is hlcore.lab.timeline, callable(way.way))"""
    assert python("-c", code).stdout.strip() == "False True True"


@pytest.mark.parametrize("tool", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_style_and_types(tool):
    result = python("-m", *tool)
    assert result.returncode == 0, result.stdout + result.stderr


def test_files_are_short():
    for file in ROOT.glob("hlcore/**/*.py"):
        assert len(file.read_text().splitlines()) <= 300, file
    assert len((ROOT / "hlcore/reference.py").read_text().splitlines()) <= 60


def test_public_names_have_docstrings():
    for name in hlcore.__all__:
        assert getattr(getattr(hlcore, name), "__doc__", "x"), name


def test_the_makefile_and_the_readme_agree():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("make lab", "make test"):
        assert command in readme
        assert re.search(rf"^{command.split()[1]}:", makefile, re.M)
    for lab in sorted((ROOT / "labs").glob("*.ipynb")):
        assert lab.name in readme, f"{lab.name} is not on the map of the labs"


def test_a_test_that_hangs_is_named_once_and_ends_its_worker(tmp_path):
    """With the options of `make test`; else xdist runs it on one new worker after the other, until the day is over."""
    makefile, config = (ROOT / "Makefile").read_text(), (ROOT / "pyproject.toml").read_text()
    shared = re.search(r"^SHARED +:= (.+)", makefile, re.M)[1].split()
    lines = re.findall(r".*-m pytest.*", makefile)
    assert [bool(re.search(r"pytest -n \d \$\(SHARED\) ", line)) for line in lines] == [True, True]
    (tmp_path / "pyproject.toml").write_text(re.sub(r"(faulthandler_timeout =) 1200", r"\1 3", config))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("import time\n\ndef test_hangs():\n    time.sleep(1e6)\n")
    (tmp_path / "tests" / "test_b.py").write_text("def test_passes():\n    pass\n")
    run = [sys.executable, "-m", "pytest", "-n", "2", *shared]
    result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "1 failed, 1 passed" in result.stdout
    assert "crashed while running 'tests/test_a.py::test_hangs'" in result.stdout
    assert 'test_a.py", line 4 in test_hangs' in result.stderr + result.stdout


def test_list_names_every_experiment(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in experiments.names())


@pytest.mark.parametrize("suffix", [".nc", ".csv"])
def test_run_writes_the_trajectory(tmp_path, capsys, suffix):
    file = tmp_path / f"a{suffix}"
    assert main(["run", "iris-linear", "--steps", "30", "--set", "eta=0.3", "--seed", "2", "--out", str(file)]) == 0
    assert "30 steps" in capsys.readouterr().out
    expected = experiments.get("iris-linear", eta=0.3).run(30, seed=2)
    if suffix == ".nc":
        with xarray.open_dataset(file) as saved:
            assert saved.theta.equals(expected.theta) and saved.omega.shape[1] == 15
    else:
        rows = file.read_text().splitlines()
        assert len(rows) == 31 and float(rows[-1].split(",")[1]) == float(expected.loss[-1])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["run", "iris-lnear"], "iris-linear"),
        (["run", "iris-linear", "--set", "eta"], "NAME=VALUE"),
        (["run", "iris-linear", "--set", "etta=1"], "'eta'"),
        (["run", "iris-linear", "--set", "tau=0"], "> 0"),
        (["run", "iris-linear", "--out", "a.xls"], ".xls"),
        (["run", "iris-linear", "--out", "nowhere/a.nc"], "nowhere"),
        (["run", "iris-linear", "--steps", "0"], "steps"),
    ],
)
def test_a_bad_command_is_told(arguments, word, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert word in error and error.startswith("error:")


@pytest.mark.parametrize("name", experiments.names())
def test_every_preset_is_what_it_says(name):
    experiment = experiments.get(name)
    if set(experiment.presets) != {"good", "sluggish", "diverges"}:
        pytest.skip("has presets of its own")
    moved = {}
    for preset in ("good", "sluggish"):
        changed = experiment.replace(settings=experiment.settings.replace(**experiment.presets[preset]))
        theta = changed.run(100).theta
        moved[preset] = float(abs(theta[-1] - theta[0]).mean())
    assert moved["sluggish"] < 0.5 * moved["good"]
    diverging = experiment.settings.replace(**experiment.presets["diverges"])
    with pytest.raises(hlcore.Diverged):
        experiment.replace(settings=diverging).run(20_000, capacity=10)


def test_every_slow_test_on_the_list_is_there():
    from tests import slow

    listed = slow.listed()
    assert len(listed) > 100
    for one in sorted(listed):
        file, name = one.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), one


def test_the_list_of_slow_tests_is_made_of_pytests_durations():
    from tests import slow

    def lines(*shares):  # of what is too much
        return [f"{slow.MOST * share:.3f}s {what:<8} tests/{test}" for share, what, test in shares]

    told = lines(
        (0.8, "call", "a.py::test_b[x-1]"),
        (0.4, "setup", "a.py::test_b[x-1]"),  # together they are too much
        (0.8, "call", "a.py::test_c[1]"),
        (0.8, "call", "a.py::test_c[2]"),  # another case of it
        (9, "teardown", "d/e.py::test_f"),
    )
    found = slow.slow([*told, "", "3 passed in 0.9s"])
    assert found == {
        "tests/a.py::test_b": pytest.approx(1.2 * slow.MOST),
        "tests/d/e.py::test_f": pytest.approx(9 * slow.MOST),
    }


def test_workers_get_the_longest_files_first(monkeypatch):
    from tests import conftest, slow

    monkeypatch.setattr(slow, "listed", lambda: {"b.py::test_p": 2.0, "c.py::test_p": 1.5, "c.py::test_q": 1.5})
    names = ["a.py::test_z", "b.py::test_p[1]", "b.py::test_o", "c.py::test_q", "c.py::test_p"]
    items = [SimpleNamespace(nodeid=name, add_marker=lambda mark: None) for name in names]
    conftest.pytest_collection_modifyitems(SimpleNamespace(), items)
    assert [item.nodeid for item in items] == names, "alone, in their order"
    conftest.pytest_collection_modifyitems(SimpleNamespace(workerinput={}), items)
    assert [item.nodeid for item in items] == [*names[3:], *names[1:3], names[0]]
