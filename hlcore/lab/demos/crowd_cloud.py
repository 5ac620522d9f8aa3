"""A crowd in the plane of its weights, and the way that its mean was foretold to take."""

from typing import Any

import ipywidgets as W
import numpy as np

from ...errors import HLError, bad
from ...streams import Clusters
from ...studies.mean_flow import MeanFlow, alignment, reaches, slow
from ..figures.canvas import GHOST, TARGET, Canvas
from ..figures.figure import Figure, View
from ..figures.time_rows import Line, Row, show_rows
from ..widgets import column, row

POINTS = 300  # moments shown of the flows and of the record
LEAST = 8.0  # slow time that is foretold before the first step
GOAL = 0.8  # alignment at which a task counts as learned


class CrowdCloud(Figure):
    """The cloud of learners in the plane of weights; over slow time T = γk the alignment of its mean, and its spread.

    What was foretold is drawn before the first step, for the settings at the start: the plain flow of the mean (grey),
    the flow with HL's momentum (orange), and tr C at the rate γ. A setting that is changed on the way moves the crowd
    and not the prophecy; Reset foretells anew. For `crowd-clusters`, whose weights the record must hold in full:
    Cockpit(Run(experiment, width=2 * learners)).
    """

    title = "the crowd, and the way it was foretold"
    instead = True

    def __init__(self) -> None:
        self._told, self._plane, self._rows = W.HTML(), Canvas(height=0), Canvas(height=0)
        sides = [column([self._plane], flex="1 1 220px"), column([self._rows], flex="2 1 400px")]
        self.widget: Any = column([self._told, row(sides)])
        self._known: tuple[Any, ...] = ()

    def frame(self, run: Any, view: View) -> None:
        """Show where everyone is, and was."""
        network, stream = run.learner.network, run.stream
        if not isinstance(stream, Clusters) or stream.mu.shape != (1, 2):
            raise bad("CrowdCloud", type(stream).__name__, "one task in the plane", "experiments.get('crowd-clusters')")
        mu, w = stream.mu[0], network.w.detach().double().numpy()
        try:
            rate, inertia = slow(run.start)
        except HLError as error:
            self._told.value = f"no prophecy: {error}"
            return
        steps, theta = run.recorder.window("step", most=POINTS), run.recorder.window("theta", most=POINTS)
        ways = theta.reshape(len(theta), *w.shape) if theta.shape[1:] == (w.size,) else w[None][:0]
        T = rate * (steps if len(ways) else steps[:0])
        x, start, plain, heavy, spread = self._foretold(run, rate, inertia, float(T[-1]) if len(T) else 0.0)

        def over(values: np.ndarray) -> np.ndarray:
            return np.interp(x, T, values, right=np.nan) if len(T) else np.full(len(x), np.nan)

        mean = ways.mean(1)
        aligned, cloud = alignment(mean, mu), ways.var(1).sum(1)
        lines = [Line("one learner", over(alignment(ways[:, i], mu)), {"ink": GHOST, "quiet": i > 0}) for i in range(3)]
        lines += [
            Line("plain flow", alignment(plain, mu), {"ink": TARGET, "width": 4}),
            Line("HL's flow", alignment(heavy, mu), {"ink": 1, "width": 4}),
            Line("mean", over(aligned), {"ink": 0, "width": 1.8}),
        ]
        spreads = [Line("foretold", spread, {"ink": TARGET, "width": 4}), Line("crowd", over(cloud), {"ink": 0})]
        rows = [Row("cos", "of the mean with μ", lines), Row("tr C", "spread of the crowd", spreads)]
        show_rows(self._rows, rows, [x], axis="slow time T")
        layers = [{"draw": "points", "ink": GHOST}, {"draw": "line", "ink": TARGET, "width": 2.5}]
        layers += [{"draw": "line", "ink": 1, "width": 5}, {"draw": "trail", "ink": 0, "width": 1.8}]
        paths = [w, plain, heavy, mean if len(mean) else start[None]]
        planes = [c for path in paths for c in path.T]
        self._plane.show("plane", planes, layers=layers, x="w₁", y="w₂", equal=True, about="the plane of weights")
        told = [f"γ = τβφ/η = {rate:.3g}", f"ε = βφ/η² = {inertia:.3g}", f"T = γk = {T[-1] if len(T) else 0:.2f}"]
        times = [reaches(a, t) for a, t in ((alignment(heavy, mu), x), (aligned, T))]
        said = [f"T = {t:.2f}" if np.isfinite(t) else "not yet" for t in times]
        told.append(f"cos = {GOAL:g} at {said[0]} (foretold), {said[1]} (the crowd)")
        self._told.value = " &nbsp;·&nbsp; ".join(told)

    def _foretold(self, run: Any, rate: float, inertia: float, now: float) -> tuple[np.ndarray, ...]:
        """(T, start, plain flow, flow with momentum, tr C), made anew for another start, or when T has run beyond."""
        horizon = LEAST * 2 ** max(0, np.ceil(np.log2(max(now, 1e-9) / LEAST)))
        key = (run.experiment, run.seed, rate, inertia, horizon)
        if not self._known or self._known[0] != key:
            network, stream = run.learner.network, run.stream
            start = run.experiment.setup(run.seed).network.w.detach().double().numpy().mean(0)
            options = run.experiment.options
            baseline = options.get("baseline", 0.0)
            closed = 0.0 if baseline == "mean" else baseline  # the mean reward moves; without one it is nearest
            flow = MeanFlow(options.get("rule", "supervised"), stream.components, network.decay, closed)
            x = np.linspace(0, horizon, POINTS)
            plain = flow.path(start, x, rate, np.zeros((2, 2)))
            heavy = flow.path(start, x, inertia=inertia).mean
            assert plain.spread is not None
            made = x, start, flow.path(start, x).mean, heavy, np.trace(plain.spread, axis1=1, axis2=2)
            self._known = key, made
        return self._known[1]
