"""What each rank of a run over devices did when, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from IPython.display import HTML

from ..errors import complain

if TYPE_CHECKING:
    import xarray

COLOURS = {"forward": "#0072b2", "backward": "#56b4e9", "wait": "#dddddd", "update": "#009e73"}
WIDTH, ROW = 720, 30


def timeline(lanes: xarray.Dataset, ticks: int = 6) -> HTML:
    """The last `ticks` ticks: a lane per rank; blue computes, light blue differentiates, grey waits, green updates.

    lanes  `Run.lanes` of hlcore.devices
    """
    if not 1 <= ticks < lanes.sizes["tick"]:
        raise complain("ticks", ticks, f"1 to {lanes.sizes['tick'] - 1} of the ticks that were kept")
    moment = lanes.moment.values[:, -ticks - 1 :]
    start, end = moment[:, 0, 0].min(), moment[:, -1, 0].max()
    scale = (WIDTH - 60) / (end - start)
    shapes = []
    for lane in range(len(moment)):
        y = ROW * lane + 4
        shapes.append(f'<text x="0" y="{y + 15}" font-size="12" fill="currentColor">rank {lane}</text>')
        for k in range(ticks):
            begun, forward, _, sent, done = moment[lane, k]
            cuts = {"forward": (begun, forward), "backward": (forward, sent), "wait": (sent, done)}
            cuts["update"] = done, moment[lane, k + 1, 0]
            for what, (a, b) in cuts.items():
                x, width = 55 + scale * (a - start), max(scale * (b - a), 0.3)
                title = f"rank {lane}, tick {int(lanes.tick[k - ticks - 1])}: {what} {1e3 * (b - a):.2f} ms"
                shapes.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 8}" fill="{COLOURS[what]}">'
                    f"<title>{title}</title></rect>"
                )
    height = ROW * len(moment)
    words = f"{ticks} ticks, {1e3 * (end - start):.1f} ms; waiting: " + ", ".join(
        f"rank {r} {share:.0%}" for r, share in enumerate(waiting(lanes))
    )
    return HTML(
        f'<svg width="{WIDTH}" height="{height}" role="img" aria-label="{words}">{"".join(shapes)}</svg><br>{words}'
    )


def waiting(lanes: xarray.Dataset) -> list[float]:
    """The share of its time for which each rank waited for its neighbours."""
    moment = lanes.moment.values
    total = moment[:, -1, -1] - moment[:, 0, 0]
    return [float(x) for x in np.sum(moment[:, :, 4] - moment[:, :, 3], axis=1) / total]
