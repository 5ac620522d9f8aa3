"""The valley of two weights: one path until a setting is touched."""

from hlcore.lab import Valley


def test_the_paths_are_one_to_the_bit_also_after_the_browser_has_snapped_its_sliders():
    valley = Valley()
    assert valley.gap == 0.0
    valley._sliders["beta"].set_state({"value": 0.02 + 14 * 0.02})
    assert valley.settings.beta == 0.3 and valley.gap == 0.0
    valley._sliders["beta"].set_state({"value": 0.32})
    assert valley.gap > 1e-3 and abs(valley.by_hl()[-1] - valley.by_hl()[0]).max() > 0.5
