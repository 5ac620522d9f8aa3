"""The house stays as it is drawn in docs/architecture.md: floors, names, one law, settings declared once."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hlcore
from hlcore import learners
from hlcore.declared import BaseSettings

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "hlcore"
FILES = sorted(p for p in HOUSE.rglob("*.py"))
FLOORS = [  # imports point down only
    {"errors", "files", "palette", "declared", "lists", "command", "words"},
    {"law", "reference"},
    {"networks", "streams"},
    {"records"},
    {"learners"},
    {"experiments"},
    {"runs"},
    {"studies"},
    {"devices"},
    {"adapters"},
    {"lab", "page"},
    {"online", "grid", "school", "arena", "__init__", "__main__"},
]
CONTRACT = {
    "Settings", "Sample", "PhasePoint", "Network", "OutputNetwork", "StateNetwork", "Chain", "Recurrent", "Rotations",
    "Reversible", "Learner", "Report", "bptt_gradient", "Recorder", "experiments", "learners", "streams", "HLError",
    "Diverged", "lab", "sweep", "sensitivity",
}  # fmt: skip


def module(path):
    parts = list(path.relative_to(HOUSE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(path):
    """Modules of our own that a file imports anywhere, also under TYPE_CHECKING and inside functions."""
    here = ["hlcore", *path.relative_to(HOUSE).with_suffix("").parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else []
            target = [*base, *(node.module.split(".") if node.module else [])]
            if target[:1] == ["hlcore"]:
                for alias in node.names:
                    whole = "/".join([*target[1:], alias.name])
                    found = (HOUSE / f"{whole}.py").exists() or (HOUSE / whole / "__init__.py").exists()
                    yield ".".join([*target[1:], alias.name] if found else target[1:])


def floor(name):
    room = name.split(".")[0] or "__init__"
    return next(k for k, rooms in enumerate(FLOORS) if room in rooms)


def test_every_room_has_its_floor():
    rooms = {module(p).split(".")[0] for p in FILES}
    assert rooms - {""} <= set().union(*FLOORS)


def test_no_import_points_upwards():
    up = [(module(p), target) for p in FILES for target in imported(p) if floor(target) > floor(module(p))]
    assert not up
    assert floor("lab.cockpit") > floor("law.hamiltonian") > floor("errors"), "the control: floors are told apart"


def test_no_circle():
    graph = {module(p): {t for t in imported(p) if t != module(p)} for p in FILES if p.name != "__init__.py"}
    done, way = set(), []

    def walk(name):
        assert name not in way, f"a circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name in done or name not in graph:
            return
        way.append(name)
        for target in graph[name]:
            walk(target)
        way.pop()
        done.add(name)

    for name in graph:
        walk(name)


def test_no_file_name_twice():
    names = Counter(p.name for p in FILES if p.name not in ("__init__.py", "__main__.py"))
    assert not [name for name, n in names.items() if n > 1]


def test_annotations_are_written_in_one_way():
    """Read as they stand, by everyone; a name that comes later is quoted."""
    assert [module(p) for p in FILES if "__future__" in p.read_text()] == []


def test_dir_is_the_contract():
    found = {name for name in dir(hlcore) if not name.startswith("_")}
    assert found == CONTRACT == set(hlcore.__all__)
    assert all(hasattr(hlcore, name) for name in CONTRACT)


def test_the_laws_own_factors_stand_in_two_files_only():
    """1 - τη_z, the factor of z, is in the law and in the reference; the weights' own in the law and with learners."""
    holds = [module(p) for p in FILES if "eta_z" in _arithmetic(p)]
    assert {h.split(".")[0] for h in holds} <= {"law", "reference", "learners"}
    assert [h for h in holds if h.startswith("law.")] == ["law.move"]
    euler = [module(p) for p in FILES if "def euler(" in p.read_text() or "def sequential(" in p.read_text()]
    assert euler == ["law.euler", "law.sequential"]


def _arithmetic(path):
    """Names of attributes that are multiplied somewhere in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            for side in (node.left, node.right):
                if isinstance(side, ast.Attribute):
                    found.add(side.attr)
    return found


def test_a_setting_is_named_at_its_declaration_alone():
    """No list of setting names: three of them in one literal outside a declaration are a list."""
    names = set().union(*(learners.get(name).settings_type.about() for name in learners.names()))
    names -= {"every", "window", "tau"}  # words that mean other things, too
    assert {"eta", "beta", "phi", "eta_z"} <= names
    lists = []
    for p in FILES:
        for node in ast.walk(ast.parse(p.read_text())):
            if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)):
                parts = node.keys if isinstance(node, ast.Dict) else node.elts
                said = {e.value for e in parts if isinstance(e, ast.Constant) and isinstance(e.value, str)}
                if len(said & names) >= 3:
                    lists.append((module(p), sorted(said & names)))
    assert [place for place, _ in lists if place != "law.settings"] == []
    assert all(issubclass(learners.get(name).settings_type, BaseSettings) for name in learners.names())


@pytest.mark.parametrize("name", ["ipywidgets", "plotly", "anywidget", "matplotlib", "sklearn", "river", "xarray"])
def test_importing_the_package_brings_no_heavy_library(name):
    code = f"import sys, hlcore; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_studies_that_are_commands_take_one_thread():
    """Small tensors only wait for a second one; where both cores are busy that takes ten times as long as the work."""
    commands = [p for p in (HOUSE / "studies").glob("*.py") if "__main__" in p.read_text()]
    assert len(commands) > 5
    assert [p.name for p in commands if "torch.set_num_threads(1)" not in p.read_text()] == []
