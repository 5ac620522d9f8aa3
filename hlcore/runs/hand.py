"""What a person does to a run by hand: an entry of its point is put somewhere else."""

import math
from collections.abc import Mapping
from dataclasses import fields

from ..errors import bad, known
from ..law.point import PhasePoint


def put(point: PhasePoint, entry: int, values: Mapping[str, float]) -> PhasePoint:
    """The point with one entry of h, z, theta or omega, counted through all their tensors, at other values."""
    moved = point.clone()
    parts = [field.name for field in fields(point) if field.name != "t"]
    for name, value in values.items():
        held = getattr(moved, known("quantity", name, parts))
        if not math.isfinite(value):
            raise bad(name, value, "a finite number")
        left = entry
        for x in held.values():
            if left < x.numel():
                x.view(-1)[left] = value
                break
            left -= x.numel()
        else:
            there = entry - left
            mend = "take a step first" if point.t == 0 else "a sequence that has just ended begins at its own start"
            raise bad(f"entry of {name}", entry, f"one of {there}", "" if there else mend)
    return moved
