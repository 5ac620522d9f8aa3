"""A learner on disk: safetensors, no pickle, bit for bit."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import HLError, bad
from ..law.settings import Settings

if TYPE_CHECKING:
    from ..law.hamiltonian import Loss
    from ..law.network import Network
    from ..learners.hamiltonian import Learner

CHECKPOINT_FORMAT = 1


def save(learner: Learner, path: Path) -> None:
    """Write h, z, θ, ω, the network's buffers and frozen weights, the settings, the clock and torch's generators."""
    from safetensors.torch import save_file

    point = learner.point
    tensors: dict[str, Tensor] = {"generator": torch.get_rng_state()}
    gpu = _gpu(learner.network)
    if gpu is not None:
        tensors["gpu generator"] = torch.cuda.get_rng_state(gpu)
    for part in ("h", "z", "omega"):
        tensors |= {f"{part}/{name}": x for name, x in getattr(point, part).items()}
    tensors |= {f"network/{name}": x for name, x in _weights_and_buffers(learner.network).items()}
    meta: dict[str, Any] = {
        "format": CHECKPOINT_FORMAT,
        "network": type(learner.network).__name__,
        "order": learner.order,
        "torch_start": learner.torch_start,
        "reset_omega": learner.reset_omega,
        "memory": learner.memory(),
        "settings": {},
        "training": {name: m.training for name, m in learner.network.named_modules()},
    }
    for field in fields(Settings):
        value = getattr(learner.settings, field.name)
        if callable(value):
            value = "schedule"
        elif isinstance(value, dict):
            tensors |= {f"beta/{k}": x for k, x in value.items() if isinstance(x, Tensor)}
            value = {k: None if isinstance(x, Tensor) else x for k, x in value.items()}
        meta["settings"][field.name] = value
    flat = {name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    save_file(flat, unfinished, metadata={"hlcore": json.dumps(meta)})
    unfinished.replace(path)  # a crash while writing leaves the older checkpoint whole


def load(cls: type[Learner], path: Path, network: Network, loss: Loss, settings: Settings | None) -> Learner:
    """The learner of a checkpoint, around `network`, whose weights and buffers are overwritten."""
    meta, tensors = _read(path)
    if meta.get("format") != CHECKPOINT_FORMAT:
        raise bad(f"checkpoint {path}", f"format {meta.get('format')}", f"format {CHECKPOINT_FORMAT}")
    have = _weights_and_buffers(network)
    given = {name.removeprefix("network/"): x for name, x in tensors.items() if name.startswith("network/")}
    if {k: (x.shape, x.dtype) for k, x in have.items()} != {k: (x.shape, x.dtype) for k, x in given.items()}:
        different = sorted(
            k
            for k in have.keys() | given.keys()
            if k not in have or k not in given or have[k].shape != given[k].shape or have[k].dtype != given[k].dtype
        )
        raise bad(
            f"network for checkpoint {path}",
            f"another shape, dtype or set of names in {different}",
            f"the {meta['network']} that was saved",
            "build it as it was built then",
        )
    restored = _settings(meta["settings"], tensors, settings)
    learner = cls(
        network, loss, restored, meta["order"], torch_start=meta["torch_start"], reset_omega=meta["reset_omega"]
    )
    with torch.no_grad():
        for name, x in have.items():
            x.copy_(given[name])
    for name, module in network.named_modules():
        module.training = meta["training"].get(name, module.training)
    parts = {
        part: {name.removeprefix(f"{part}/"): x for name, x in tensors.items() if name.startswith(f"{part}/")}
        for part in ("h", "z", "omega")
    }
    learner.resume(meta["memory"], **parts)
    torch.set_rng_state(tensors["generator"])
    gpu = _gpu(network)
    if gpu is not None and "gpu generator" in tensors:
        torch.cuda.set_rng_state(tensors["gpu generator"], gpu)
    return learner


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


def _settings(stored: dict[str, Any], tensors: dict[str, Tensor], given: Settings | None) -> Settings:
    if given is not None:
        return given
    if stored["phi"] == "schedule":
        raise bad(
            "settings",
            "a checkpoint whose phi was a function",
            "settings with that function",
            "Learner.load(path, network, loss, settings=...)",
        )
    if isinstance(stored["beta"], dict):
        stored["beta"] = {k: tensors[f"beta/{k}"] if x is None else x for k, x in stored["beta"].items()}
    return Settings(**stored)


def _weights_and_buffers(network: Network) -> dict[str, Tensor]:
    """Every weight (frozen ones too) and buffer once, by name."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _gpu(network: Network) -> torch.device | None:
    """The GPU that a network is on, which has a generator of its own."""
    device = next(network.parameters(), torch.empty(0)).device
    return device if device.type == "cuda" else None
