"""Where the ticks of an axis stand, for pictures that Python draws itself."""

import math


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` + 1 numbers from low to high, 1, 2 or 5 times a power of ten apart."""
    raw = (high - low) / most
    decade = 10.0 ** math.floor(math.log10(raw))
    step = next(k * decade for k in (1, 2, 5, 10) if k * decade >= raw)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
