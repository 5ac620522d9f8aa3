"""The small worlds on which Q-learning is known to work, to fail, and to search in vain."""

from typing import Any

import numpy as np

from ...errors import bad, number, share, whole
from .mdp import MDP


def ring(rooms: int = 3, ways: int = 1, slip: float = 0.0, ends: bool = False, **more: Any) -> MDP:
    """Rooms in a ring; entering room 0 gives 1. ways 1: on alone (nothing to choose); 2: on and back.

    slip  chance that a move fails     ends  True: room 0 ends the episode
    """
    n, slip = whole("rooms", rooms, 2), share("slip", slip)
    if ways not in (1, 2):
        raise bad("ways", ways, "1 (on) or 2 (on, back)")
    rooms_ = np.arange(n)
    P = np.zeros((n, ways, n))
    for a, turn in enumerate((1, -1)[:ways]):
        P[rooms_, a, (rooms_ + turn) % n] += 1 - slip
        P[rooms_, a, rooms_] += slip
    return MDP(P, rooms_ == 0, ends=[0] if ends else (), names=("on", "back")[:ways], **more)


def star(**more: Any) -> MDP:
    """Baird's star (1995): seven states, action 0 leads to the seventh, action 1 to any of the six; no reward at all.

    x(s,0) = 2 e_s + e_8 for the six, e_7 + 2 e_8 for the seventh; action 1 has a feature for each state, 15 in all. It
    is tried six times in seven, whatever the output says: off-policy. Q = 0 is right, and within reach of θ.
    """
    P, X = np.zeros((7, 2, 7)), np.zeros((7, 2, 15))
    P[:, 0, 6], P[:, 1, :6] = 1, 1 / 6
    X[:6, 0, :6], X[:6, 0, 7] = 2 * np.eye(6), 1
    X[6, 0, 6:8] = 1, 2
    X[:, 1, 8:] = np.eye(7)
    return MDP(P, 0, X, behaviour=np.tile([1 / 7, 6 / 7], (7, 1)), **more)


def two_states(end: float = 0.1, **more: Any) -> MDP:
    """Tsitsiklis and Van Roy's two states (1996), x = 1 and 2: the first leads to the second, which stays.

    end  chance that the second ends the episode. No reward: V = 0 is right, and within reach of θ.
    """
    end = share("end", end)
    P = np.array([[[0, 1, 0]], [[0, 1 - end, end]], [[0, 0, 1]]])
    return MDP(P, 0, np.array([[[1.0]], [[2.0]], [[0.0]]]), start=[0.5, 0.5, 0], ends=[2], **more)


def lock(digits: int = 6, actions: int = 4, distractor: float = 0.05, code: int = 0, **more: Any) -> MDP:
    """A combination lock: the right action at each of its digits opens it and gives 1, any other ends the episode.

    distractor  what a wrong first action gives at once: the easy way out     code  seed of the combination
    """
    n, A = whole("digits", digits), whole("actions", actions, 2)
    right = np.random.default_rng((whole("code", code, 0), 11)).integers(A, size=n)
    P, r = np.zeros((n + 2, A, n + 2)), np.zeros((n + 2, A, n + 2))
    P[:, :, n + 1] = 1  # n: open, n + 1: jammed
    P[range(n), right] = np.eye(n + 2)[1 : n + 1]
    r[0, :, n + 1], r[n - 1, :, n] = number("distractor", distractor), 1
    return MDP(P, r, start=np.eye(n + 2)[0], ends=[n, n + 1], **more)


def low_rank(
    states: int = 30, actions: int = 4, rank: int = 4, levels: int = 4, condition: float = 1.0, noise: float = 0.0,
    code: int = 0, **more: Any,
) -> MDP:  # fmt: skip
    """A linear MDP (Jin et al. 2020): P(s'|s,a) = x(s,a)·μ(s'), r = x·w, x on the simplex of `rank` corners.

    condition  of the matrix by which x is mixed: it spans the same functions, worse scaled
    noise      share of each row of P that is replaced by a random one: no longer of low rank
    code       seed of all that is drawn
    """
    S, A, d = whole("states", states, 2), whole("actions", actions), whole("rank", rank)
    draw = np.random.default_rng((whole("code", code, 0), 12))
    x = draw.dirichlet(np.full(d, 0.3), (S, A))
    P = x @ draw.dirichlet(np.full(S, 0.1), d)
    P = (1 - share("noise", noise)) * P + noise * draw.dirichlet(np.full(S, 0.1), (S, A))
    turn, _ = np.linalg.qr(draw.normal(size=(d, d)))
    stretch = np.geomspace(1, 1 / number("condition", condition, positive=True), d)
    return MDP(P, (x @ draw.random(d))[:, :, None] / levels, x @ turn * stretch, levels=levels, **more)
