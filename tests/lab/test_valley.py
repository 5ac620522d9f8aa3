"""The valley of two weights: one path until a setting is touched."""

import asyncio

from hlcore.lab import Doctor, Film, Valley, jupyter, panels


def test_the_paths_are_one_to_the_bit_also_after_the_browser_has_snapped_its_sliders():
    valley = Valley()
    assert valley.gap == 0.0
    valley._controls["beta"].set_state({"value": 0.02 + 14 * 0.02})
    assert valley.settings.beta == 0.3 and valley.gap == 0.0
    valley._controls["beta"].set_state({"value": 0.32})
    assert valley.gap > 1e-3 and abs(valley.by_hl()[-1] - valley.by_hl()[0]).max() > 0.5


def test_the_ball_can_be_watched_on_its_way():
    valley = Valley(steps=6)
    assert valley.by_hl().shape == valley.by_sgd().shape == (7, 2) and len(valley.figure.data[2].x) == 7
    valley.reset()
    assert len(valley.figure.data[2].x) == 2 and "step 1 of 6" in valley._status.value

    async def played():
        valley = Valley(steps=6)
        valley._gate.set_state({"pong": 10**9})
        valley.play()
        await asyncio.wait_for(valley.wait(), 20)
        return valley

    assert asyncio.run(played()).at == 6
    valley.set(eta=1.0)
    assert valley.gap > 1e-3
    (back,) = [b for b in valley.children[0].children if getattr(b, "description", "") == "Back to SGD"]
    back.click()
    assert valley.gap == 0.0 and valley._controls["eta"].value == 0.4


def test_a_cell_that_runs_again_closes_every_kind_of_panel_of_its_earlier_run(monkeypatch):
    here = ["cell", "run 1"]
    monkeypatch.setattr(jupyter, "_here", lambda: tuple(here))
    earlier = [Valley(), Doctor(), Film()]
    assert all(panel in panels() for panel in earlier)
    here[1] = "run 2"
    again = Valley()
    assert again in panels() and not any(panel in panels() for panel in earlier)
    assert all(not panel.children for panel in earlier)
