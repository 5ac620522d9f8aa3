"""README's pictures made anew: python -m tests.browser.film writes docs/cockpit.png and docs/cockpit.gif."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image

from . import panel as panels
from . import site

CELL = 'import hlcore\nfrom hlcore.lab import Cockpit\nCockpit(hlcore.experiments.get("tracker-water-flow"))'
WIDTH, FRAMES, MOMENT = 1000, 30, 160  # pixels, pictures, milliseconds of each
MOVES = {6: ("η", 10), 14: ("β", 6), 20: ("η", -12)}  # at this picture that slider goes so many keys up or down


def main() -> None:
    """Play, turn two dials, and take pictures on the way."""
    folder, pictures = Path(tempfile.mkdtemp()), []
    panels.notebook(folder, CELL)
    with site.voila(folder / "a.ipynb") as address, site.page(1180, 720) as tab:
        panel = panels.in_voila(tab, address, folder)
        tab.wait_for_timeout(3000)  # the first steps to come
        place = tab.locator(".hl-panel")
        for k in range(FRAMES):
            if k == 3:
                tab.locator("select").filter(has_text="full speed").first.select_option("100 steps/s")
                panel.press("Play")
            name, keys = MOVES.get(k, ("η", 0))
            for _ in range(abs(keys)):
                panel.slide(name, "ArrowRight" if keys > 0 else "ArrowLeft")
            tab.wait_for_timeout(600)
            pictures.append(Image.open(io.BytesIO(place.screenshot())).convert("RGB"))
        tab.locator("select").filter(has_text="full speed").first.select_option("full speed")
        panel.until(lambda: panel.step() > 3500, 300, "3,500 steps")
        panel.press("Pause")
        panel.until(lambda: "paused" in panel.status(), what="the pause")
        tab.wait_for_timeout(500)
        place.screenshot(path=site.ROOT / "docs" / "cockpit.png")
    small = [p.resize((WIDTH, round(p.height * WIDTH / p.width)), Image.Resampling.LANCZOS) for p in pictures]
    both = Image.new("RGB", (WIDTH, 2 * small[0].height))  # one palette, of the first and the last: nothing flickers
    both.paste(small[0], (0, 0))
    both.paste(small[-1], (0, small[0].height))
    paper = both.quantize(64)
    first, *rest = [p.quantize(palette=paper, dither=Image.Dither.NONE) for p in small]
    look = {"duration": MOMENT, "loop": 0, "optimize": True}
    first.save(site.ROOT / "docs" / "cockpit.gif", save_all=True, append_images=rest, **look)


if __name__ == "__main__":
    main()
