"""Files are whole or not there: writers that are killed, files that are cut, altered, foreign or of another version."""

import copy
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from hlcore import HLError, Learner, OutputNetwork, Sample, streams
from hlcore.files import write_whole
from hlcore.studies.paper_grid import training
from hlcore.studies.signal_school.results import SIGNALS, Student, examined

ROOT = Path(__file__).parents[2]


def test_a_killed_writer_leaves_whole_files():
    found = subprocess.run(
        [sys.executable, "-m", "tests.contracts.kills", "5"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.startswith("5 kills")


def learner():
    torch.manual_seed(0)
    return Learner(OutputNetwork(nn.Linear(3, 2)), mse_loss)


def stepped():
    made = learner()
    for k in range(3):
        made.step(Sample(torch.ones(1, 3), torch.full((1, 2), float(k))))
    return made


def spoilt(whole, draw):
    """Whole files made bad: cut short, one byte altered, foreign, of an older format."""
    yield from (whole[: draw.randrange(len(whole))] for _ in range(40))
    for _ in range(200):
        at = draw.randrange(len(whole))
        yield whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :]
    yield from (b"", b"\0" * 64, b"PK\x03\x04 no zip", b"u,y\n1,2\n", whole + b"more", b"{}", b"null", b"[1]")
    yield whole.replace(b'\\"format\\": 3', b'\\"format\\": 2')


def test_a_spoilt_checkpoint_is_told_and_changes_nothing(tmp_path):
    stepped().save(tmp_path / "a.hl")
    whole = (tmp_path / "a.hl").read_bytes()
    told = 0
    for content in spoilt(whole, random.Random(0)):
        (tmp_path / "b.hl").write_bytes(content)
        network = OutputNetwork(nn.Linear(3, 2))
        before, draws = copy.deepcopy(network.state_dict()), torch.get_rng_state()
        try:
            found = Learner.load(tmp_path / "b.hl", network, mse_loss)
        except HLError:
            told += 1
            assert all(torch.equal(x, before[k]) for k, x in network.state_dict().items())
            assert torch.equal(torch.get_rng_state(), draws)
        else:  # a byte that means nothing, such as a blank in the header: the same point
            there = stepped().point
            assert all(torch.equal(x, there.theta[k]) for k, x in found.point.theta.items())
            assert all(torch.equal(x, there.omega[k]) for k, x in found.point.omega.items())
    assert told >= 240
    assert Learner.load(tmp_path / "a.hl", OutputNetwork(nn.Linear(3, 2)), mse_loss).steps == 3


def test_a_spoilt_result_of_the_grid_is_told(tmp_path):
    x = np.linspace(0, 1, 50)
    training.save(training.Result(x, x, x, x), tmp_path / "a.npz")
    for content in spoilt((tmp_path / "a.npz").read_bytes(), random.Random(1)):
        (tmp_path / "b.npz").write_bytes(content)
        try:
            found = training.load(tmp_path / "b.npz")
        except HLError:
            continue
        assert all(np.array_equal(part, x) for part in found)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"squHfHa": 0.1}', '{"squHfHa": "<img>"}'])
def test_a_spoilt_result_of_the_school_is_told(content, tmp_path):
    student = Student("signal-school", "squHfHa", 0)
    file = tmp_path / f"{student.name}.json"
    file.write_text(content)
    with pytest.raises(HLError, match="the student sits again"):
        list(examined([student], tmp_path))
    file.write_text(json.dumps(dict.fromkeys(SIGNALS, 0.25)))
    assert list(examined([student], tmp_path)) == [(student, dict.fromkeys(SIGNALS, 0.25))]


def test_a_spoilt_table_is_told(tmp_path):
    for content in (b"", b"\xff\xfe\0", b"a,b\n1,2,3\n4", b'a,b\n"1,2\n', b"PK\x03\x04", b"a\n<img src=x>\n1\n2\n"):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(HLError):
            streams.from_csv(tmp_path / "a.csv", columns="a")


def test_the_older_file_stays_where_there_is_no_room(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_whole(file, "older")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(HLError, match="No space left"):
        write_whole(file, "newer")
    assert file.read_text() == "older" and [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert shutil.disk_usage(tmp_path).free > 0, "the control: it was not the disk"
