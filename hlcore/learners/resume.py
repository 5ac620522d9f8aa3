"""A learner's snapshot: taken, and gone back to."""

import copy
from typing import Any

import torch
from torch import Tensor

from ..errors import bad, kind
from ..law.network import Network
from ..law.point import PhasePoint, Tensors
from ..networks.preserved import preserved
from ..records.snapshots import Snapshot


def snapshot_of(learner: Any) -> Snapshot:
    """All that the learner's next steps depend on, copied."""
    network = {name: x.detach().clone() for name, x in parts(learner.network).items()}
    training = {name: module.training for name, module in learner.network.named_modules()}
    h = None if learner._h is None else {k: x for k, x in learner._h.items() if x is not None}
    memory = learner.memory | {"started": learner._omega.started, "squares": learner._omega.squares}
    held = copied((learner._omega.named(), h, learner._z, learner._reached, memory))
    how = (learner.name, learner.order, learner.options, learner.settings, learner.t, learner.steps)
    return Snapshot(*how, network, training, *held)


def go_to(learner: Any, snapshot: Snapshot) -> None:
    """Put the learner where the snapshot was taken; everything is compared before anything moves."""
    kind("snapshot", snapshot, Snapshot, "what learner.snapshot() gave")
    have = parts(learner.network)
    different = [k for k in have.keys() | snapshot.network.keys() if not _alike(have.get(k), snapshot.network.get(k))]
    if different:
        raise bad("network", f"another shape, dtype or set of names in {sorted(different)}", "the one that was saved")
    if snapshot.omega.keys() != set(learner.law.names):
        named = sorted(snapshot.omega.keys() ^ set(learner.law.names))
        raise bad(
            "network", f"{named} trained then or now, but not both", "the same trained weights as then",
            "freeze or set free the same ones before the Learner is built",
        )  # fmt: skip
    if snapshot.learner != learner.name:
        raise bad("snapshot", f"one of the learner {snapshot.learner!r}", f"one of {learner.name!r}")
    learner.settings = snapshot.settings
    device = learner.law.theta[0].device if learner.law.theta else None
    with torch.no_grad():
        for name, x in have.items():
            x.copy_(snapshot.network[name])
    for name, module in learner.network.named_modules():
        module.training = snapshot.training.get(name, module.training)
    learner.t, learner.steps = snapshot.t, snapshot.steps
    learner._omega.assign(snapshot.omega)
    learner._h, learner._z, learner._reached, memory = copied(
        (snapshot.h, snapshot.z, snapshot.reached, snapshot.memory), device
    )
    learner._omega.begin(memory.pop("started"))
    v = memory.pop("squares", {})
    learner._omega.measure(bool(v), v)
    learner.memory = memory


def put(learner: Any, point: PhasePoint) -> None:
    """Put the learner at a point of phase space."""
    kind("point", point, PhasePoint, "an hlcore.PhasePoint")
    here = learner.point
    for part in ("theta", "omega"):
        have, given = getattr(here, part), getattr(point, part)
        if {k: x.shape for k, x in have.items()} != {k: x.shape for k, x in given.items()}:
            raise bad(f"point.{part}", sorted(given), f"the names and shapes of {sorted(have)}")
    if point.h.keys() != point.z.keys():
        raise bad("point.z", sorted(point.z), f"the names of h, {sorted(point.h)}")
    with torch.no_grad():
        for name, p in zip(learner.law.names, learner.law.theta, strict=True):
            p.copy_(point.theta[name])
    learner._omega.assign(point.omega)
    point = point.clone()
    learner.t, learner._h, learner._z = point.t, (dict(point.h) or None), point.z or None


def beside(cls: Any, other: Any) -> Any:
    """A learner of class `cls` beside `other`, on a copy of its network, where it is now."""
    network = copy.deepcopy(other.network)
    if type(other) is cls:
        twin = cls(network, other.loss, other.settings, order=other.order, **other.options)
        twin.restore(other.snapshot())
        return twin
    order = other.order if other.order in cls.orders else None
    rival = cls(network, other.loss, cls.settings_from(other.settings), order=order)
    rival.t, rival.steps = other.t, other.steps
    rival._omega.assign(other._omega.named())
    rival._omega.begin(other._omega.started)
    rival._h, rival._z, rival._reached = copied((other._h, other._z, other._reached))
    return rival


def start_of(learner: Any) -> Tensors:
    """The initial state, for the batch of the last step; {} before the first."""
    last = learner._reached[0]
    if not last:
        return {}
    shape = next(iter(last.values())).shape
    with preserved(learner.network):
        start = learner.law.initial_state(int(shape[0]) if len(shape) else 1)
    return {k: torch.zeros_like(last[k]) if x is None else x.detach() for k, x in start.items()}


def parts(network: Network) -> Tensors:
    """Every weight, frozen ones too, and buffer, non-persistent ones too, by name."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def copied(x: Any, device: Any = None) -> Any:
    """A copy of nested tuples, lists, dicts and tensors that shares no memory; anything else is copied deeply."""
    if isinstance(x, Tensor):
        found = x.detach().clone()
        return found if device is None or found.dtype == torch.uint8 else found.to(device)
    if isinstance(x, dict):
        return {k: copied(v, device) for k, v in x.items()}
    if isinstance(x, tuple):
        inside = [copied(v, device) for v in x]
        return type(x)(*inside) if hasattr(x, "_fields") else tuple(inside)
    if isinstance(x, list):
        return [copied(v, device) for v in x]
    return copy.deepcopy(x)


def _alike(a: Tensor | None, b: Tensor | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and a.dtype == b.dtype
