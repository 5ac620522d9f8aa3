"""A snapshot on disk: safetensors and JSON, no pickle, bit for bit."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..declared import BaseSettings
from ..errors import MISTAKES, bad, kind
from ..files import writable, write_whole
from ..networks.preserved import generators, rewind
from ..streams.plain import plain, unplain
from ..streams.stream import Stream
from .snapshots import Snapshot

CHECKPOINT_FORMAT = 3  # 3: with a digest
SCHEDULE = "a function of time"


class Found(NamedTuple):
    """What a file held: a snapshot, torch's generators, and the state of a stream that has one."""

    snapshot: Snapshot
    generators: dict[str, Tensor]
    stream: Any

    def resume(self, network: nn.Module, stream: Any = None) -> None:
        """Generators, and the stream, go to where they were."""
        rewind(self.generators, network)
        if stream is not None and self.stream is not None:
            stream.restore(self.stream)


def save(snapshot: Snapshot, path: Path, network: nn.Module, stream: Any = None) -> None:
    """Write a snapshot, torch's generators and the stream's own state: beside the file, then in its place."""
    from safetensors.torch import save as pack

    _checked(stream)
    states = generators(network)
    tensors: dict[str, Tensor] = {}

    def aside(x: Tensor, entry: str) -> str:
        tensors[entry] = x
        return entry

    values = {name: getattr(snapshot.settings, name) for name in snapshot.settings.about()}
    settings = {name: SCHEDULE if callable(x) else x for name, x in values.items()}
    state = None if stream is None else stream.state()
    parts = snapshot._asdict() | {"settings": settings, "generators": states, "stream": state}
    meta = {
        "format": CHECKPOINT_FORMAT,
        "parts": {name: plain(x, name, aside) for name, x in parts.items()},
        "complex": [name for name, x in tensors.items() if x.is_complex()],
    }
    flat = {name: _flat(name, x) for name, x in tensors.items()}
    told = json.dumps(meta | {"digest": _digest(meta, flat)})  # one entry: the order of two would be another each time
    write_whole(writable(path, folder=True), pack(flat, metadata={"hlcore": told}))


def load(path: Path, learner: Any, given: BaseSettings | None = None, stream: Any = None) -> Found:
    """What the file holds for this class of learner; `given` settings where one of its own was a function."""
    _checked(stream)
    meta, tensors = _read(path)
    parts = {name: unplain(x, lambda entry: tensors[entry]) for name, x in meta["parts"].items()}
    states, state = parts.pop("generators"), parts.pop("stream")
    name = parts["learner"]
    if name != learner.name:
        mend = f"hlcore.learners.get({name!r}).load reads it"
        raise bad(f"checkpoint {path}", f"one of {name!r}", f"one of the learner {learner.name!r}", mend)
    if stream is not None and stream.answers and state is None:
        raise bad(f"checkpoint {path}", "no state of the stream", "one saved with it", "learner.save(path, stream)")
    moving = [name for name, value in parts["settings"].items() if value == SCHEDULE]
    if given is None and moving:
        got = f"a checkpoint whose {moving[0]} was a function"
        raise bad("settings", got, "settings with that function", "load(path, network, loss, settings=...)")
    parts["settings"] = learner.settings_type(**parts["settings"]) if given is None else given
    return Found(Snapshot(**parts), states, state)


def _checked(stream: Any) -> None:
    if stream is not None:
        kind("stream", stream, Stream, "an hlcore.streams.Stream, or None")


def _flat(name: str, x: Tensor) -> Tensor:
    """A tensor as safetensors has it: on the CPU, in one piece, complex numbers as pairs."""
    if x.layout != torch.strided or x.is_quantized or x.is_meta:
        got = f"{str(x.dtype).removeprefix('torch.')}, {x.layout}, on {x.device}"
        mend = "keep it dense, or build it in forward"
        raise bad(f"checkpoint entry {name!r}", got, "a dense tensor with numbers", mend)
    x = x.detach()
    return (torch.view_as_real(x) if x.is_complex() else x).cpu().clone().contiguous()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["hlcore"])
            # A copy lies where torch puts tensors; a product of matrices that lie elsewhere may have other last bits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        version = meta.get("format")
    except FileNotFoundError:
        raise bad("checkpoint", f"no file {path}", "a file that learner.save wrote") from None
    except (OSError, SafetensorError, *MISTAKES) as error:
        got = f"a file that cannot be read ({error})"
        raise bad(f"checkpoint {path}", got, "one that learner.save wrote", "it may be cut short") from error
    if version != CHECKPOINT_FORMAT:
        mend = "it is of another version of hlcore: go on with that one, or train anew"
        raise bad(f"checkpoint {path}", f"format {version}", f"format {CHECKPOINT_FORMAT}", mend)
    if meta.pop("digest", None) != _digest(meta, tensors):
        raise bad(
            f"checkpoint {path}", "bits that are not those that were written", "a whole file", "take another copy"
        )
    return meta, {name: torch.view_as_complex(x) if name in meta["complex"] else x for name, x in tensors.items()}


def _digest(meta: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """Of all that a file holds: a file that was altered is noticed."""
    found = hashlib.blake2b(json.dumps(meta).encode(), digest_size=16)
    for name in sorted(tensors):
        x = tensors[name].contiguous()
        found.update(f"{name} {x.dtype} {tuple(x.shape)}".encode())
        found.update(x.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
