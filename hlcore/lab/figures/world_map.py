"""A world as a map: where the agent is, and what it thinks of every move."""

from typing import Any

import numpy as np

from ...streams.worlds import MDP, Rooms, Sweep
from .canvas import GHOST, MARK, TARGET
from .figure import Figure, View


class WorldMap(Figure):
    """The states of a finite world in a circle, an arrow for each action, the wider the larger Q, and the agent."""

    title = "the world, and Q on its edges"
    height = 330

    def frame(self, run: Any, view: View) -> None:
        stream = run.stream
        world: MDP = stream.world if isinstance(stream, Sweep) else stream
        Q = world.X @ run.learner.law.theta[0].detach().double().numpy()[: world.X.shape[2]]
        shown = np.flatnonzero(~world.ends | (world.P[~world.ends].sum((0, 1)) > 0))
        angle = dict(zip(shown, np.pi / 2 - 2 * np.pi * np.arange(len(shown)) / len(shown), strict=True))
        place = {s: np.array([np.cos(a), np.sin(a)]) for s, a in angle.items()}
        columns, layers, words, at = [], [], [], []
        scale = max(abs(Q[~world.ends]).max(), 1e-9)
        for s in shown[~world.ends[shown]]:
            for a in range(world.actions):
                to = int(world.P[s, a].argmax())
                line = _arrow(place[s], place[to])
                columns += [line[:, 0], line[:, 1]]
                best = world.actions == 1 or Q[s, a] >= Q[s].max() - 1e-12
                width = 0.8 + 5 * abs(Q[s, a]) / scale
                layers.append({"draw": "line", "ink": 0 if best else GHOST, "width": width})
                words.append(f"{Q[s, a]:.3g}")
                at.append(line[1] + 0.11 * _left(place[s], place[to]))
        spots = np.array([place[s] for s in shown])
        ends = [f"{s}" + (" (end)" if world.ends[s] else "") for s in shown]
        for points, draw in (
            (spots, {"draw": "points", "ink": TARGET, "size": 13}),
            (1.22 * spots, {"draw": "words", "ink": TARGET, "words": ends}),
            (np.array(at), {"draw": "words", "ink": 0, "words": words, "size": 11}),
            (1.35 * spots, {"draw": "room", "ink": 0}),
        ):
            columns += [points[:, 0], points[:, 1]]
            layers.append(draw)
        if not isinstance(stream, Sweep):
            here = place[stream.now[0]]
            columns += [here[:1], here[1:]]
            layers.append({"draw": "points", "ink": MARK, "size": 9})
        self.widget.show("plane", columns, layers=layers, x="", y="", bare=True, equal=True, about="map of the world")


def _arrow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From a to b, a little to the left, and its point; a loop where they are one."""
    if np.allclose(a, b):
        turn = np.linspace(0, 2 * np.pi, 14)
        return 1.17 * a + 0.13 * np.c_[np.cos(turn), np.sin(turn)]
    way, side = (b - a) / np.linalg.norm(b - a), _left(a, b)
    start, end = a + 0.13 * way + 0.05 * side, b - 0.13 * way + 0.05 * side
    mid, barb = (start + end) / 2 + 0.05 * side, end - 0.1 * way
    return np.array([start, mid, end, barb + 0.06 * side, end, barb - 0.06 * side])


def _left(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Across the way from a to b, or outwards where they are one."""
    way = b - a if not np.allclose(a, b) else np.array([a[1], -a[0]])
    return np.array([-way[1], way[0]]) / np.linalg.norm(way)


class RoomsMap(Figure):
    """The rooms of this episode: those seen are filled, the agent is marked, the coin waits."""

    title = "the rooms of this episode"
    height = 300

    def frame(self, run: Any, view: View) -> None:
        world: Rooms = run.stream
        now = world.now
        places, behind, seen = now["places"].astype(float), now["behind"], now["seen"]
        columns: list[Any] = []
        layers: list[dict[str, Any]] = []
        for a, b in zip(*np.nonzero(behind >= 0), strict=True):
            to = behind[a, b]
            if a < to:
                columns += [places[[a, to], 0], places[[a, to], 1]]
                layers.append({"draw": "line", "ink": GHOST, "width": 5})
        coin, here = places[world.path - 1], places[now["at"]]
        for points, draw in (
            (places[seen], {"draw": "points", "ink": 0, "size": 14}),
            (places[~seen], {"draw": "points", "ink": GHOST, "size": 14}),
            (coin[None] + [[0, 0.42]], {"draw": "words", "ink": 1, "words": ["coin"], "size": 13}),
            (coin[None], {"draw": "points", "ink": 1, "size": 7}),
            (here[None], {"draw": "points", "ink": MARK, "size": 9}),
            (np.array([places.min(0) - 0.8, places.max(0) + 0.8]), {"draw": "room", "ink": 0}),
        ):
            columns += [points[:, 0], points[:, 1]]
            layers.append(draw)
        about = f"{int(seen.sum())} of {len(places)} rooms seen, move {now['moves']} of {world.moves}"
        self.widget.show("plane", columns, layers=layers, x="", y=about, bare=True, equal=True, about=about)
