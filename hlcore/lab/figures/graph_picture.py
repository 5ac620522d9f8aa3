"""Clients on a graph as they learn: their models as colours, the borders of clusters as edges that light up."""

from typing import Any

import numpy as np

from ...palette import BLUE, ORANGE, PALE, VERMILION
from .figure import Figure, View

SHADES = 9  # colours from the least θ to the largest
RADIUS = 0.8  # of a cluster's circle, beside the distance of its middle
MOMENTS = 200  # of the curves at most
LAST = 150  # records over which a dual is averaged: noise pulls every edge to its bound now and then, a border stays
NEAR = 0.9  # of its bound is at its bound


def mixed(a: str, b: str, share: float) -> str:
    """A colour between two."""
    parts = [[int(x[i : i + 2], 16) for i in (1, 3, 5)] for x in (a, b)]
    return "#" + "".join(f"{round(p + share * (q - p)):02x}" for p, q in zip(*parts, strict=True))


def diverging() -> list[str]:
    """SHADES colours, from blue over pale to orange."""
    half = SHADES // 2
    return [mixed(PALE, BLUE, 1 - k / half) for k in range(half)] + [
        mixed(PALE, ORANGE, k / half) for k in range(half + 1)
    ]


def places(cluster: np.ndarray) -> np.ndarray:
    """(N, 2): the nodes of each cluster on a circle of their own, clusters side by side."""
    found = np.zeros((len(cluster), 2))
    for c in np.unique(cluster):
        here = np.flatnonzero(cluster == c)
        angle = 2 * np.pi * np.arange(len(here)) / len(here)
        found[here] = np.stack([2 * c + RADIUS * np.cos(angle), RADIUS * np.sin(angle)], 1)
    return found


class GraphPicture(Figure):
    """Large dots have labels, small ones none; colour is the weight in which the clusters differ most at the start.

    Bold edges: the mean dual of the last records is at its bound λA_e.
    """

    title = "the graph: a colour for one weight, bold edges where the mean |u| is at λ"
    height = 330

    def frame(self, run: Any, view: View) -> None:
        """Nodes and edges as they are now."""
        network, stream = run.learner.network, run.stream
        at, i, j = places(stream.cluster), network.i.numpy(), network.j.numpy()
        gap = np.full(len(i), np.nan)
        lit = self.lit(run)
        columns, layers = [], []
        for chosen, style in ((~lit, {"ink": -2, "width": 0.6}), (lit, {"colour": VERMILION, "width": 2.2})):
            lines = np.stack([at[i], at[j], np.stack([gap, gap], 1)], 1)[chosen].reshape(-1, 2)
            columns += [lines[:, 0], lines[:, 1]]
            layers.append({"draw": "line", "ink": 0, **style})
        truth = stream.weights[0].numpy()
        entry = int(np.ptp(truth, axis=0).argmax())
        least, reach = truth[:, entry].min(), np.ptp(truth[:, entry]) or 1.0
        share = (network.theta.detach().numpy()[:, entry] - least) / reach
        shade = np.clip(np.round(share * (SHADES - 1)), 0, SHADES - 1)
        labelled = stream.mask.numpy() > 0
        for k, colour in enumerate(diverging()):
            for known, size in ((True, 7.5), (False, 4.5)):
                here = at[(shade == k) & (labelled == known)]
                columns += [here[:, 0], here[:, 1]]
                layers.append({"draw": "points", "colour": colour, "size": size})
        told = f"{int(lit.sum())} of {len(i)} edges are at their bound"
        self.widget.show("plane", columns, layers=layers, x=told, y="", bare=True, equal=True, about=f"graph: {told}")

    @staticmethod
    def lit(run: Any) -> np.ndarray:
        """(E,): whether any entry of an edge's mean dual is at its bound; none where there is no bound.

        Where the record does not keep all duals, they are those of now.
        """
        network, recorder, h = run.learner.network, run.recorder, run.learner.point.h
        lam, size = getattr(network, "lam", None), network.i.numel() * network.theta.shape[1]
        if not lam or "u" not in h:
            return np.zeros(len(network.i), bool)
        whole = len(recorder) and recorder.total("h") == len(recorder.names("h"))
        u = recorder.window("h", LAST)[:, :size].mean(0) if whole else h["u"].numpy()
        return np.abs(u.reshape(len(network.i), -1)).max(1) >= NEAR * lam * network.A.numpy()


class ClientErrors(Figure):
    """|θ - θ_true|² of labelled and unlabelled clients, means over each kind, on a logarithmic axis."""

    title = "how wrong the clients are"
    height = 330

    def frame(self, run: Any, view: View) -> None:
        """Over the last records; the weights must be recorded whole."""
        recorder, stream = run.recorder, run.stream
        t, steps = (recorder.window(name, view.window, most=MOMENTS) for name in ("t", "step"))
        labelled = stream.mask.numpy() > 0
        if not len(t) or recorder.total("theta") > len(recorder.names("theta")):
            self.widget.show("rows", [], rows=[], start=0.0, marks=[], about="clients' errors")
            return
        theta = recorder.window("theta", view.window, most=MOMENTS).reshape(len(t), len(labelled), -1)
        truth = np.stack([stream.truth(int(k) - 1).numpy() for k in steps])
        wrong = ((theta - truth) ** 2).sum(-1)
        kinds = [("labelled", labelled, 0), ("unlabelled", ~labelled, 1)]
        lines = [{"name": name, "ink": ink, "width": 2} for name, here, ink in kinds if here.any()]
        curves = [wrong[:, here].mean(1) for _, here, _ in kinds if here.any()]
        row = {"symbol": "ε", "what": "|θ - θ_true|², mean", "weight": 1, "map": None, "log": True, "lines": lines}
        marks = [list(m) for m in view.marks if m[0] >= t[0]]
        told = {"rows": [row], "start": float(t[0]), "marks": marks, "about": "clients' errors over time"}
        self.widget.show("rows", [t - t[0], *curves], **told)
