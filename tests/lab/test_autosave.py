"""A kernel that dies loses seconds: its run lies on disk, and the next panel offers to go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import xarray

from hlcore import experiments
from hlcore.lab import Cockpit, autosave
from hlcore.runs.run import Run

ROOT = Path(__file__).parents[2]
NAME = "tracker-water-flow"
PLAYS = """
import asyncio
from hlcore import experiments
from hlcore.lab import Cockpit, autosave
autosave.EVERY = 0.05
async def main():
    panel = Cockpit(experiments.get("tracker-water-flow", eta=3.0)).set(beta=0.2)
    panel.play()
    await asyncio.sleep(3600)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def offer(panel):
    return "" if panel._keeping.again.layout.display == "none" else panel._keeping.again.description


def kept():
    return json.loads(autosave.place(experiments.get(NAME)).read_text())


def test_a_killed_kernel_loses_little_and_the_next_panel_goes_on_with_the_same_bits(tmp_path):
    kernel = subprocess.Popen([sys.executable, "-c", PLAYS], env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    file = autosave.place(experiments.get(NAME))
    while not file.exists() or kept()["steps"] < 200:
        assert kernel.poll() is None
        time.sleep(0.05)
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    steps = kept()["steps"]
    panel = Cockpit(experiments.get(NAME))
    assert offer(panel) == f"Go on from step {steps:,}"
    panel._keeping.again.click()
    assert panel.run.learner.steps == steps and panel.settings.eta == 3.0 and panel.settings.beta == 0.2
    assert offer(panel) == ""
    twin = Run(experiments.get(NAME, eta=3.0, beta=0.2))
    twin.step(steps)
    for a, b in zip(panel.run.learner.network.parameters(), twin.learner.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(panel.run.recorder) == len(twin.recorder) == min(steps, twin.recorder.capacity)
    other = Cockpit(experiments.get(NAME, learner="sgd"))
    assert offer(other) == "", "another learner is another run"
    panel.close(), other.close()


def test_at_rest_the_record_is_kept_and_ones_own_run_is_not_offered(monkeypatch):
    run, keeper = Run(experiments.get(NAME)), autosave.Autosave()
    run.step(30)
    keeper.keep(run, resting=True)
    assert not autosave.place(run.experiment).exists(), "what has never played for long leaves nothing"
    monkeypatch.setattr(autosave, "EVERY", 0.0)
    keeper.keep(run)
    run.step(5)
    keeper.keep(run, resting=True)
    assert kept()["steps"] == 35
    assert xarray.load_dataset(autosave.place(run.experiment).with_suffix(".nc"), engine="h5netcdf").sizes["time"] == 35
    assert autosave.left(run.experiment) is None
    monkeypatch.setattr(autosave, "SELF", "a new kernel")
    assert autosave.left(run.experiment) == (35, run.state_string())


@pytest.mark.parametrize("content", ["", "{", "null", '{"by": 1}', '{"by": "x", "steps": 9, "state": "hl1:<img>"}'])
def test_a_damaged_file_is_no_offer(content):
    file = autosave.place(experiments.get(NAME))
    file.parent.mkdir()
    file.write_text(content)
    panel = Cockpit(experiments.get(NAME))
    assert offer(panel) == ""
    panel.close()


def test_a_place_that_cannot_be_written_is_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(autosave, "EVERY", 0.0)
    (tmp_path / autosave.FOLDER).write_text("a file in the place of the folder")
    panel = Cockpit(experiments.get(NAME))
    panel.run.step(3)
    panel._keeping.keep()
    assert "not kept for a dead kernel" in panel._alarm.value
    panel.run.step(3)
    panel._keeping.keep()
    assert panel._keeping.autosave.trouble.count("not kept") == 1
    panel.close()


def test_a_run_that_is_reset_and_rests_is_kept_on(monkeypatch):
    monkeypatch.setattr(autosave, "EVERY", 0.0)
    panel = Cockpit(experiments.get(NAME), opening=0)
    saved = autosave.Autosave()
    panel.step(20)
    saved.keep(panel.run)
    saved.keep(panel.run, resting=True)
    assert kept()["steps"] == 20 and autosave.place(panel.run.experiment).with_suffix(".nc").exists()
    panel.reset()
    saved.keep(panel.run, resting=True)
    assert saved.trouble == "" and kept()["steps"] == 0, "nothing is on record yet, and that is no trouble"
    panel.step(30)
    saved.keep(panel.run, resting=True)
    assert saved.trouble == "" and kept()["steps"] == 30
    assert xarray.load_dataset(autosave.place(panel.run.experiment).with_suffix(".nc")).sizes["time"] == 30
