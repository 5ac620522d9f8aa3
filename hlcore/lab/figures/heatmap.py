"""All units of a quantity over time, as the cells of a heat map."""

from typing import Any, NamedTuple

import numpy as np

from ...records.recorder import Recorder

SHOWN, MOMENTS = 48, 320  # units and moments of a map at most
ZERO = 128


class Heat(NamedTuple):
    """`cells` (units, moments): 128 is zero, 1 and 255 are -scale and +scale; `plan` and `told` say what they are."""

    cells: np.ndarray
    plan: dict[str, Any]
    told: str


def heat(recorder: Recorder, quantity: str, window: int) -> Heat | None:
    """The last `window` records of up to 48 evenly chosen units; None where there are none."""
    names, total = recorder.names(quantity), recorder.total(quantity)
    if not names:
        return None
    shown = np.linspace(0, len(names) - 1, min(len(names), SHOWN)).round().astype(int)
    t = recorder.window("t", window, most=MOMENTS)
    values = recorder.window(quantity, window, shown.tolist(), most=MOMENTS)
    scale = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    cells = np.nan_to_num(ZERO + 127 * values / (scale or 1.0), nan=ZERO).round().astype(np.uint8)
    start = recorder.window("t", window)[0]
    plan = {"units": len(shown), "moments": len(t), "from": float(t[0] - start), "to": float(t[-1] - start)}
    return Heat(cells.T, plan, f"{len(shown)} of {total:,}, blue −, orange + up to {scale:.2g}")
