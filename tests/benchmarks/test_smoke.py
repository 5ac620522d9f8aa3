"""The races run; their figures are for reading, never a test."""

from . import reversible


def test_the_race_of_reversible_chains_runs(capsys):
    missed = reversible.race(4, 3, [4, 8])
    shown = capsys.readouterr().out
    assert "| 8 | Reversible, leapfrog | 0 |" in shown and "Goals" in shown
    assert not [m for m in missed if "grow" in m or "error" in m]
