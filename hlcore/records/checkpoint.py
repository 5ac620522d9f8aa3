"""A snapshot on disk: safetensors and JSON, no pickle, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..declared import BaseSettings
from ..errors import HLError, bad
from .snapshots import Snapshot

CHECKPOINT_FORMAT = 2


class Found(NamedTuple):
    """What a file held: a snapshot, torch's generators, and the state of a stream that has one."""

    snapshot: Snapshot
    generators: dict[str, Tensor]
    stream: Any

    def resume(self, network: nn.Module, stream: Any = None) -> None:
        """Generators, and the stream, go to where they were."""
        torch.set_rng_state(self.generators["cpu"])
        gpu = _gpu(network)
        if gpu is not None and "gpu" in self.generators:
            torch.cuda.set_rng_state(self.generators["gpu"], gpu)
        if stream is not None:
            stream.restore(self.stream)


def save(snapshot: Snapshot, path: Path, network: nn.Module, stream: Any = None) -> None:
    """Write a snapshot, torch's generators and the stream's own state: beside the file, then in its place."""
    from safetensors.torch import save_file

    generators = {"cpu": torch.get_rng_state()}
    gpu = _gpu(network)
    if gpu is not None:
        generators["gpu"] = torch.cuda.get_rng_state(gpu)
    tensors: dict[str, Tensor] = {}
    settings = {name: _plain(name, getattr(snapshot.settings, name)) for name in snapshot.settings.about()}
    parts = snapshot._asdict() | {"settings": settings, "generators": generators}
    parts["stream"] = None if stream is None else stream.state()
    meta = {"format": CHECKPOINT_FORMAT, "parts": {name: _packed(x, name, tensors) for name, x in parts.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    save_file({k: x.detach().cpu().clone().contiguous() for k, x in tensors.items()}, unfinished,
              metadata={"hlcore": json.dumps(meta)})  # fmt: skip
    unfinished.replace(path)  # a crash while writing leaves the older checkpoint whole


def load(path: Path, settings_type: type[BaseSettings], given: BaseSettings | None = None) -> Found:
    """What the file holds; `given` settings where one of its own was a function."""
    meta, tensors = _read(path)
    if meta.get("format") != CHECKPOINT_FORMAT:
        raise bad(f"checkpoint {path}", f"format {meta.get('format')}", f"format {CHECKPOINT_FORMAT}", "save it anew")
    parts = {name: _unpacked(x, tensors) for name, x in meta["parts"].items()}
    generators, stream = parts.pop("generators"), parts.pop("stream")
    if given is None:
        for name, value in parts["settings"].items():
            if value == SCHEDULE:
                raise bad(
                    "settings", f"a checkpoint whose {name} was a function", "settings with that function",
                    "Learner.load(path, network, loss, settings=...)",
                )  # fmt: skip
        given = settings_type(**parts["settings"])
    return Found(Snapshot(**parts | {"settings": given}), generators, stream)


SCHEDULE = "a function of time"


def _plain(name: str, value: Any) -> Any:
    return SCHEDULE if callable(value) else dict(value) if isinstance(value, dict) else value


def _packed(x: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """x as JSON; its tensors go into `tensors`, named in their place."""
    if isinstance(x, Tensor):
        tensors[name] = x
        return {"tensor": name}
    if isinstance(x, dict):
        return {"dict": [[k, _packed(v, f"{name}/{k}", tensors)] for k, v in x.items()]}
    if isinstance(x, (list, tuple)):
        kind = "list" if isinstance(x, list) else "tuple"
        return {kind: [_packed(v, f"{name}/{i}", tensors) for i, v in enumerate(x)]}
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    raise bad(f"checkpoint of {name}", type(x).__name__, "numbers, texts, tensors, and lists and dicts of them")


def _unpacked(x: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(x, dict):
        return x
    ((kind, inside),) = x.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "dict":
        return {k: _unpacked(v, tensors) for k, v in inside}
    parts = [_unpacked(v, tensors) for v in inside]
    return parts if kind == "list" else tuple(parts)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["hlcore"])
            # A copy lies where torch puts tensors; a product of matrices that lie elsewhere may have other last bits.
            return meta, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise bad("checkpoint", f"no file {path}", "a file that learner.save wrote") from None
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise HLError(
            f"checkpoint {path}: got a file that cannot be read ({error}); expected one that learner.save "
            "wrote; it may be cut short."
        ) from error


def _gpu(network: nn.Module) -> torch.device | None:
    """The GPU that a network is on, which has a generator of its own."""
    device = next(network.parameters(), torch.empty(0)).device
    return device if device.type == "cuda" else None
