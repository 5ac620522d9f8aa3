"""The cost of delay, on streams that do not wait: python -m tests.benchmarks.delay [fraction of the ticks].

One sample arrives at every tick, whether the learner is ready or not; all learners get the same number of ticks. A
chain of `depth` tanh layers, every layer its own group, learns real digits (independent samples; cross-entropy on 597
held-out ones, by the feed-forward network, in the last fifth of the ticks) and the water flow of the next hour (a slow
series, gone through twice; mean square in the second round, "now": the feed-forward network's, "live": that of the
output which is really there, G ticks late). Euler order, τ = 1, no momentum (η = 1), η_z = 0, batch 4 and 1.

All seeds and rates of a learner run in one chain, as replicas in the first axis with a β of their own. The rate is
chosen on two seeds and the figure is mean ± standard deviation over five others.

What came out (2000 and 2512 ticks, depths 2, 4, 8):
- Independent samples: the plain chain hardly learns (digits 1.07, 1.42, 1.96 against backprop's 0.11, 0.11, 0.17).
  Holding costs samples and pays up to about 16 ticks (0.36, 0.51, 1.11); held 2G+1 ticks and told the target in the
  one tick when everything fits, each gradient is exact (0.22, 0.35, 0.99). Stashed activations need no waiting (0.12,
  0.13, 0.28) for G(G+1) kept activations; fewer groups help the deep chain (two: 0.20). Readouts of their own for
  all layers need neither (0.12, 0.13, 0.17), where a good code can be learned layer by layer.
- A slow stream: a plain chain is usable (0.016 to 0.021 against 0.006 to 0.008), and holding only makes it late. What
  counts live is the latency of the output: few groups, stashed (live 0.024, 0.026, 0.028).
- The delay-free schedule has outputs without delay but learns late: it needs samples held several rounds.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hlcore import Chain, Diverged, Learner, Network, OutputNetwork, Sample, Settings, Stashed, streams
from hlcore.streams import Late, Stream

SEEDS, TUNING = 7, 2  # the first two choose the rate


class Replicas(nn.Module):
    """Independent linear layers side by side: (replicas, batch, n) -> (replicas, batch, m)."""

    def __init__(self, n: int, m: int, rates: int) -> None:
        super().__init__()
        weight = torch.randn(SEEDS, 1, n, m) * (1.2 / n**0.5)
        self.weight = nn.Parameter(weight.expand(-1, rates, -1, -1).reshape(SEEDS * rates, n, m).clone())
        self.bias = nn.Parameter(torch.zeros(SEEDS * rates, 1, m))

    def forward(self, h: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, h, self.weight)


def layers(task: "Task", depth: int, rates: int) -> list[nn.Module]:
    torch.manual_seed(depth)
    sizes = [task.inputs, *[task.width] * (depth - 1)]
    hidden = [nn.Sequential(Replicas(n, m, rates), nn.Tanh()) for n, m in pairwise(sizes)]
    return [*hidden, Replicas(sizes[-1], task.outputs, rates)]


class Table(Stream):
    """What arrives at tick k: u (ticks, seeds, batch, …), every seed with its own draw, repeated for every rate."""

    def __init__(self, u: Tensor, target: Tensor, rates: int) -> None:
        self.u, self.target, self.rates, self.length = u, target, rates, len(u)

    def sample(self, k: int) -> Sample:
        u, target = (x[k].repeat_interleave(self.rates, 0) for x in (self.u, self.target))
        return Sample(u, target, end=False)


class Glimpses(Stream):
    """Every `steps`-th sample of a stream that does not wait, looked at for `steps` ticks; the others are lost.

    quiet   no supervision in the first and the last `quiet` ticks, when output or costates are another sample's
    """

    def __init__(self, stream: Stream, steps: int, quiet: int = 0) -> None:
        self.stream, self.steps, self.quiet, self.length = stream, steps, quiet, stream.length

    def sample(self, k: int) -> Sample:
        place = k % self.steps
        found = self.stream[k - place]
        return found if self.quiet <= place < self.steps - self.quiet else replace(found, target=None)


class Heads(Network):
    """Every hidden layer with a readout of its own, learned from it alone: no costate comes down, so none is late."""

    def __init__(self, parts: list[nn.Module], heads: list[nn.Module]) -> None:
        super().__init__()
        self.parts, self.heads = nn.ModuleList(parts), nn.ModuleList(heads)

    def initial_state(self, batch_size: int) -> dict[str, None]:
        return {f"{kind}{i}": None for i in range(len(self.parts)) for kind in ("h", "past")}

    def velocity(self, u: Any, h: Any, tau: float) -> dict[str, Tensor]:
        v, x = {}, u
        for i, part in enumerate(self.parts):
            queue = torch.stack([torch.zeros_like(x)] * 2) if h[f"past{i}"] is None else h[f"past{i}"].detach()
            with torch.no_grad():
                now, moved = part(x), torch.stack([queue[1], x.detach()])
            then = part(queue[0])
            state = torch.zeros_like(now) if h[f"h{i}"] is None else h[f"h{i}"]
            v |= {f"h{i}": (now + then - then.detach() - state) / tau, f"past{i}": (moved - queue) / tau}
            x = state
        return v

    def output(self, u: Any, h: Any) -> Tensor:
        return torch.stack([head(h[f"h{i}"]) for i, head in enumerate(self.heads)], 2)

    def forward(self, u: Tensor) -> Tensor:
        for part in self.parts:
            u = part(u)
        return self.heads[-1](u)


class HeadTargets(Stream):
    """For head i the target of the sample that its layer has just computed, i + 1 ticks ago."""

    def __init__(self, stream: Stream, heads: int) -> None:
        self.stream, self.heads, self.length = stream, heads, stream.length

    def sample(self, k: int) -> Sample:
        late = [self.stream[k - i].target if k >= self.heads else None for i in range(1, self.heads + 1)]
        return replace(self.stream[k], target=None if late[0] is None else torch.stack(late, 2))


class Task(NamedTuple):
    """A stream, its loss, and the architecture."""

    name: str
    inputs: int
    outputs: int
    width: int
    arrivals: Callable[[int, int], Table]  # (ticks, rates) -> Table
    loss: Callable[[Tensor, Tensor], Tensor]  # summed over replicas, mean over the batch
    each: Callable[[Tensor, Tensor], Tensor]  # per replica
    ticks: int
    measured: range  # ticks at which the learner is judged
    rates: list[float]  # β to choose from
    held_out: tuple[Tensor, Tensor] | None  # None: judged on what arrives


def digits_task(fraction: float) -> Task:
    data = streams.digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    x, y = data.inputs.flatten(1)[order] - 0.3, data.targets[order]

    def arrivals(ticks: int, rates: int) -> Table:
        own = [streams.Labelled(x[:1200], y[:1200], seed, batch=4) for seed in range(SEEDS)]
        samples = [[s[k] for s in own] for k in range(ticks)]
        u, target = (
            torch.stack([torch.stack([getattr(s, part) for s in row]) for row in samples]) for part in ("u", "target")
        )
        return Table(u, target, rates)

    def each(out: Tensor, target: Tensor) -> Tensor:
        flat = cross_entropy(out.flatten(0, -2), target.flatten(), reduction="none").view(target.shape)
        return flat.flatten(1).mean(1)

    def loss(out: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(out.flatten(0, -2), target.flatten(), reduction="sum") / target.shape[1]

    ticks = int(2000 * fraction)
    measured = range(ticks * 4 // 5, ticks, max(1, ticks // 50))
    rates = [0.01, 0.03, 0.1, 0.3]
    return Task("digits", 64, 10, 32, arrivals, loss, each, ticks, measured, rates, (x[1200:], y[1200:]))


def water_task(fraction: float) -> Task:
    flow = streams.water_flow().values
    lags = 12
    u, target = flow.unfold(0, lags, 1)[:-1], flow[lags:, None]

    def arrivals(ticks: int, rates: int) -> Table:
        rows = (torch.arange(ticks) % len(u))[:, None].expand(-1, SEEDS)
        return Table(u[rows][:, :, None], target[rows][:, :, None], rates)

    def each(out: Tensor, target: Tensor) -> Tensor:
        return (out - target).square().flatten(1).mean(1)

    def loss(out: Tensor, target: Tensor) -> Tensor:
        return (out - target).square().sum() / target.shape[1]

    ticks = int(2 * len(u) * fraction)
    rates = [0.001, 0.003, 0.01, 0.03]
    return Task("water flow", lags, 1, 16, arrivals, loss, each, ticks, range(ticks // 2, ticks, 3), rates, None)


class Way(NamedTuple):
    """How to learn: the network around the layers, and what of the arrivals it sees."""

    network: Callable[[list[nn.Module]], Network]
    view: Callable[[Stream], Stream]


def ways(task: Task, depth: int, rates: int) -> dict[str, Way]:
    G = depth
    found = {
        "backprop in one tick (no delay)": Way(lambda x: OutputNetwork(nn.Sequential(*x)), lambda s: s),
        "plain": Way(Chain, lambda s: s),
    }
    for k in (2, 4, 8, 16, 32):
        found[f"hold {k}"] = Way(Chain, lambda s, k=k: Glimpses(s, k))
    found["hold 2G+1, quiet ends"] = Way(Chain, lambda s: Glimpses(s, 2 * G + 1, G))
    found["delay-free, hold G"] = Way(lambda x: Chain(x, schedule="delay_free"), lambda s: Late(Glimpses(s, G), G))
    found["delay-free, hold 4G"] = Way(lambda x: Chain(x, schedule="delay_free"), lambda s: Glimpses(s, 4 * G))
    found["stashed, targets G late"] = Way(Stashed, lambda s: Late(s, G))
    halves = depth // 2, depth - depth // 2
    found["stashed, two groups"] = Way(lambda x: Stashed(x, halves), lambda s: Late(s, 2))
    if task.held_out is None:
        found["stashed, ahead"] = Way(Stashed, lambda s: s)
    extra = [Replicas(task.width, task.outputs, rates) for _ in range(depth - 2)]
    found["own readouts"] = Way(lambda x: Heads(x[:-1], [*extra, x[-1]]), lambda s: HeadTargets(s, depth - 1))
    return found


def feed_forward(network: Network, u: Tensor) -> Tensor:
    with torch.no_grad():
        return network.output(u, {}) if isinstance(network, OutputNetwork) else network(u)


def run(task: Task, depth: int, name: str) -> list[Tensor]:
    """(seeds, rates) per measure: now, and live where the stream judges; a rate that diverges is infinite."""
    found = [torch.full((SEEDS, len(task.rates)), torch.inf) for _ in measures(task)]
    for rates in range(len(task.rates), 0, -1):
        way = ways(task, depth, rates)[name]
        network = way.network(layers(task, depth, rates))
        own = torch.tensor(task.rates[:rates]).repeat(SEEDS).view(-1, 1, 1)
        beta = {key: own.expand_as(p) for key, p in network.named_parameters()}
        learner = Learner(network, task.loss, Settings(eta=1.0, eta_z=0.0, beta=beta))
        arrivals = task.arrivals(task.ticks, rates)
        view = way.view(arrivals)
        sums = [torch.zeros(SEEDS * rates) for _ in found]
        try:
            for k in range(task.ticks):
                if k not in task.measured:
                    learner.step(view[k])
                    continue
                world = arrivals[k] if task.held_out is None else everyone(task, rates)
                sums[0] += task.each(feed_forward(network, world.u), world.target)
                y = learner.step(view[k]).output
                if task.held_out is None:
                    sums[1] += task.each(y[:, :, -1] if isinstance(network, Heads) else y, world.target)
        except Diverged:
            continue  # without the largest rate
        for figure, total in zip(found, sums, strict=True):
            figure[:, :rates] = (total / len(task.measured)).view(SEEDS, rates)
        break
    return found


def measures(task: Task) -> list[str]:
    return ["now"] if task.held_out else ["now", "live"]


def everyone(task: Task, rates: int) -> Sample:
    assert task.held_out is not None
    return Sample(*(x.expand(SEEDS * rates, *x.shape) for x in task.held_out))


def chosen(task: Task, figure: Tensor) -> str:
    """Mean ± standard deviation (rate): the rate by the tuning seeds, the figures by the others."""
    figure = figure.nan_to_num(torch.inf, torch.inf)
    best = int(figure[:TUNING].mean(0).argmin())
    return f"{figure[TUNING:, best].mean():.3f} ± {figure[TUNING:, best].std():.3f} ({task.rates[best]:g})"


def race(fraction: float = 1.0, depths: tuple[int, ...] = (2, 4, 8)) -> None:
    """Print one table for each stream."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    for task in (digits_task(fraction), water_task(fraction)):
        start = time.perf_counter()
        print(f"\n### {task.name}, {task.ticks} ticks, {SEEDS - TUNING} seeds: loss ± deviation (rate β)\n")
        print("| learner | " + " | ".join(f"depth {d}, {m}" for d in depths for m in measures(task)) + " |")
        print("|:--|" + "--:|" * (len(depths) * len(measures(task))))
        for name in ways(task, 2, 1):
            cells = [chosen(task, figure) for depth in depths for figure in run(task, depth, name)]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    race(*map(float, sys.argv[1:2]))
