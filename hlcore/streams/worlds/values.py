"""What policies are worth in a finite world, exactly: the judge of every learner there."""

from typing import Any

import numpy as np

from ...errors import bad, number
from .mdp import MDP


def policy_values(world: MDP, policy: Any, discount: float = 1.0) -> np.ndarray:
    """V = r_π + γ P_π V of a policy, (S, A) or (levels, S, A): (S,), or (levels, S) where episodes have levels."""
    policy, gain = np.asarray(policy, float), (world.P * world.r).sum(2)
    if policy.shape[-2:] != gain.shape or policy.ndim > 2 + bool(world.levels):
        raise bad("policy", f"shape {policy.shape}", f"{gain.shape}, before it perhaps the levels")
    live = world.P * ~world.ends
    if world.levels is not None:
        V, found = np.zeros(len(gain)), list[np.ndarray]()
        for pi in np.broadcast_to(policy, (world.levels, *gain.shape))[::-1]:
            V = (pi * (gain + discount * live @ V)).sum(1)
            found.append(V)
        return np.array(found[::-1])
    step = np.einsum("sa,sat->st", policy, live)
    return np.linalg.solve(np.eye(len(gain)) - _below(discount) * step, (policy * gain).sum(1))


def visits(world: MDP, policy: Any) -> np.ndarray:
    """(S, A): how often what is done in the long run, where each end is followed by a new start; no levels."""
    policy = np.asarray(policy, float)
    P = np.einsum("sa,sat->st", policy, world.P)
    P = P * ~world.ends + P[:, world.ends].sum(1, keepdims=True) * world.start
    P[world.ends] = world.start
    flow = np.vstack([P.T - np.eye(len(P)), np.ones(len(P))])
    stay = np.linalg.lstsq(flow, np.r_[np.zeros(len(P)), 1.0], rcond=None)[0].clip(0)
    return (stay * ~world.ends)[:, None] * policy


def best_values(world: MDP, discount: float = 1.0) -> np.ndarray:
    """V*, in the shape of `policy_values`: by policy iteration, or from the last level back."""
    gain, live = (world.P * world.r).sum(2), world.P * ~world.ends
    if world.levels is not None:
        V, found = np.zeros(len(gain)), list[np.ndarray]()
        for _ in range(world.levels):
            V = (gain + discount * live @ V).max(1)
            found.append(V)
        return np.array(found[::-1])
    V = np.full(len(gain), -np.inf)
    policy = np.eye(gain.shape[1])[np.zeros(len(gain), int)]
    while ((after := policy_values(world, policy, discount)) > V + 1e-12).any():
        V, policy = after, np.eye(gain.shape[1])[(gain + discount * live @ after).argmax(1)]
    return V


def _below(discount: float) -> float:
    return number("discount", discount)
