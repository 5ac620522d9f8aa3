"""A gradient through a long sequence, three ways, each in a process of its own: python -m tests.benchmarks.million.

Eight driven rotations, a loss at every token, float64. Seconds of processor, and by how much the process's peak of
memory grew. The turning frame takes chunks of 20,000 tokens; the loops take fewer tokens, their cost is per token.
"""

import resource
import subprocess
import sys
import time

import torch
from torch.nn.functional import mse_loss

from hlcore import Sample
from hlcore.learners.reversed_stream import bptt_gradient
from hlcore.learners.turning_frame import turning_gradient
from hlcore.networks import Rotations

WAYS = {"turning frame (FPTT)": 1_000_000, "BPTT by undo": 4000, "BPTT, states stored": 4000}


def tokens(a: int, b: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of the tokens a to b, which are a function of their numbers."""
    k = torch.arange(a, b, dtype=torch.float64)[:, None]
    return torch.sin(12.9898 * k) * 2, torch.cos(0.37 * k)


def measured(way: str) -> tuple[float, float]:
    """(processor seconds, MB by which the peak grew)."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    network, steps = Rotations(8, 1, 1), WAYS[way]
    turning_gradient(network, tokens, 1000, mse_loss)  # warm
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if way.startswith("turning"):
        turning_gradient(network, tokens, steps, mse_loss, chunk=20_000)
    else:
        u, target = tokens(0, steps)
        samples = [Sample(u[k : k + 1], target[k : k + 1], end=k == steps - 1) for k in range(steps)]
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        bptt_gradient(network, samples, mse_loss, stored="stored" in way)
    return time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """Print the table."""
    print("| way | tokens | seconds | µs a token | MB more at the peak |\n|:--|--:|--:|--:|--:|")
    for way, steps in WAYS.items():
        told = subprocess.run([sys.executable, "-m", __spec__.name, way], capture_output=True, text=True, check=True)
        seconds, size = map(float, told.stdout.split())
        print(f"| {way} | {steps:,} | {seconds:.2f} | {seconds / steps * 1e6:.1f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    print(*measured(sys.argv[1])) if len(sys.argv) > 1 else main()
