"""Policy replay: past policies are run again, instead of keeping what they met; and what each learner still lacks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ..errors import whole
from ..law.sample import Sample
from ..law.settings import Settings
from ..learners import BaseLearner, Learner, SecondOrder
from ..learners.second_order import SecondOrderSettings
from ..networks import ActionValues, OutputNetwork
from ..streams.worlds import MDP, best_values, policy_values, td

RUNS = 3  # of each past policy for each level, in an epoch
RIDGE = 1e-6  # far below the least feature: what is badly scaled is not less well met


class Progress(NamedTuple):
    """After `episodes` played: what the policy of now falls short of the best, and all that was missed so far."""

    episodes: int
    gap: float
    regret: float


def replayed(
    world: MDP, levels: int, epochs: int, seed: int, bonus: float = 1.0, replay: bool = True, rate: float = 0.0
) -> Iterator[Progress]:
    """Optimistic regression, level by level, on past policies that are run again (ours, of the abstract's three parts).

    In each epoch every past policy is played anew, three times a level, the last level first. Where it is at level h,
    θ_h is regressed on r + max min(x·θ + c√(xᵀΛ⁻¹x), bound) of the level above, which stands by now: second order, one
    step a move, no transition kept. Λ has all features met so far, and the policy of the epoch is greedy on the same.

    bonus   c     replay  False: only the policy of the epoch before     rate  > 0: plain HL at that β for second order
    """
    X, draw = world.X, np.random.default_rng((whole("seed", seed, 0), 21))
    S, A, d = X.shape
    best = float(world.start @ _first(best_values(world)))
    met = np.tile(RIDGE * np.eye(d), (levels, 1, 1))  # Λ of each level
    past = [draw.integers(A, size=(levels, S))]
    worth, episodes, regret = [_worth(world, past[0])], 0, 0.0
    for _ in range(whole("epochs", epochs)):
        above, policy = np.zeros(S), np.zeros((levels, S), int)
        chosen = range(len(past)) if replay else range(len(past) - 1, len(past))
        for h in reversed(range(levels)):
            learner = _regression(d, rate)
            for p in [p for p in chosen for _ in range(RUNS if replay else RUNS * len(past))]:
                episodes, regret = episodes + 1, regret + best - worth[p]
                found = _played(world, past[p], h, met, draw)
                if found is not None:
                    x, r, to = found
                    _learn(learner, x, r + above[to])
            theta = learner.law.theta[0].detach().numpy()
            width = np.sqrt(np.einsum("sad,de,sae->sa", X, np.linalg.inv(met[h]), X))
            value = np.minimum(X @ theta + bonus * width, 1.0)
            tied = value + 1e-9 * draw.random(value.shape)
            policy[h], above = tied.argmax(1), np.where(world.ends, 0, value.max(1))
        past.append(policy)
        worth.append(_worth(world, policy))
        yield Progress(episodes, best - worth[-1], regret)


def plain(learner: BaseLearner, world: MDP, episodes: int, every: int = 100) -> Iterator[Progress]:
    """Q-learning on the world's own moves: what `experiments.get("lock-q")` and its like do, told now and then."""
    best, table = float(world.start @ _first(best_values(world))), np.zeros((world.levels or 1, *world.P.shape[:2]))
    done, regret, worth = 0, 0.0, 0.0
    while done < whole("episodes", episodes):
        if done % every == 0 and (world.k == 0 or not world.last.alive):  # type: ignore[union-attr]
            for h in range(len(table)):
                x = np.array([world.features((s, h)) for s in range(table.shape[1])])
                with torch.no_grad():
                    u = torch.from_numpy(x).to(world.dtype)
                    table[h] = learner.network.output(torch.stack([u, u], 1), {})[:, 0].numpy()
            worth = _worth(world, table.argmax(2))
            if done:
                yield Progress(done, best - worth, regret)
        report = learner.step(world[world.k])
        world.act(report.output)
        if not world.last.alive:  # type: ignore[union-attr]
            done, regret = done + 1, regret + best - worth
    yield Progress(done, best - worth, regret)


def _played(world: MDP, policy: np.ndarray, h: int, met: np.ndarray, draw: Any) -> tuple[np.ndarray, float, int] | None:
    """(x, r, s') of the move at level h of an episode, or None where it ended before; `met` gains all its features."""
    s = int(draw.choice(len(world.start), p=world.start))
    for level in range(h + 1):
        x = world.X[s, policy[level, s]]
        met[level] += np.outer(x, x)
        reward, (s, _), ended = world.move((s, level), int(policy[level, s]), draw)
        if level == h:
            return x, reward, s
        if ended:
            break
    return None


def _regression(width: int, rate: float) -> BaseLearner:
    network = OutputNetwork(ActionValues(1, width).double())
    if rate:
        return Learner(network, td(0.0), Settings(tau=1.0, eta=1.0, beta=rate), "sequential")
    return SecondOrder(network, td(0.0), SecondOrderSettings(ridge=RIDGE))


def _learn(learner: BaseLearner, x: np.ndarray, goal: float) -> None:
    """One step on a move that ends with `goal`."""
    u = torch.from_numpy(np.stack([x, np.zeros_like(x)]))[None]
    learner.step(Sample(u, torch.tensor([[0.0, goal, 0.0]], dtype=u.dtype)))


def _worth(world: MDP, policy: np.ndarray) -> float:
    """Where episodes begin, of a policy told by its actions, (levels, S)."""
    chances = np.eye(world.actions)[policy]
    return float(world.start @ _first(policy_values(world, chances if world.levels else chances[0])))


def _first(V: np.ndarray) -> np.ndarray:
    return V[0] if V.ndim == 2 else V
