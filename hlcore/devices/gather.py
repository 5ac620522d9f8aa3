"""One trajectory, one checkpoint and one timeline from all ranks."""

import json
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as unpack
from safetensors.torch import save as pack
from torch import Tensor

from ..experiments import Experiment
from ..law.point import Report, Tensors
from ..law.sample import Sample
from ..records.columns import Dataset, dataset, evenly, labels
from ..records.recorder import ANSWERS, SCALARS, Recorder
from .stage import Stage

WIDTH = 1024  # entries kept of each trace over all ranks, as a Recorder of one process keeps them
PHASES = ("begun", "forward", "backward", "sent", "done")  # moments of a tick: what is over then
Shapes = dict[str, torch.Size]


class RankRecord:
    """A Recorder of one rank: of each trace the part that lives here, thinned as it would be in one process."""

    def __init__(self, stage: Stage, every: int, capacity: int) -> None:
        self.stage, self.recorder = stage, Recorder(every, capacity, WIDTH)
        self._energy = deque[tuple[float, ...]](maxlen=capacity)  # φL, then z·v of each group here, of each record
        self.shapes: dict[str, Shapes] = {}
        self._picks: dict[str, Tensor | None] = {}

    def __getattr__(self, name: str) -> Any:
        """As a Recorder reads a learner: settings, steps, quantities."""
        return getattr(self.stage, name)

    def traced(self) -> dict[str, Tensors]:
        """The kept entries of each trace here."""
        found: dict[str, Tensors] = {}
        for trace, tensors in self.stage.traced().items():
            flat = torch.cat([x.detach().reshape(-1) for x in tensors.values()]) if tensors else torch.empty(0)
            pick = self._picks[trace]
            found[trace] = {trace: (flat if pick is None else flat[pick]).cpu()}
        return found

    def record(self, report: Report, sample: Sample) -> None:
        if not self.shapes:
            states = {f"h{i + 1}": x.shape for i, x in enumerate(self.stage.shapes(sample))}
            weights = self.stage.whole
            self.shapes = {"h": states, "z": states, "theta": weights, "omega": weights}
            own = self.stage.traced()
            self._picks = {
                trace: _local(whole, list(own[trace]), self.stage.device) for trace, whole in self.shapes.items()
            }
        last = self.stage.rank.above is None
        report = report._replace(output=report.output.cpu() if last else torch.empty(0))
        if self.recorder.record(self, report, sample if last else None) is not None:
            self._energy.append((self.stage.phi_loss, *self.stage.parts))

    def pack(self) -> bytes:
        recorder = self.recorder
        arrays = {trace: recorder.window(trace) for trace in recorder.axes if recorder.names(trace)}
        arrays |= {name: recorder.window(name) for name in (*SCALARS, *recorder.settings)}
        names = json.dumps({trace: recorder.names(trace) for trace in ANSWERS}).encode()
        arrays |= {"energy": np.array(self._energy), "names": np.frombuffer(names, np.uint8)}
        return pack({name: torch.tensor(x) for name, x in arrays.items()})

    def merged(self, packs: list[bytes]) -> Dataset:
        """The trajectory of one process, from what every rank packed, lowest groups first.

        H' = φL + Σ z_i·v_i is added here in the order of one process.
        """
        ranks = [unpack(data) for data in packs]
        last, axes = ranks[-1], self.recorder.axes
        scalars = {name: last[name].numpy() for name in (*SCALARS, *self.recorder.settings)}
        energy = torch.cat([last["energy"][:, :1], *(r["energy"][:, 1:] for r in ranks)], 1).tolist()
        scalars["hamiltonian"] = np.array([phi_loss + sum(parts) for phi_loss, *parts in energy])
        here = {trace: [r[trace].numpy() for r in ranks if trace in r] for trace in axes}
        traces = {trace: np.concatenate(parts, 1) for trace, parts in here.items() if parts}
        names = json.loads(bytes(last["names"].tolist()))
        names |= {trace: labels(whole, evenly(_total(whole), WIDTH)) for trace, whole in self.shapes.items()}
        return dataset(scalars, traces, names, axes, every=self.recorder.every, records=len(scalars["t"]))


