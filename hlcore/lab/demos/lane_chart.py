"""What each rank of a run over devices did when, as a picture."""

from typing import TYPE_CHECKING

import numpy as np
from IPython.display import HTML

from ...errors import bad
from ...palette import BLACK, BLUE, GREEN, PALE, SKY, WHITE
from ..figures.ticks import ticks as ticks_of

if TYPE_CHECKING:
    import xarray

# what a rank does in a tick: its colour, that of the letter on it, the letter, the words of the legend
PARTS = {
    "forward": (BLUE, WHITE, "h", "computes the next state"),
    "backward": (SKY, BLACK, "∂", "differentiates H'"),
    "wait": (PALE, BLACK, "…", "waits for a neighbour"),
    "update": (GREEN, WHITE, "θ", "moves z, ω and θ"),
}
WIDTH, LEFT, ROW, TOP, BOTTOM = 1000, 60, 36, 30, 26
BAR = 26  # height of a bar


def timeline(lanes: "xarray.Dataset", ticks: int = 6) -> HTML:
    """The last `ticks` ticks: a lane per rank, a bar for each thing it did, a letter and a colour saying which.

    lanes  `Outcome.lanes` of hlcore.devices
    """
    if not 1 <= ticks < lanes.sizes["tick"]:
        raise bad("ticks", ticks, f"1 to {lanes.sizes['tick'] - 1} of the ticks that were kept")
    moment = lanes.moment.values[:, -ticks - 1 :]
    start, end = moment[:, 0, 0].min(), moment[:, -1, 0].max()
    scale = (WIDTH - LEFT - 10) / (end - start)
    shapes = _legend()
    for lane in range(len(moment)):
        y = TOP + ROW * lane
        shapes.append(f'<text x="0" y="{y + 18}" fill="currentColor">rank {lane}</text>')
        for k in range(ticks):
            begun, forward, _, sent, done = moment[lane, k]
            cuts = {"forward": (begun, forward), "backward": (forward, sent), "wait": (sent, done)}
            cuts["update"] = done, moment[lane, k + 1, 0]
            tick = int(lanes.tick[k - ticks - 1])
            for what, (a, b) in cuts.items():
                title = f"rank {lane}, tick {tick}: {PARTS[what][3]}, {1e3 * (b - a):.2f} ms"
                shapes.append(_bar(what, LEFT + scale * (a - start), y, max(scale * (b - a), 0.3), title))
    height = TOP + ROW * len(moment) + BOTTOM
    shapes += _axis(1e3 * (end - start), height - BOTTOM)
    shares = ", ".join(f"rank {r} {share:.0%}" for r, share in enumerate(waiting(lanes)))
    words = f"{ticks} ticks of {lanes.sizes['lane']} ranks in {1e3 * (end - start):.1f} ms; waiting: {shares}"
    return HTML(
        f'<svg viewBox="0 0 {WIDTH} {height}" style="width:100%;max-width:1100px" font-size="13" '
        f'font-family="system-ui, DejaVu Sans, sans-serif" role="img" aria-label="{words}">{"".join(shapes)}</svg>'
        f"<div>{words}</div>"
    )


def waiting(lanes: "xarray.Dataset") -> list[float]:
    """The share of its time for which each rank waited for its neighbours."""
    moment = lanes.moment.values
    total = moment[:, -1, -1] - moment[:, 0, 0]
    return [float(x) for x in np.sum(moment[:, :, 4] - moment[:, :, 3], axis=1) / total]


def _bar(what: str, x: float, y: float, width: float, title: str) -> str:
    """One thing that a rank did; its letter where there is room for it."""
    fill, ink, letter, _ = PARTS[what]
    text = f'<text x="{x + width / 2:.1f}" y="{y + 18}" text-anchor="middle" fill="{ink}">{letter}</text>'
    return (
        f'<g><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{fill}"/>'
        f"{text if width > 16 else ''}<title>{title}</title></g>"
    )


def _legend() -> list[str]:
    """What letters and colours say, above the lanes."""
    shapes, x = [], LEFT
    for what, (_, _, _, words) in PARTS.items():
        shapes.append(f'<g transform="translate({x} 2) scale(0.75)">{_bar(what, 0, 0, 26, words)}</g>')
        shapes.append(f'<text x="{x + 26}" y="16" fill="currentColor">{words}</text>')
        x += 26 + 8 * len(words) + 14
    return shapes


def _axis(span: float, y: float) -> list[str]:
    """Milliseconds, below the lanes."""
    shapes = []
    for t in ticks_of(0, span, 8):
        x, unit = LEFT + (WIDTH - LEFT - 10) * t / span, " ms" if t == 0 else ""
        shapes.append(f'<path d="M{x:.1f} {TOP} V{y}" stroke="currentColor" stroke-opacity="0.15"/>')
        shapes.append(f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle" fill="currentColor">{t:g}{unit}</text>')
    return shapes
