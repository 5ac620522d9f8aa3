"""Worlds that answer: temporal differences where they learn, where they swing, and where they search (S8)."""

from typing import Any

from ..law.settings import Settings
from ..networks import ActionValues, OutputNetwork, Targeted
from ..streams import Stream, worlds
from .experiment import Setup
from .registry import register

START = Settings(tau=1.0, eta=1.0, beta=0.2)  # τη = 1: ω is the last TD error alone, as in the textbook's rule
MEAN = Settings(tau=0.2, eta=1.0, beta=1.0)


def _learned(stream: Stream, actions: int, width: int, discount: float, every: int, settings: Settings) -> Setup:
    module: Any = ActionValues(actions, width)
    network = OutputNetwork(module if every == 1 else Targeted(module, every))
    return Setup(network, stream, worlds.td(discount), settings)


def _played(world: worlds.MDP, discount: float, every: int, settings: Settings = START) -> Setup:
    return _learned(world, world.actions, world.width, discount, every, settings)


def _swept(sweep: worlds.Sweep, discount: float, every: int, away: Any = None) -> Setup:
    """In the mean; the weights begin at 0, or at `away` where 0 is right already."""
    setup = _learned(sweep, 1, sweep.world.X.shape[2], discount, every, MEAN)
    if away is not None:
        theta = next(setup.network.parameters())
        theta.data[: len(away)] = theta.new_tensor(away)
    return setup


@register("ring-td", "Ring of rooms · TD in the mean", {"good": {}, "ring on ice": {"eta": 0.25}})
def ring_td(seed: int, rooms: int = 3, discount: float = 0.9, every: int = 1) -> Setup:
    """On-policy TD on a ring, which surely converges, until momentum breaks it: η* = .3737 for three rooms.

    every  K: steps after which the target network is renewed; 1: none
    """
    return _swept(worlds.Sweep(worlds.ring(rooms)), discount, every)


@register("star-td", "Baird's star · TD in the mean", {"good": {}, "more friction": {"eta": 4.0}})
def star_td(seed: int, discount: float = 0.99, every: int = 1, spring: float = 0.0) -> Setup:
    """Off-policy TD on Baird's star grows without end, whatever η; a target network (every=60) or a spring holds it.

    every  K: steps after which the target network is renewed; 1: none     spring  κ of ½κ|θ|²
    """
    policy = [[1, 0]] * 7
    return _swept(worlds.Sweep(worlds.star(), policy, spring=spring), discount, every, [1, 1, 1, 1, 1, 1, 10, 1])


@register("two-states-td", "Two states, K = 1000 · TD in the mean")
def two_states_td(seed: int, end: float = 0.1, discount: float = 0.95, every: int = 1000) -> Setup:
    """A target network is not enough: 1 and 2 as features, and every sync multiplies by (6 - 4ε)γ/5 = 1.064."""
    return _swept(worlds.Sweep(worlds.two_states(end)), discount, every, [1])


@register("ring-q", "Ring of rooms · Q-learning", {"good": {}, "sluggish": {"beta": 0.002}, "on ice": {"eta": 0.02}})
def ring_q(
    seed: int, rooms: int = 6, slip: float = 0.1, discount: float = 0.9, every: int = 1, explore: float = 0.1
) -> Setup:
    """An agent learns, move by move, which way round the ring is shorter to the room that pays."""
    world = worlds.ring(rooms, ways=2, slip=slip, ends=True, seed=seed, explore=explore)
    return _played(world, discount, every)


@register("star-q", "Baird's star · Q-learning with max", {"good": {}})
def star_q(seed: int, discount: float = 0.99, every: int = 1, rate: float = 0.05) -> Setup:
    """Sampled off-policy Q-learning on the star: from max|Q| = 12 to millions, or down with a target network.

    every  K: moves after which the target network is renewed; 1: none     rate  β at the start
    """
    setup = _played(worlds.star(seed=seed), discount, every, START.replace(beta=rate))
    theta = next(setup.network.parameters())
    theta.data[:8] = theta.new_tensor([1, 1, 1, 1, 1, 1, 10, 1])
    return setup


@register("lock-q", "Combination lock · Q-learning", {"good": {}})
def lock_q(
    seed: int, digits: int = 6, distractor: float = 0.05, bonus: float = 0.0, explore: float = 0.1, every: int = 1
) -> Setup:
    """Six digits, one way to open: ε-greedy takes the small change at the door, with bonus=1 it goes on searching."""
    return _played(worlds.lock(digits, distractor=distractor, seed=seed, explore=explore, bonus=bonus), 1.0, every)


@register("low-rank-q", "Low-rank world · Q-learning", {"good": {}})
def low_rank_q(seed: int, condition: float = 1.0, noise: float = 0.0, explore: float = 0.1, every: int = 1) -> Setup:
    """Thirty states that four features explain; badly scaled (condition=100) they want learner="second-order"."""
    return _played(worlds.low_rank(condition=condition, noise=noise, seed=seed, explore=explore), 1.0, every)
