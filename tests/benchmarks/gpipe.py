"""One rank of torch.distributed.pipelining's GPipe on the model of the race; tests.benchmarks.devices starts it."""

import json
import sys
import time

import torch
import torch.distributed as dist
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.nn.functional import cross_entropy

from hlcore import experiments
from tests import chains

assert chains


def main(steps: int, microbatches: int, beta: float, **options: int) -> None:
    """SGD with momentum, as the race's settings are in its letters; rank 0 prints [steps/s, losses]."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    experiment = experiments.get("race-chain", beta=beta, **options)
    layers, stream = list(experiment.network.layers), experiment.stream
    half = -(-len(layers) // world)
    module = torch.nn.Sequential(*layers[rank * half : (rank + 1) * half])
    stage = PipelineStage(module, rank, world, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, microbatches, loss_fn=cross_entropy)
    optimizer = torch.optim.SGD(module.parameters(), **experiment.settings.to_sgd())
    told = []
    for k in range(steps + 5):
        if k == 5:
            dist.barrier()
            began = time.perf_counter()
        sample, losses = stream[k], []
        optimizer.zero_grad()
        if world == 1:
            schedule.step(sample.u, target=sample.target, losses=losses)
        elif rank == 0:
            schedule.step(sample.u)
        else:
            schedule.step(target=sample.target, losses=losses)
        optimizer.step()
        told += [float(torch.stack(losses).mean())] if losses else []
    dist.barrier()
    if rank == world - 1:
        print("GPIPE", json.dumps([steps / (time.perf_counter() - began), told]), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]), float(sys.argv[3]), width=int(sys.argv[4]), batch=int(sys.argv[5]))
