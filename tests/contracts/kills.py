"""Processes that write files are killed at random moments: python -m tests.contracts.kills [200]."""

import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import xarray
from torch.nn.functional import mse_loss

import hlcore
from hlcore.files import write_whole
from hlcore.records import export
from hlcore.studies.paper_grid import training

UNITS = 60  # 3600 weights and their costates: a file that takes a while


def learner(value):
    """One whose weights are all the same, so that a mixture of two files would be seen."""
    made = hlcore.Learner(hlcore.OutputNetwork(torch.nn.Linear(UNITS, UNITS)), mse_loss)
    with torch.no_grad():
        for p in made.network.parameters():
            p.fill_(value)
    return made


def record(value):
    data = np.full((400, 40), float(value))
    return xarray.Dataset(
        {"theta": (("time", "unit"), data), "loss": ("time", data[:, 0])}, {"step": ("time", np.arange(400))}
    )


def checkpoint(folder, value):
    learner(value).save(folder / "a.hl")


def netcdf(folder, value):
    export.save(record(value), folder / "a.nc")


def table(folder, value):
    export.save(record(value), folder / "a.csv")


def grid(folder, value):
    x = np.full(5000, float(value))
    training.save(training.Result(**dict.fromkeys(training.Result._fields, x)), folder / "a.npz")


def school(folder, value):
    write_whole(folder / "a.json", json.dumps({f"signal {k}": float(value) for k in range(3000)}))


def seen(folder):
    """The values that the files hold, each of them whole."""
    found = {}
    if (file := folder / "a.hl").exists():
        read = hlcore.Learner.load(file, hlcore.OutputNetwork(torch.nn.Linear(UNITS, UNITS)), mse_loss)
        found["a.hl"] = {float(x) for p in read.network.parameters() for x in p.detach().unique()}
    if (file := folder / "a.nc").exists():
        found["a.nc"] = set(np.unique(xarray.load_dataset(file, engine="h5netcdf").theta).tolist())
    if (file := folder / "a.csv").exists():
        rows = file.read_text().splitlines()
        assert len(rows) == 401
        found["a.csv"] = {float(row.split(",")[1]) for row in rows[1:]}
    if (file := folder / "a.npz").exists():
        found["a.npz"] = set(np.unique(np.concatenate([np.atleast_1d(x) for x in training.load(file)])).tolist())
    if (file := folder / "a.json").exists():
        found["a.json"] = set(json.loads(file.read_text()).values())
    return found


WRITERS = {"checkpoint": checkpoint, "netcdf": netcdf, "csv": table, "grid": grid, "school": school}


def write_for_ever(folder, first):
    """All five files, value after value; says when the first round is on disk."""
    for value in itertools.count(first):
        for write in WRITERS.values():
            write(folder, value)
        if value == first:
            (folder / "begun").touch()


def killed(times, seed=0):
    """(kills, values that were seen): each finds five files that are whole, none older than the round before."""
    draw, value, values = random.Random(seed), 1, set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(times):
            (folder / "begun").unlink(missing_ok=True)
            child = os.fork()
            if not child:
                write_for_ever(folder, value)
            while not (folder / "begun").exists():
                assert os.waitpid(child, os.WNOHANG) == (0, 0), "the writer ended by itself"
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.2))
            os.kill(child, signal.SIGKILL)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
            found = seen(folder)
            assert len(found) == len(WRITERS), f"lost: {sorted(found)}"
            for file, held in found.items():
                assert len(held) == 1, f"{file} is mixed: {held}"
                assert max(held) >= value, f"{file} is older than {value}: {held}"
            values |= {x for held in found.values() for x in held}
            value = int(max(values)) + 1
    return times, len(values)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("{} kills: no file unreadable, mixed or lost; {} values were seen".format(*killed(int([*sys.argv, 200][1]))))
