"""Few shots in numbers: python -m hlcore.studies.few_shot_tables [SEEDS]."""

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import Diverged
from ..experiments import get
from ..experiments.few_shots import OTHER, started
from ..learners.one_shot import one_shot, scanned
from ..networks import Recurrent, Shrink
from ..runs.side_by_side import SideBySide
from ..streams import Blurred
from .typical_sets import coverage

SHOTS = (100, 300, 1000)
PARTS = ((0, 500), (500, 1500), (1500, 2000), (2000, 3000))
ONLINE: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("hamiltonian", {"beta": 0.0}),
    "HL, lr .003": ("hamiltonian", {}),
    "truncated BPTT(4), lr .01": ("bptt", {"window": 4, "every": 1, "beta": 0.02}),
}
SIDE, PATCH = 60, 9


def filtered(u: Tensor, target: Tensor, new: Tensor) -> Tensor:
    """The best linear filter of a trace (Wiener's), on new tokens."""

    def bias(x: Tensor) -> Tensor:
        return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)

    return bias(new) @ torch.linalg.lstsq(bias(u), target, driver="gelsd").solution


def shots(seed: int, rate: float = 0.06, test: int = 2000) -> dict[str, list[float]]:
    """Mean square error on new tokens for traces of SHOTS tokens; the zero guess has about .86 rate."""
    u, target = Blurred(OTHER + seed, rate=rate).tokens(16, max(SHOTS))
    new, truth = Blurred(seed, rate=rate).tokens(16, test)
    starts = [("random start", "random"), ("ISTA start", "ista")][: 1 if rate > 0.1 else 2]
    found: dict[str, list[float]] = {name: [] for name in ("linear filter", *(name for name, _ in starts))}
    for n in SHOTS:
        guesses = {"linear filter": filtered(u[:n], target[:n], new)}
        for name, start in starts:
            network = started(Blurred(seed, rate=rate), start, 0.05, 0, seed)
            one_shot(network, u[:n], target[:n], seed=seed)
            guesses[name] = scanned(network, new)
        for name, y in guesses.items():
            found[name].append(float(((y - truth) ** 2).mean()))
    return found


def shown(seeds: int, rate: float) -> list[float]:
    """Share of new windows that a trace of 300, 1000, 4000 tokens has shown, means over the seeds."""
    return [float(np.mean([coverage(rate, tokens, seed) for seed in range(seeds)])) for tokens in (300, 1000, 4000)]


def starts(seed: int, inner: int, warm: bool) -> float:
    """Mean square error of ISTA's own code with so many iterations a token, from where the last token left it or 0."""
    stream = Blurred(seed)
    u, target = stream.tokens(100, 500)
    network, hold = started(stream, "ista", 0.05, 0, seed), Shrink.from_dictionary(stream.dictionary(), 0.05)
    return float(((scanned(network, u, inner, warm, hold) - target)[20:] ** 2).mean())


def online(seeds: int, start: str, learner: str, **settings: Any) -> list[list[float]]:
    """Mean square error online of each seed, over the PARTS of 3000 tokens; the wavelet gets wider at 1500."""
    experiment, steps = get("few-shot-spikes", start=start, learner=learner, **settings), PARTS[-1][1]
    if learner == "hamiltonian":
        lanes = SideBySide([(experiment, seed) for seed in range(seeds)])
        losses = torch.stack([lanes.step().loss for _ in range(steps)], 1).double().nan_to_num(np.inf).numpy()
    else:
        losses = np.stack([_alone(*experiment.learner(seed), steps) for seed in range(seeds)])
    return [[float(one[a:b].mean()) for a, b in PARTS] for one in losses]


def _alone(actor: Any, stream: Any, steps: int) -> np.ndarray:
    losses = np.full(steps, np.inf)
    try:
        for k in range(steps):
            losses[k] = actor.step(stream[k]).loss
    except Diverged:
        pass
    return losses


def image(seed: int, pixels: int) -> dict[str, float]:
    """PSNR in dB of a second photograph, learned from the middle of the first, of which `pixels` are seen."""
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_sample_images

    traces = []
    for k, photo in enumerate(load_sample_images().images):
        top, left = ((n - SIDE) // 2 for n in photo.shape[:2])
        sharp = photo.mean(-1)[top : top + SIDE, left : left + SIDE] / 255
        blurred = gaussian_filter(sharp, 1.5) + 0.01 * np.random.default_rng((seed, k)).standard_normal(sharp.shape)
        rows = np.lib.stride_tricks.sliding_window_view(blurred, (PATCH, PATCH)).transpose(1, 0, 2, 3)  # by columns
        half = PATCH // 2
        clean = sharp[half:-half, half:-half].T
        traces.append([torch.from_numpy(x.copy()).float() for x in (rows.reshape(-1, PATCH**2), clean.reshape(-1, 1))])
    (u, y), (new, truth) = traces
    torch.manual_seed(seed)
    network = Recurrent(Shrink(PATCH**2, 32), torch.nn.Linear(32, 1))
    one_shot(network, u[:pixels], y[:pixels], seed=seed)
    guesses = {
        "blurred": new[:, [PATCH**2 // 2]],
        "linear filter": filtered(u[:pixels], y[:pixels], new),
        "RNN": scanned(network, new),
    }
    return {name: float(-10 * torch.log10(((g - truth) ** 2).mean())) for name, g in guesses.items()}


def main(seeds: int = 5) -> None:
    """Print the tables, means over the seeds."""
    torch.set_num_threads(1)
    for rate in (0.06, 0.2):
        print(
            f"rate {rate}: windows shown by 300, 1000, 4000 tokens:", " ".join(f"{x:.2f}" for x in shown(seeds, rate))
        )
    for inner in (1, 3, 10, 50):
        warm, cold = (np.mean([starts(seed, inner, w) for seed in range(seeds)]) for w in (True, False))
        print(f"{inner} iterations a token: warm {warm:.4f}, cold {cold:.4f}", flush=True)
    for rate in (0.06, 0.2):
        print(f"\n| spike rate {rate}: one trace of | {' | '.join(map(str, SHOTS))} |\n|---|--:|--:|--:|")
        found = [shots(seed, rate) for seed in range(seeds)]
        for name in found[0]:
            print(f"| {name} | {' | '.join(f'{x:.4f}' for x in np.mean([f[name] for f in found], 0))} |", flush=True)
    print("\n| start | learner | 0–500 | 500–1500 | 1500–2000 | 2000–3000 |\n|---|---|--:|--:|--:|--:|")
    for start in ("one shot", "ista", "random"):
        for name, (learner, settings) in ONLINE.items():
            if start == "random":  # needs a larger rate, or nothing happens
                settings = {**settings, "beta": 0.1}
                if name == "none":
                    continue
                name = f"{name.split(',')[0]}, lr .05"
            means = np.mean(online(seeds, start, learner, **settings), 0)
            print(f"| {start} | {name} | {' | '.join(f'{x:.4f}' for x in means)} |", flush=True)
    print("\n| image, PSNR in dB | blurred | linear filter | RNN |\n|---|--:|--:|--:|")
    means = np.mean([list(image(seed, (SIDE - PATCH + 1) ** 2).values()) for seed in range(seeds)], 0)
    print(f"| one crop | {' | '.join(f'{x:.2f}' for x in means)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
