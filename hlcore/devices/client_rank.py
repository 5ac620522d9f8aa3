"""What one rank does with its clients of a graph: tick, tell its neighbours, hear them."""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as unpack
from safetensors.torch import save as pack

from ..errors import bad
from ..experiments import Experiment
from ..learners.learner import Learner
from ..networks import TotalVariation
from ..records import export
from ..records.columns import Dataset
from ..streams import Stream
from . import gather
from .graph_part import GraphPart, Mailbox, shares
from .job import Job
from .wire import Wire


class ClientRank:
    """The learner of this rank's clients; a tick is its own step, then one letter to and from every neighbour."""

    def __init__(self, whole: Learner, job: Job, rank: int, world: int) -> None:
        network = whole.network
        assert isinstance(network, TotalVariation)
        self.sizes = shares(len(network.theta), world, job.balance)
        self.part = GraphPart(network, self.sizes, rank, job.owners)
        self.learner = Learner(self.part, whole.loss, whole.settings, whole.order)
        self.boxes = {r: Mailbox(job.seed, r, rank, job.late, job.lost) for r in self.part.neighbours}
        self.marks = [0.0] * 4

    def tick(self, stream: Stream, tick: int, wire: Wire) -> float:
        """ΣL_i of the clients here."""
        part = self.part
        report = self.learner.step(part.share(stream[tick]))
        self.marks[0] = self.marks[1] = time.monotonic()
        coming = [(r, space := part.space(r), wire.expect(space, r, tick)) for r in self.boxes]
        for r in self.boxes:
            wire.send(part.letter(r, self.learner.point.h["u"]), r, tick)
        self.marks[2] = time.monotonic()
        for r, space, parcel in coming:
            wire.arrived(parcel, tick)
            letter = self.boxes[r].pass_on(tick, space)
            if letter is not None:
                part.hear(r, letter)
        wire.flush(tick)
        self.marks[3] = time.monotonic()
        return report.loss - float(report.output[0, -1])


def work(job: Job, experiment: Experiment, wire: Wire, say: Callable[[str], None]) -> None:
    """All ticks of this rank; rank 0 writes θ over time, u at the end, and what each rank did when."""
    if job.resume or job.checkpoint or job.replicas != 1 or job.device != "cpu":
        raise bad("devices option", "resume, checkpoint, replicas or device", "none of them for clients on a graph")
    learner, stream = experiment.learner()
    here = ClientRank(learner, job, wire.rank, wire.world)
    if wire.rank == 0:
        say(f"clients per rank: {', '.join(map(str, here.sizes))}")
    wire.connect(0)
    moments = deque[tuple[float, ...]](maxlen=job.capacity)
    rows, losses = deque[torch.Tensor](maxlen=job.capacity), deque[float](maxlen=job.capacity)
    kept = deque[int](maxlen=job.capacity)
    for tick in range(job.steps):
        began, loss = time.monotonic(), here.tick(stream, tick, wire)
        moments.append((tick, began, *here.marks))
        if (tick + 1) % job.every == 0:
            rows.append(here.part.theta.detach().clone())
            losses.append(loss)
            kept.append(tick + 1)
        if tick == 0:
            wire.assemble(tick)
            wire.patience.begin()
    last, part = job.steps - 1, here.part
    own = part.mine & (part.i < len(part.theta))  # an edge of two owners is told by the rank of its first node
    found = {
        "theta": torch.stack(list(rows)) if rows else part.theta.detach()[None][:0],
        "loss": torch.tensor(list(losses), dtype=torch.float64),
        "u": here.learner.point.h["u"][0, own],
        "edge": part.edges[own],
    }
    packs = [unpack(x) for x in wire.gathered(pack({k: x.contiguous() for k, x in found.items()}), last)]
    lanes = wire.gathered(gather.pack_lane(list(moments)), last)
    wire.leave(last)
    if packs and job.record:
        export.save(_merged(packs, list(kept)), Path(job.record))
    if lanes and job.lanes:
        export.save(gather.lanes(lanes), Path(job.lanes))


def _merged(packs: list[dict[str, torch.Tensor]], kept: list[int]) -> Dataset:
    """θ (step, node, input), ΣL_i (step) and u (edge, input), in the order of one process."""
    import xarray

    order = np.argsort(torch.cat([p["edge"] for p in packs]).numpy())
    return xarray.Dataset(
        {
            "theta": (("step", "node", "input"), torch.cat([p["theta"] for p in packs], 1).numpy()),
            "loss": ("step", torch.stack([p["loss"] for p in packs]).sum(0).numpy()),
            "u": (("edge", "input"), torch.cat([p["u"] for p in packs]).numpy()[order]),
        },
        {"step": kept},
    )
