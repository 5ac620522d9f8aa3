"""Where temporal differences with momentum are stable, and how fast the error will go."""

from typing import Any

import numpy as np

from ...studies.td_stability import mean_now, outside, pace, parabola, synced
from .canvas import MARK, TARGET
from .figure import Figure, View

SHOWN = 1500  # records of the error at most
AHEAD = 200  # steps for which it is foretold


class EigenvaluePlane(Figure):
    """The eigenvalues p + iq of A and the parabola p = (βφ/η²)q²: stable if and only if all lie inside, to its right.

    Those outside are marked. Behind a target network A is G within a sync: symmetric, its eigenvalues real.
    """

    title = "eigenvalues of A, and the parabola of η and β"

    def frame(self, run: Any, view: View) -> None:
        mean, K = mean_now(run.learner, run.stream), synced(run.learner)
        A = mean.G if K > 1 else mean.A(run.learner.loss.discount)
        found, lost, c = np.linalg.eigvals(A), outside(A, run.settings), parabola(run.settings)
        tall = 1.3 * max(abs(found.imag).max(), 0.15)
        wide = 1.2 * max(abs(found.real).max(), 0.1)
        q = np.linspace(-1, 1, 81) * min(tall, np.sqrt(wide / c) if c else tall)
        columns = [c * q**2, q, found.real, found.imag, lost.real, lost.imag, [-wide / 4, wide], [-tall, tall]]
        layers: list[dict[str, Any]] = [
            {"draw": "line", "ink": 1, "width": 2},
            {"draw": "points", "ink": 0, "size": 5},
            {"draw": "points", "ink": MARK, "size": 7},
            {"draw": "room", "ink": 0},
        ]
        state = f"{len(lost)} outside" if len(lost) else "all inside: stable"
        told = f"p   ({state}; " + (f"K = {K}: within a sync A = G)" if K > 1 else f"p = {c:.3g} q²)")
        self.widget.show("plane", columns, layers=layers, x=told, y="q", about=f"eigenvalues of A: {state}")


class ErrorPace(Figure):
    """log₁₀ of the error |x·(θ - θ*)| over the steps, and the pace at which it will go on, foretold from A and η, β.

    The dashed line begins where a setting was last changed; before the first step it is all there is.
    """

    title = "the error, and its pace foretold"

    def frame(self, run: Any, view: View) -> None:
        learner, mean = run.learner, mean_now(run.learner, run.stream)
        A = mean.A(learner.loss.discount)
        best = np.linalg.lstsq(A, mean.b, rcond=None)[0]
        now = learner.law.theta[0].detach().double().numpy()
        way = run.recorder.window("theta", SHOWN, list(range(len(now)))) if len(run.recorder) else now[None]
        step = run.recorder.window("step", SHOWN) if len(run.recorder) else np.zeros(1)
        off = way - best
        size = 0.5 * np.log10(np.einsum("ki,ij,kj->k", off, mean.G, off).clip(1e-30))
        changed = max((at for at, _ in run.changes), default=0)
        first = int(min(np.searchsorted(step, changed, "right"), len(step) - 1))
        slope = pace(learner, mean) / np.log(10)
        ahead = np.array([step[first], step[-1] + AHEAD])
        columns = [step, size, ahead, size[first] + slope * (ahead - step[first])]
        layers = [{"draw": "line", "ink": 0, "width": 2}, {"draw": "line", "ink": TARGET, "width": 2}]
        factor = np.exp(pace(learner, mean) * synced(learner))
        each = "a sync" if synced(learner) > 1 else "a step"
        told = f"step   (foretold: × {factor:.4g} {each})"
        self.widget.show("plane", columns, layers=layers, x=told, y="log₁₀ |x·(θ - θ*)|", about=f"error, {told}")
