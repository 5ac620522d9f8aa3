"""What a message costs, between two ranks that do nothing else; tests.benchmarks.devices starts them."""

import json
import sys
import time
from statistics import median

import torch
import torch.distributed as dist


def main(entries: int, repeats: int = 200) -> None:
    """Print seconds for one way, and seconds of processor for a message sent and one received."""
    dist.init_process_group("gloo")
    other, ours, theirs = 1 - dist.get_rank(), torch.zeros(entries), torch.zeros(entries)
    ways, began = [], 0.0
    for k in range(repeats + 20):
        if k == 20:
            began = time.process_time()
        start = time.perf_counter()
        for sends in (dist.get_rank() == 0, dist.get_rank() == 1):  # there, and back
            if sends:
                dist.isend(ours, other).wait()
            else:
                dist.irecv(theirs, other).wait()
        ways.append((time.perf_counter() - start) / 2)
    spent = (time.process_time() - began) / repeats
    if not dist.get_rank():
        print("PING", json.dumps([median(ways), spent]))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]))
