"""The races run; their figures are for reading, never a test."""

from . import delay, reversible


def test_the_race_of_reversible_chains_runs(capsys):
    missed = reversible.race(4, 3, [4, 8], least=1)
    shown = capsys.readouterr().out
    assert "| 8 | Reversible, leapfrog | 0 |" in shown and "Goals" in shown
    assert not [m for m in missed if "grow" in m or "error" in m]


def test_the_race_against_delay_runs(capsys):
    delay.race(0.03, depths=(2,))
    shown = capsys.readouterr().out
    assert "### digits, 60 ticks" in shown and "| own readouts |" in shown and "inf" not in shown
