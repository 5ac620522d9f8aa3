"""The panel in Japanese, as `make lab` opens it: all in view, nothing cut off, its letters in pictures too."""

import subprocess

import pytest

from .test_one_screen import all_in_view, opened

pytestmark = pytest.mark.browser

# whether two letters look alike in a picture: where no font has them, both are the same box
ALIKE = """(letters) => { const drawn = letters.map(letter => { const sheet = document.createElement('canvas');
    const c = sheet.getContext('2d'); c.font = "40px system-ui, 'DejaVu Sans', sans-serif"; c.fillText(letter, 20, 60);
    return sheet.toDataURL(); }); return drawn[0] === drawn[1]; }"""


def test_all_of_it_is_in_view_and_pictures_have_its_letters(tmp_path, monkeypatch):
    monkeypatch.setenv("HL_LANG", "ja")
    with opened(tmp_path, "再生") as panel:
        panel.press("n 歩")
        panel.until(lambda: panel.status().startswith("停止中 · 100 歩"), what="100 steps")
        all_in_view(panel)
        for name in ("表示する行", "保存", "実行", "地図", "相図"):
            panel.tab.locator(f".lm-TabBar-tabLabel:text-is('{name}')").first.click()
            panel.tab.wait_for_timeout(300)
            assert panel.cut() == []
        assert panel.tab.locator(".hl-panel").first.get_attribute("lang") == "ja" and panel.errors == []
        if subprocess.run(["fc-list", ":lang=ja"], capture_output=True, check=False).stdout:
            assert not panel.tab.evaluate(ALIKE, ["日", "本"]) and panel.tab.evaluate(ALIKE, ["日", "日"])
