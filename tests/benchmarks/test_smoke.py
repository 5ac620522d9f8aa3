"""The races run; their figures are for reading, never a test."""

import numpy as np
import pytest
import torch

from . import cuda, delay, reversible
from .streams import page, race


def test_the_race_of_reversible_chains_runs(capsys):
    missed = reversible.race(4, 3, [4, 8], least=1)
    shown = capsys.readouterr().out
    assert "| 8 | Reversible, leapfrog | 0 |" in shown and "Goals" in shown
    assert not [m for m in missed if "grow" in m or "error" in m]


def test_the_race_against_delay_runs(capsys):
    delay.race(0.03, depths=(2,))
    shown = capsys.readouterr().out
    assert "### digits, 60 ticks" in shown and "| own readouts |" in shown and "inf" not in shown


def test_the_race_on_real_streams_runs(capsys):
    names = ("water-flow", "passengers")
    results = race.race(2, ("persistence", "echo", "hl linear", "sgd"), names)
    shown = capsys.readouterr().out
    assert "| persistence | 0.419 (1.000) | 28.6 (1.000) | 1.000 |" in shown and "river LinearRegression" in shown
    assert race.best(results, "passengers", True) == "hl linear" and page.marks(results, "hl linear", "water-flow")


def test_a_duel_counts_standard_errors():
    noise = np.random.default_rng(0).normal(size=(1, 4000))
    assert abs(race.against(noise[:, :2000], noise[:, 2000:])) < 3
    assert race.against(noise, noise) == 0
    assert race.against(noise - 0.2, np.zeros((1, 4000))) < -5 < 5 < race.against(np.zeros((1, 4000)), noise - 0.2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_race_on_a_gpu_says_in_one_line_that_there_is_none(capsys):
    assert cuda.main() == 0
    assert capsys.readouterr().out == f"no GPU that torch {torch.__version__} can use: nothing measured\n"
