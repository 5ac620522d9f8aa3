"""A run as a page: from the panel and from the command line, also of a run that broke."""

import base64
import json
import re

import numpy as np
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


def column(frame, k):
    """The values of a line of the page."""
    return np.frombuffer(base64.b64decode(frame["columns"][k]), "<f4")


def test_the_forks_of_a_panel_are_on_its_page_beside_the_run(tmp_path):
    panel = Cockpit(hlcore.experiments.get("tracker-sinusoid"))
    alone = told(panel.step(100).page(tmp_path / "alone.html"))
    panel.at(5.0)
    panel.fork(eta=1.0)
    panel.pick(None)
    panel.fork(beta=0.1)
    data = told(panel.step(60).page(tmp_path / "run.html"))
    assert alone["forks"] == [] and len(alone["frames"]["curves"]["plan"]["rows"]) == 7
    panel.time.tree.catch_up(10.0)
    data = told(panel.page(tmp_path / "run.html"))
    assert [(f["at"], f["changes"], f["error"]) for f in data["forks"]] == [(50, ["η = 1"], ""), (100, ["β = 0.1"], "")]
    again = Cockpit.from_state(data["state"])
    assert again.forks().keys() == panel.forks().keys() == {f["name"] for f in data["forks"]}
    frame, rows = data["frames"]["curves"], data["frames"]["curves"]["plan"]["rows"]
    names = [(row["symbol"], line["name"], line["ink"]) for row in rows for line in row["lines"]]
    for k, name in enumerate(panel.forks(), start=1):
        assert {(symbol, name, k) for symbol in ("y", "L", "|Δθ|")} <= set(names)
        shown, apart = column(frame, 1 + names.index(("|Δθ|", name, k))), panel.compare(name)
        assert np.isnan(shown).sum() == 0 and shown[-1] > 0 and np.allclose(shown, apart["gap"], rtol=1e-6)
        assert abs(float(data["forks"][k - 1]["apart"]) / panel.time.tree.apart(name) - 1) < 1e-2
    assert np.allclose(column(frame, 1 + names.index(("|Δθ|", "η = 1", 1)))[:50], 0), "the control: they share a past"
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
