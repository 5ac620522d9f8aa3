"""A network that dreams: how firm its memories stand, how far they reach, and cues that are seen falling."""

from typing import Any

import ipywidgets as W
import numpy as np
import torch

from ...errors import bad
from ...networks.hopfield import Hopfield, fall
from ...studies.retrieval import retrieval_map, stabilities
from ..figures.canvas import TARGET, Canvas
from ..figures.figure import Figure, View
from ..figures.strip import strip
from ..figures.time_rows import Line, Row, show_rows
from ..widgets import column, row

OVERLAPS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
CUES, SWEEPS, WRONG = 3, 6, 0.2  # digits that fall, states shown, share of wrong pixels
BEYOND = 1.4  # of the dose at which the memories are spent


class Dreaming(Figure):
    """Over the dreams had: the least stability, and the share of stable spins; the energy of memories and of a dream.

    Beside it how far a memory reaches (overlap of a cue → overlap where it rests), and the spectrum of J. The line at
    P/ε is where the dreams will have taken away all that Hebb laid down. Each frame adds a point to the curves.

    Memories of 64 spins are pictures: three cues with a fifth of their pixels wrong fall above, two sweeps at a time,
    under Hebb's J and under J as it is.
    """

    title = "memories, and what the dreams do to them"
    instead = True

    def __init__(self) -> None:
        self._told, self._film, self._rows = W.HTML(), Canvas(height=130), Canvas(height=0)
        self._reach, self._spectrum = Canvas(height=0), Canvas(height=0)
        sides = [column([part], flex=flex) for part, flex in (
            (self._rows, "1.7 1 250px"), (self._reach, "1 1 150px"), (self._spectrum, "1 1 150px"))]  # fmt: skip
        self.widget: Any = column([self._told, self._film, row(sides)])
        self._kept: list[tuple[float, ...]] = []
        self._begun: tuple[Any, ...] = ()

    def frame(self, run: Any, view: View) -> None:
        """Show J as it is, and what it was like on the way."""
        network, stream, k = run.learner.network, run.stream, run.learner.steps
        if not isinstance(network, Hopfield):
            raise bad("Dreaming", type(network).__name__, "a Hopfield network", "experiments.get('dreams')")
        J, patterns = network.J.detach() * network.off, stream.shown
        dreams, eps = k * stream.batch * stream.nights / (stream.days + stream.nights), dose(run.settings)
        if not self._begun or self._begun[:2] != (run.experiment, run.seed):
            start: Any = run.experiment.setup(run.seed).network
            first = start.J.detach()
            reach, values = retrieval_map(first, patterns, OVERLAPS), torch.linalg.eigvalsh(first)
            self._kept, self._begun = [], (run.experiment, run.seed, reach, values, first)
        self._film.layout.display = "block" if patterns.shape[1] == 64 else "none"
        if patterns.shape[1] == 64:
            films = [("J₀", "Hebb, before any dream", self._begun[4]), ("J", "now", J)]
            strips = [Row(symbol, "cues falling", [], heat=strip(film(j, patterns), told)) for symbol, told, j in films]
            ends = np.array([0.0, CUES * (SWEEPS + 2)])
            axis = "each cue, and what the spins are, two sweeps later at a time"
            show_rows(self._film, strips, [ends], axis=axis, about="cues falling, before and now")
        delta = stabilities(J, patterns)
        E = -0.5 * ((patterns @ J) * patterns).mean(1).mean()
        seen = run.learner.traced()["h"].get("spins")
        asleep = torch.nan if seen is None else float(-0.5 * ((seen @ J) * seen).mean(1).mean())
        self._kept = [each for each in self._kept if each[0] < dreams]
        self._kept.append((dreams, float(delta.min()), float((delta > 0).float().mean()), float(E), asleep))
        rests = bool((delta > 0).all())
        end, marks = dreams, []
        if not stream.days and run.settings.s == 1 and eps:
            spent = len(patterns) / eps
            end, marks = max(dreams, BEYOND * spent), [(spent, "P/ε: all is taken")]
        ahead = [(end, *[np.nan] * 4)] if end > dreams else []
        x, least, stable, memory, dream = np.array([*self._kept, *ahead]).T
        lines = [
            Row("Δ", "least stability of a spin", [Line("Δ min", least, {"ink": 0, "width": 2.2})]),
            Row("%", "stable spins", [Line("share", stable, {"ink": 2, "width": 2.2})]),
            Row(
                "E/N",
                "energy of",
                [Line("the memories", memory, {"ink": 0}), Line("the last state", dream, {"ink": 1})],
            ),
        ]
        show_rows(self._rows, lines, [x], marks=marks, axis="dreams D")
        now = retrieval_map(J, patterns, OVERLAPS)
        reached = [np.array(OVERLAPS), self._begun[2].numpy(), np.array(OVERLAPS), now.numpy()]
        layers = [{"draw": "line", "ink": TARGET, "width": 2}, {"draw": "trail", "ink": 0, "width": 2.5}]
        about = "basins: overlap of the cue, overlap at rest; dotted: before any dream"
        self._reach.show("plane", reached, layers=layers, x="overlap of the cue m₀", y="overlap at rest", about=about)
        values, rank = torch.linalg.eigvalsh(J), np.arange(len(J)) + 1.0
        layers = [{"draw": "line", "ink": TARGET, "width": 2}, {"draw": "line", "ink": 0, "width": 2.5}]
        columns = [rank, self._begun[3].numpy(), rank, values.numpy()]
        self._spectrum.show("plane", columns, layers=layers, x="rank", y="eigenvalues of J", about="spectrum of J")
        said = "all memories rest" if rests else "not every memory rests"
        self._told.value = (
            f"N = {len(J)} · P = {len(patterns)} memories · ε = τ²βφ/2 = {eps:.3g} · D = {dreams:,.0f} dreams · "
            f"<b>{said}</b> · a cue of m₀ = .5 comes to {float(now[OVERLAPS.index(0.5)]):.2f}"
        )


def film(J: torch.Tensor, patterns: torch.Tensor) -> np.ndarray:
    """(CUES · (SWEEPS + 2), 8, 8): each cue, SWEEPS states of its fall, and a gap."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        chosen = patterns[torch.tensor([2, 5, 8]) % len(patterns)]
        states = [torch.where(torch.rand(chosen.shape) < WRONG, -chosen, chosen)]
        for _ in range(SWEEPS):
            states.append(fall(J, states[-1], 2))
    shown = torch.stack([*states, torch.zeros_like(chosen)], 1)
    return shown.reshape(-1, 8, 8).numpy()


def dose(settings: Any) -> float:
    """ε = τ²βφ/2: ε/N is what one dream takes away."""
    return 0.5 * settings.tau**2 * settings.beta * settings.phi_at(0.0)
