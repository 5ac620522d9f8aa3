"""The lab as a page in Chromium, from a file: its first picture, and its frames while it plays:
python -m tests.benchmarks.page_frames."""

import tempfile
import time
from pathlib import Path
from typing import Any

from hlcore.page import lab_page
from tests.browser import site

SIZES = ((390, 844), (1366, 768))
SPEEDS = ("100", "1000", "Infinity")  # steps a second
FRAMES = """async () => {
  lab.load(lab.run.state); lab.speed = SPEED; lab.toggle();
  await new Promise((done) => setTimeout(done, 2000));
  const frames = () => Number(document.querySelector("canvas").dataset.frames);
  const gaps = [], began = performance.now(), drawn = frames(), steps = lab.run.steps;
  let last = began;
  await new Promise((done) => {
    const tick = () => {
      const now = performance.now();
      gaps.push(now - last); last = now;
      if (now - began < 5000) requestAnimationFrame(tick); else done();
    };
    requestAnimationFrame(tick);
  });
  const seconds = (performance.now() - began) / 1000;
  gaps.sort((a, b) => a - b);
  const result = [(frames() - drawn) / seconds, (lab.run.steps - steps) / seconds, gaps[gaps.length >> 1]];
  lab.toggle();
  return result;
}"""


def first_picture(tab: Any, page: Path) -> float:
    """Seconds from the address to the first drawn canvas."""
    since = time.perf_counter()
    tab.goto(f"file://{page}?lang=en")
    tab.wait_for_function("() => Number(document.querySelector('canvas')?.dataset.frames) > 0")
    return time.perf_counter() - since


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp())
    page = lab_page.write(folder)
    print(f"the page: {page.stat().st_size / 1000:.0f} kB")
    print("| size | speed asked | first picture, s (≤ 1) | frames a second (60) | steps a second | median gap, ms |")
    print("|---|--:|--:|--:|--:|--:|")
    for width, height in SIZES:
        with site.page(width, height) as tab:
            for speed in SPEEDS:
                seen = first_picture(tab, page)
                frames, steps, gap = tab.evaluate(FRAMES.replace("SPEED", speed))
                print(
                    f"| {width} × {height} | {speed} | {seen:.2f} | {frames:.1f} | {steps:,.0f} | {gap:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
