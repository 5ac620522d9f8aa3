"""Small pictures side by side, as one map of the canvas."""

import numpy as np

from .heatmap import ZERO, Heat


def strip(pictures: np.ndarray, told: str, scale: float = 1.0) -> Heat:
    """Pictures (n, height, width) in a row, their values in ±scale; picture i stands between i and i + 1."""
    n, height, width = pictures.shape
    cells = np.full((height, n, width + 1), ZERO, np.uint8)
    cells[:, :, :width] = (ZERO + 127 * (pictures / scale).clip(-1, 1)).round().transpose(1, 0, 2)
    half = 0.5 / (width + 1)  # a cell is drawn around its place
    plan = {"units": height, "moments": n * (width + 1), "from": half, "to": n - half}
    return Heat(cells.reshape(height, -1), plan, told)
