"""The film: what is found again on the way back, what is kept, and when Reversible refuses."""

import numpy as np
import pytest
import torch

from hlcore import HLError, Reversible
from hlcore.lab import Film
from hlcore.lab.demos.reversal_film import DEPTHS, TRUSTED
from hlcore.studies.reversal import UNITS, Turn, reel


def test_the_states_there_are_those_of_reversible():
    shown = reel(32, 0.3)
    torch.manual_seed(0)
    h = torch.randn(1, UNITS, dtype=torch.float64)
    chain = Reversible([Turn(0.3) for _ in range(32)], 0.1)
    with torch.no_grad():
        assert np.allclose(chain(h).numpy()[0], shown.there[-1], atol=1e-12)
    assert abs(shown.there[-1] - shown.there[0]).max() > 0.1, "something moved"


def test_turning_states_are_found_again_and_decaying_ones_are_not():
    good, bad = reel(256), reel(256, 1.0)
    assert good.error.max() < 1e-12 and good.drift < 1e-12 and not good.refused
    assert bad.drift > TRUSTED and "drift" in bad.refused and bad.error[0] > TRUSTED
    assert bad.error[0] > 1e3 * bad.error[-3], "what is lost grows on the way back"


def test_stored_activations_grow_with_depth_and_the_films_do_not():
    few, many = reel(8), reel(256)
    assert many.kept == few.kept and many.stored >= 30 * few.stored and few.kept < few.stored


def test_the_panel_plays_there_and_back():
    film = Film()
    film.set(depth=8).reset()
    assert film.length == 16 and "there, block 1 of 8" in film._status.value
    assert np.isnan(np.array(film.figure.data[1].z, float)).all()
    film.step(9)
    back = np.array(film.figure.data[1].z, float)
    assert "back, block 6 of 8" in film._status.value and np.isfinite(back).any(0).tolist() == [False] * 6 + [True] * 3
    film.step(6)
    assert np.allclose(np.array(film.figure.data[1].z, float), np.array(film.figure.data[0].z, float))
    assert "trusted" in film._status.value and "⚠" not in film._status.value
    film._controls["gamma"].set_state({"value": 2.0})
    film.set(depth=DEPTHS[-1])
    assert "refuses" in film._status.value and film.chosen["gamma"] == 2.0


def test_bad_input_is_told_and_changes_nothing():
    film = Film()
    for change in ({"depth": 1}, {"gamma": -1.0}, {"tau": 0.0}, {"blocks": 3}):
        with pytest.raises(HLError):
            film.set(**change)
    assert film.chosen == {"depth": 64, "gamma": 0.0, "tau": 0.1} and repr(film) == "Film()"
