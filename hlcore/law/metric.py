"""A metric of the weights: β divided by the running root mean square of each weight's gradient."""

from typing import Any

TINY = 1e-8  # beside √v, as torch.optim.RMSprop has it


def share(c: Any) -> Any:
    """τ/memory, what a step brings to v, at most 1; None: no metric is in force."""
    if getattr(c, "metric", "none") == "none":
        return None
    return min(1.0, c.tau / c.memory)


def remembered(v: Any, g: Any, part: Any) -> Any:
    """v⁺ = v + (τ/memory) (g² - v), g = ∂H'/∂θ; g = None is zero."""
    return v - part * v if g is None else v + part * (g * g - v)


def pace(v: Any) -> Any:
    """1/(√v + ε), by which β is multiplied."""
    return 1 / (v**0.5 + TINY)
