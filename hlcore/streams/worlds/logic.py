"""Truth between bounds: weighted Łukasiewicz connectives that infer both ways, and what they say of actions.

Bounds (…, 2) are [L, U] of a truth in [0, 1]: [0, 1] is unknown, L > U a contradiction. Operands lie along the first
axis. As in Logical Neural Networks (Riegel et al. 2020; IBM/LNN, whose numbers tests compare).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import known

UNKNOWN, TRUE = np.array([0.0, 1.0]), np.array([1.0, 1.0])
RULES = {
    "shield": "go x → found x, take → coin",
    "guide": "found x ∧ ¬visited x → go x, coin → take",
    "never back": "go x → ¬visited x",
}


def negated(p: Any) -> np.ndarray:
    """¬p: [1 - U, 1 - L]."""
    return 1 - np.asarray(p)[..., ::-1]


def both(p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """∧ upward: clip(β - Σ w (1 - p))."""
    return np.clip(bias - np.tensordot(weights, 1 - np.asarray(p), 1), 0, 1)


def either(p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """∨ upward: clip(1 - β + Σ w p)."""
    return negated(both(negated(p), weights, bias))


def implies(p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """p₀ → p₁ upward: clip(1 - β + w₀ (1 - p₀) + w₁ p₁)."""
    return either([negated(p[0]), np.asarray(p[1])], weights, bias)


def both_down(f: Any, p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """∧ downward: p_i = 1 + (f⁻¹ - β + Σ_{j≠i} w_j (1 - p_j))/w_i, the others at their opposite ends; tightened.

    f⁻¹ is f within (0, 1); where f may be 0 nothing is said from below, where it may be 1 nothing from above.
    """
    f, p, w = np.asarray(f, float), np.asarray(p, float), np.asarray(weights, float)
    inverse = np.where(f >= 1, bias, f) + np.where(f <= 0, [bias - w.sum(), 0.0], 0.0)
    w = w.reshape(-1, *[1] * (p.ndim - 1))
    missing = w * (1 - p[..., ::-1])
    found = np.clip(1 + (inverse - bias + missing.sum(0) - missing) / w, 0, 1)
    return np.stack([np.maximum(p[..., 0], found[..., 0]), np.minimum(p[..., 1], found[..., 1])], -1)


def either_down(f: Any, p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """∨ downward, by De Morgan."""
    return negated(both_down(negated(f), negated(p), weights, bias))


def implies_down(f: Any, p: Any, weights: Any, bias: float = 1.0) -> np.ndarray:
    """→ downward: what p₀ → p₁ says of each."""
    found = both_down(negated(f), np.stack([np.asarray(p[0], float), negated(p[1])]), weights, bias)
    return np.stack([found[0], negated(found[1])])


def action_bounds(found: Any, visited: Any, coin: Any, rules: Iterable[str]) -> np.ndarray:
    """[L_a, U_a] of going each way, and of taking: (ways + 1, 2), by one downward pass of the rules, all held true.

    found, visited  (ways, 2), bounds on: there is a door, the room behind it was seen; coin (2,): it lies here
    shield          go x → found x, hence U = U(found x)      guide  found x ∧ ¬visited x → go x, hence L
    never back      go x → ¬visited x: true in a corridor, false where there are dead ends
    """
    rules = tuple(rules)
    for name in rules:
        known("rule", name, RULES)
    found, new, coin, one = np.asarray(found), negated(visited), np.asarray(coin), np.ones(2)
    acts = np.broadcast_to(UNKNOWN, (len(found) + 1, 2))
    if "shield" in rules:
        acts = implies_down(TRUE, [acts, np.vstack([found, coin])], one)[0]
    if "never back" in rules:
        acts = implies_down(TRUE, [acts, np.vstack([new, UNKNOWN])], one)[0]
    if "guide" in rules:
        acts = implies_down(TRUE, [np.vstack([both([found, new], one), coin]), acts], one)[1]
    return acts
