"""Values as JSON has them and back, to the bit: how states and memories are written without pickle."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import bad
from ..law.sample import Sample

KINDS = "numbers, strings, None, arrays, tensors, Samples, and lists, tuples and dicts of these"
Write = Callable[[Tensor, str], Any]
Read = Callable[[Any], Tensor]


def plain(x: Any, what: str, tensor: Write | None = None) -> Any:
    """`x` as JSON has it; tensor(x, entry) says how a tensor is told, by default as its numbers.

    Raises HLError, which names the entry as in "what/h/2", for what could not be read back as it was.
    """
    if x is None or isinstance(x, (bool, int, float, str)):
        return x if type(x) in (bool, int, float, str, type(None)) else _refused(x, what)
    if isinstance(x, Tensor):
        return {"tensor": (_numbers if tensor is None else tensor)(x, what)}
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype.kind not in "biuf":
            raise bad(what, f"an array of {x.dtype}", "one of numbers")
        return {"array": x.tolist(), "dtype": x.dtype.name, "scalar": isinstance(x, np.generic), "shape": list(x.shape)}
    if isinstance(x, Sample):
        parts = {"u": x.u, "target": x.target, "end": x.end, "dt": x.dt}
        return {"sample": {name: plain(part, f"{what}/{name}", tensor) for name, part in parts.items()}}
    if type(x) is list:
        return [plain(part, f"{what}/{i}", tensor) for i, part in enumerate(x)]
    if type(x) is tuple:
        return {"tuple": [plain(part, f"{what}/{i}", tensor) for i, part in enumerate(x)]}
    if type(x) is dict:
        return {"dict": [[plain(k, f"a key of {what}"), plain(v, f"{what}/{k}", tensor)] for k, v in x.items()]}
    return _refused(x, what)


def unplain(x: Any, tensor: Read | None = None) -> Any:
    """What `plain` wrote."""
    if isinstance(x, list):
        return [unplain(part, tensor) for part in x]
    if not isinstance(x, dict):
        return x
    if "tensor" in x:
        x = x["tensor"]
        if tensor is not None:
            return tensor(x)
        return torch.tensor(x["values"], dtype=getattr(torch, x["dtype"])).reshape(x["shape"])
    if "array" in x:
        found = np.array(x["array"], x["dtype"]).reshape(x["shape"])
        return found[()] if x["scalar"] else found
    if "sample" in x:
        return Sample(**{name: unplain(part, tensor) for name, part in x["sample"].items()})
    if "tuple" in x:
        return tuple(unplain(part, tensor) for part in x["tuple"])
    return {unplain(key): unplain(part, tensor) for key, part in x["dict"]}


def _refused(x: Any, what: str) -> Any:
    raise bad(what, f"{type(x).__module__}.{type(x).__name__}", KINDS, "a subclass would come back as something else")


def _numbers(x: Tensor, what: str) -> dict[str, Any]:
    if x.is_complex() or x.layout != torch.strided or x.is_quantized:
        raise bad(what, f"{x.dtype} {x.layout}", "one of real numbers")
    return {"values": x.detach().cpu().tolist(), "dtype": str(x.dtype).removeprefix("torch."), "shape": list(x.shape)}