def pack_lane(moments: list[tuple[float, ...]]) -> bytes:
    """A tick, then when each phase of it was over by this machine's clock, for each row, as bytes.

    On a GPU, forward and backward are handed over by then; sent and done are over, as H' has been read.
    """
    return pack({"moments": torch.tensor(moments, dtype=torch.float64)})


def lanes(packs: list[bytes]) -> Dataset:
    """`moment` over (lane, tick, phase), a lane per rank, in seconds since the first one.

    Between hosts the clocks differ; within one they are the same.
    """
    import xarray

    table = torch.stack([unpack(data)["moments"] for data in packs]).numpy()
    ticks, table = table[0, :, 0].astype(np.int64), table[:, :, 1:]
    data = {"moment": (("lane", "tick", "phase"), table - table.min())}
    return xarray.Dataset(data, {"lane": np.arange(len(table)), "tick": ticks, "phase": np.asarray(PHASES, dtype=str)})


def pack_point(stage: Stage) -> bytes:
    """h, z, ω, weights and buffers of one rank, as bytes."""
    taken = stage.snapshot()
    tensors: Tensors = {"started": torch.tensor(taken.memory["started"], dtype=torch.uint8)}
    reached = dict(zip(("reached h", "reached z"), taken.reached, strict=True))
    for part, found in ({"h": taken.h, "z": taken.z, "omega": taken.omega} | reached).items():
        tensors |= {f"{part}/{name}": x for name, x in (found or {}).items()}
    tensors |= {f"network/{name}": x for name, x in taken.network.items() if not x.is_meta}
    return pack({name: x.cpu().contiguous() for name, x in tensors.items()})


def save(experiment: Experiment, stage: Stage, packs: list[bytes], path: Path) -> None:
    """Write the checkpoint that one process would have written here, from what every rank packed."""
    stages, replicas = stage.rank.stages, stage.rank.replicas
    copies = [unpack(data) for data in packs]
    ranks = copies[:stages]
    tensors = {name: x for r in ranks for name, x in r.items() if name != "started"}
    for name in tensors:
        if replicas > 1 and name.startswith(
            ("h/", "z/", "reached")
        ):  # the rows of all replicas; L is the mean of theirs
            rows = torch.cat([r[name] for r in copies if name in r])
            tensors[name] = rows / replicas if name.startswith(("z/", "reached z/")) else rows

    learner, _ = experiment.learner()
    whole = learner.snapshot()

    def part(of: str, names: Iterable[str]) -> Tensors:
        """Those that came, in the order of one process."""
        return {name: tensors[f"{of}/{name}"] for name in names if f"{of}/{name}" in tensors}

    h, z, *reached = (part(of, learner.network.initial_state(1)) for of in ("h", "z", "reached h", "reached z"))
    started = [bool(x) for r in ranks for x in r["started"]]
    learner.restore(
        whole._replace(
            settings=stage.settings, t=stage.t, steps=stage.steps, network=part("network", whole.network),
            omega=part("omega", whole.omega), h=h or None, z=z or None, reached=(reached[0], reached[1]),
            memory=whole.memory | {"started": started},
        )
    )  # fmt: skip
    learner.save(path)


def _total(shapes: Shapes) -> int:
    return sum(shape.numel() for shape in shapes.values())


def _local(whole: Shapes, own: list[str], device: torch.device) -> Tensor | None:
    """Of the positions that a Recorder of one process keeps those in `own`, which stand side by side; None: all."""
    pick = evenly(_total(whole), WIDTH)
    if pick is None:
        return None
    names = list(whole)
    start = sum(whole[name].numel() for name in names[: names.index(own[0])]) if own else 0
    stop = start + sum(whole[name].numel() for name in own)
    return torch.from_numpy(pick[(pick >= start) & (pick < stop)] - start).to(device)
