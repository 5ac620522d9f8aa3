"""A chain over real processes, live: each rank's lane, a plug to pull, and the way back to the last checkpoint."""

from __future__ import annotations

import html
import tempfile
import time
from pathlib import Path
from typing import Any

import ipywidgets as W
import numpy as np
import plotly.graph_objects as go

from ...devices import Lost, Outcome, Workers
from ...errors import HLError, bad, whole
from ...experiments import Experiment
from ...lab import equations as words
from ..figures.chart import INK, placed, styled
from ..gate import FrameGate
from ..loop import LiveLoop
from ..places import Place, forget
from .lane_chart import timeline

BURST = 40  # ticks between two checkpoints, and between two pictures
LOOK = 0.05  # seconds between two looks at the ranks


class Fleet(W.VBox):
    """Play: the ranks run in bursts of 40 ticks, each saved; you see its last ticks, and the loss of all.

    experiment  one with a `Chain`     ranks  processes on this machine, started at the first Play
    `play`, `pause`, `step()` (one burst, waited for), `kill(rank)`, `close` are the controls' twins. After a rank was
    lost, Play begins a new process in its place and goes on from the last checkpoint.
    """

    def __init__(self, experiment: Experiment, ranks: int = 2) -> None:
        if not isinstance(experiment, Experiment):
            wanted = "hlcore.experiments.get('digits-chain')"
            raise bad("Fleet", type(experiment).__name__, "an Experiment with a Chain", wanted)
        super().__init__(layout=W.Layout(width="100%", min_width="0"))
        self.experiment, self.ranks = experiment, whole("ranks", ranks)
        self._place = Place(self)
        self._folder = tempfile.TemporaryDirectory()
        self.checkpoint = Path(self._folder.name, "saved.hl")
        self._workers: Workers | None = None
        self.ticks, self.run, self._busy, self._looked = 0, None, False, 0.0
        self.lost: Lost | None = None
        self._doomed: int | None = None  # whose plug is pulled as soon as its burst is under way
        self._gate = FrameGate()
        self._loop = LiveLoop(self, self._gate)
        self._words, self._alarm, self._picture = W.HTML(), W.HTML(), W.HTML(layout=W.Layout(width="100%"))
        self.figure: Any = None  # of the loss, made when there is something to be seen
        self.children = [self._bar(), self._words, self._alarm, self._picture]
        self.told()

    run: Outcome | None

    def step(self) -> Fleet:
        """One burst, waited for."""
        self._loop.pause()
        self._begin()
        self._end()
        self.draw()
        self.told()
        return self

    def play(self) -> Fleet:
        """Burst after burst until `pause`."""
        self._loop.play()
        return self

    def pause(self) -> Fleet:
        """Rest after the burst at hand."""
        self._loop.pause()
        self._doomed = None
        if self._busy:
            self._end()
        self.draw()
        self.told()
        return self

    def kill(self, rank: int) -> Fleet:
        """Pull the plug of a rank (SIGKILL), in the middle of a burst if one runs."""
        if not 0 <= whole("rank", rank, 0) < self.ranks:
            raise bad("rank", rank, f"0 to {self.ranks - 1}")
        if self._workers is None:
            raise HLError("kill: got no process yet, expected a run that has begun; press Play first.")
        if self._busy or self._loop.playing:
            self._doomed = rank
        else:
            self._workers.kill(rank)
        return self

    def close(self) -> None:
        """End the task, the processes and the widgets."""
        forget(self)
        if hasattr(self, "_picture"):
            self._loop.close()
            if self._workers is not None:
                self._workers.close()
                self._workers = None
            self._folder.cleanup()
            self._gate.close()
        super().close()

    def __repr__(self) -> str:
        return "Fleet()"

    # ---- what the loop calls -----------------------------------------------------------------------------------------

    def obey(self, name: str, value: Any) -> None:
        """Carry out one message of a control."""
        if name == "toggle":
            self.pause() if self._loop.playing else self.play()
        elif name == "kill":
            self.kill(value)

    def advance(self, seconds: float) -> None:
        """Begin a burst, or see whether it has ended."""
        now = time.perf_counter()
        if now - self._looked < LOOK:
            return
        self._looked = now
        if not self._busy or self._workers is None:
            self._begin()
            self.told()
        elif self._doomed is not None and self._workers.working() and self._workers.tick(self._doomed) >= 0:
            self._workers.kill(self._doomed)  # if it was through already, the next burst will tell
        elif not self._workers.working():
            self._end()
            self.told()
            if self.lost is not None:
                self._loop.pause()

    def draw(self) -> None:
        """The lanes of the last ticks, the loss of all."""
        if self.run is None:
            return
        self._picture.value = str(timeline(self.run.lanes, 6).data)
        loss, shown = self.run.trajectory.loss.values, 0 if self.figure is None else len(self.figure.data[0].y)
        if self.figure is None:
            self.figure = go.FigureWidget(_loss_figure(loss))
            self.children = [*self.children, placed(self.figure)]
        elif shown < self.ticks:
            line = self.figure.data[0]
            with self.figure.batch_update():
                line.x = np.arange(1, self.ticks + 1, dtype=np.float32)
                line.y = np.append(line.y, loss).astype(np.float32)

    def told(self) -> None:
        """Bring button and words up to date."""
        playing = self._loop.playing
        self._play.description = "Pause" if playing else "Play" if self.lost is None else "Resume"
        self._play.button_style = "warning" if playing else "success"
        ids = "" if self._workers is None else f" ({', '.join(map(str, self._workers.ids))})"
        text = f"{'playing' if playing else 'paused'} · tick {self.ticks:,} on {self.ranks} processes{ids}"
        if self.run is not None:
            text += f" · loss {float(self.run.trajectory.loss[-1]):.3f}"
        elif playing:
            text += " · they start, and import torch: some seconds"
        self._words.value = f'<span role="status">{html.escape(text)}</span>'
        told = str(self.lost) if self.lost else str(self._loop.error) if self._loop.error else ""
        cure = f" Resume goes on from tick {self.ticks:,}." if self.lost else ""
        self._alarm.value = words.alarmed(told + cure)

    def notice(self, text: str) -> None:
        """A complaint that stops nothing."""
        self._alarm.value = words.alarmed(text)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._workers is None:
            self._workers = Workers(self.ranks)
        self.lost = None
        resume = str(self.checkpoint) if self.checkpoint.exists() else None
        self._workers.start(
            self.experiment, BURST, capacity=BURST, resume=resume, checkpoint=str(self.checkpoint) + ".next"
        )
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
                at = {
                    "x": self.ticks,
                    "annotation_text": f"rank {lost.rank} lost",
                    "annotation_position": "bottom right",
                }
                ink = {"color": words.ALARM}
                self.figure.add_vline(**at, line={**ink, "dash": "dash"}, annotation={"font": ink})
            return
        Path(str(self.checkpoint) + ".next").replace(self.checkpoint)
        self.ticks += BURST

    def _bar(self) -> W.HBox:
        post, auto = self._loop.post, W.Layout(width="auto")
        self._play = W.Button(tooltip="run the ranks", layout=auto)
        self._play.on_click(lambda _: post("toggle"))
        self._victim = W.Dropdown(
            options=[(f"rank {r}", r) for r in range(self.ranks)],
            value=self.ranks - 1,
            layout=W.Layout(width="90px"),
            tooltip="whose plug",
        )
        kill = W.Button(description="Pull the plug", tooltip="SIGKILL", button_style="danger", layout=auto)
        kill.on_click(lambda _: post("kill", self._victim.value))
        flow = W.Layout(flex_flow="row wrap", align_items="center", min_width="0")
        return W.HBox([self._play, self._victim, kill, self._gate], layout=flow)


def _loss_figure(loss: np.ndarray) -> go.Figure:
    figure, line = go.Figure(), {"color": INK[0][0], "width": 2}
    x = np.arange(1, len(loss) + 1, dtype=np.float32)
    figure.add_trace(go.Scatter(x=x, y=loss.astype(np.float32), mode="lines", line=line))
    styled(figure, 220)
    figure.update_xaxes(title="tick")
    figure.update_yaxes(title="loss L")
    return figure
