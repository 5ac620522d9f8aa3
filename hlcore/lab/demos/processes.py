"""A chain over real processes, live: each rank's lane, a plug to pull, and the way back to the last checkpoint."""

import html
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...devices import Lost, Outcome, Workers
from ...errors import HLError, bad, whole
from ...experiments import Experiment
from ...palette import ALARM, BLACK
from ..figures.chart import Plot, curve, placed, styled
from ..panel import Panel
from ..widgets import menu, row
from .lane_chart import timeline

BURST = 40  # ticks between two checkpoints, and between two pictures
LOOK = 0.05  # seconds between two looks at the ranks


class Fleet(Panel):
    """Play: the ranks run in bursts of 40 ticks, each saved; you see its last ticks, and the loss of all.

    experiment  one with a `Chain`     ranks  processes on this machine, started at the first Play
    `play`, `pause`, `step()` (one burst, waited for), `kill(rank)`, `close` are the controls' twins. After a rank was
    lost, Play begins a new process in its place and goes on from the last checkpoint.
    """

    def __init__(self, experiment: Experiment, ranks: int = 2) -> None:
        if not isinstance(experiment, Experiment):
            wanted = "hlcore.experiments.get('digits-chain')"
            raise bad("Fleet", type(experiment).__name__, "an Experiment with a Chain", wanted)
        self.experiment, self.ranks = experiment, whole("ranks", ranks)
        super().__init__()
        self._ends = ExitStack()  # the ranks, then the folder
        self.owns(self._ends)
        self.checkpoint = Path(self._ends.enter_context(tempfile.TemporaryDirectory()), "saved.hl")
        self.ticks, self._busy, self._looked = 0, False, 0.0
        self._doomed: int | None = None  # whose plug is pulled as soon as its burst is under way
        self._picture = W.HTML(layout=W.Layout(width="100%"))
        self._victim = menu([(f"rank {r}", r) for r in range(ranks)], width="90px", tooltip="whose plug")
        self._victim.value = ranks - 1
        self.commands["kill"] = self.kill
        kill = self.button("Pull the plug", "SIGKILL", "kill", lambda: self._victim.value, "danger")
        bar = row([self._play, self._victim, kill, self._gate])
        self.children = [bar, self._status, self._alarm, self._picture]
        self.refresh_status()

    lost: Lost | None = None
    run: Outcome | None = None
    figure: Any = None  # of the loss, made when there is something to be seen
    _workers: Workers | None = None

    def step(self) -> Self:
        """One burst, waited for."""
        self._loop.pause()
        self._begin()
        self._end()
        return self.shown()

    def pause(self) -> Self:
        """Rest after the burst at hand."""
        self._doomed = None
        self._loop.pause()
        if self._busy:
            self._end()
        self.draw()
        return super().pause()

    def kill(self, rank: int) -> Self:
        """Pull the plug of a rank (SIGKILL), in the middle of a burst if one runs."""
        if not 0 <= whole("rank", rank, 0) < self.ranks:
            raise bad("rank", rank, f"0 to {self.ranks - 1}")
        if self._workers is None:
            raise HLError("kill: got no process yet, expected a run that has begun; press Play first.")
        if self._busy or self.playing:
            self._doomed = rank
        else:
            self._workers.kill(rank)
        return self

    def advance(self, seconds: float) -> None:
        """Begin a burst, or see whether it has ended."""
        now = time.perf_counter()
        if now - self._looked < LOOK:
            return
        self._looked = now
        if not self._busy or self._workers is None:
            self._begin()
            self.refresh_status()
        elif self._doomed is not None and self._workers.working() and self._workers.tick(self._doomed) >= 0:
            self._workers.kill(self._doomed)  # if it was through already, the next burst will tell
        elif not self._workers.working():
            self._end()
            self.refresh_status()
            if self.lost is not None:
                self._loop.pause()

    def draw(self) -> None:
        """The lanes of the last ticks, the loss of all."""
        if self.run is None:
            return
        self._picture.value = str(timeline(self.run.lanes, 6).data)
        loss, shown = self.run.trajectory.loss.values, 0 if self.figure is None else len(self.figure.data[0].y)
        if self.figure is None:
            figure = go.Figure(curve("loss", 0, np.arange(1, len(loss) + 1), loss, mode="lines"))
            self.figure = Plot(styled(figure, 220, xaxis_title="tick", yaxis_title="loss L"))
            self.children = [*self.children, placed(self.figure)]
        elif shown < self.ticks:
            line = self.figure.data[0]
            with self.figure.batch_update():
                line.x = np.arange(1, self.ticks + 1, dtype=np.float32)
                line.y = np.append(line.y, loss).astype(np.float32)

    def play_word(self) -> str:
        """Resume, where a rank was lost."""
        return "Play" if self.lost is None else "Resume"

    def status(self) -> str:
        """Ticks, processes, loss."""
        ids = "" if self._workers is None else f" ({', '.join(map(str, self._workers.ids))})"
        text = f"{'playing' if self.playing else 'paused'} · tick {self.ticks:,} on {self.ranks} processes{ids}"
        if self.run is not None:
            text += f" · loss {float(self.run.trajectory.loss[-1]):.3f}"
        elif self.playing:
            text += " · they start, and import torch: some seconds"
        return html.escape(text)

    def alarm(self) -> str:
        """Who was lost, and how it goes on."""
        return f"{self.lost} Resume goes on from tick {self.ticks:,}." if self.lost else super().alarm()

    def _begin(self) -> None:
        if self._workers is None:
            self._workers = Workers(self.ranks)
            self._ends.callback(self._workers.close)
        self.lost = None
        resume = str(self.checkpoint) if self.checkpoint.exists() else None
        self._workers.start(self.experiment, BURST, capacity=BURST, resume=resume, checkpoint=f"{self.checkpoint}.next")
        self._busy = True

    def _end(self) -> None:
        """What came of the burst; its checkpoint counts only when all ranks are through."""
        assert self._workers is not None
        self._busy = False
        try:
            self.run = self._workers.wait()
        except Lost as lost:
            self.lost, self._doomed = lost, None
            if self.figure is not None:
                look = {"font": {"color": BLACK}, "bgcolor": ALARM}
                told = {"annotation_text": f"rank {lost.rank} lost", "annotation_position": "bottom right"}
                line = {"color": ALARM, "dash": "dash"}
                self.figure.add_vline(x=self.ticks, line=line, annotation=look, **told)
            return
        Path(f"{self.checkpoint}.next").replace(self.checkpoint)
        self.ticks += BURST
