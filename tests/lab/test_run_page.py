"""A run as a page: from the panel and from the command line, also of a run that broke."""

import json
import re

import pytest

import hlcore
from hlcore.__main__ import main
from hlcore.lab import Cockpit
from hlcore.page.document import as_json


def told(path):
    """What a page holds, read as data."""
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S).group(1))


def test_the_panel_writes_its_run(tmp_path):
    panel = Cockpit(hlcore.experiments.get("tracker-sinusoid"))
    panel.step(120).set(eta=3.0).step(30)
    data = told(panel.page(tmp_path / "run.html"))
    assert data["state"] == panel.state_string() and data["changes"] == [[120, "η = 3"]] and data["steps"] == 150
    assert len(data["frames"]["curves"]["columns"]) == 1 + 2 + 4 * 2 + 2 + 1, "t, y, h z θ ω, L, H'"
    panel.close()


def test_the_command_writes_what_there_was_before_a_run_broke(tmp_path, capsys):
    file = tmp_path / "run.html"
    assert main(["run", "tracker-sinusoid", "--set", "phi=1e30", "--steps", "500", "--page", str(file)]) == 1
    assert "non-finite" in capsys.readouterr().err and told(file)["steps"] < 500
    assert main(["run", "iris-mlp", "--steps", "40", "--seed", "3", "--page", str(file)]) == 0
    assert told(file)["seed"] == 3 and "40 steps" in capsys.readouterr().out
    for wrong in (["--every", "2"], ["--out", str(tmp_path / "a.nc")]):
        assert main(["run", "iris-mlp", "--page", str(file), *wrong]) == 1
    assert main(["run", "iris-mlp", "--page", str(tmp_path / "nowhere" / "a.html")]) == 1


def test_a_run_that_no_line_can_tell_says_so(tmp_path):
    experiment = hlcore.experiments.get("tracker-sinusoid")
    settings = experiment.settings.replace(phi=lambda t: 1.0)
    panel = Cockpit(experiment.replace(settings=settings))
    panel.step(3)
    data = told(panel.page(tmp_path / "run.html"))
    assert data["state"] == "" and "phi" in data["untold"]
    panel.close()


def test_no_json_ends_its_element():
    text = as_json({"</script>": "<!-- & \u2028 >"})
    assert not set("<>&\u2028") & set(text) and json.loads(text) == {"</script>": "<!-- & \u2028 >"}
    with pytest.raises(hlcore.HLError):
        as_json({"a": float("nan")})
