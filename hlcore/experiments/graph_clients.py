"""Clients on a graph: models on nodes that share what they know along the edges (arXiv 2105.12769)."""

import torch
from torch import Tensor

from ..errors import known, number
from ..law.settings import Settings
from ..learners.coupled import CoupledSettings
from ..networks import Graph, Springs, TotalVariation, coupled
from ..networks.graph import laplacian_norm
from ..streams import Clients
from .experiment import Setup
from .registry import register

COUPLINGS = ("tv", "squared", "none")


def squares(y: Tensor, target: Tensor) -> Tensor:
    """Σ (y - ŷ)²: a sum, as the paper has it."""
    return ((y - target) ** 2).sum()


LOSS = coupled(squares)


def settings(step: float) -> Settings:
    """γ = τ²β and no momentum; with τ = 1 the dissipation η_z = 1/2 makes σ the weight of the squared penalty."""
    return Settings(tau=1.0, eta=1.0, beta=step, phi=1.0, eta_z=0.5)


@register(
    "graph-clients",
    "Clients · a stream on a graph",
    {"good": {}, "sluggish": {"beta": 0.0005}, "one model": {"lam": 3.0}, "diverges": {"beta": 0.4}},
    learner="coupled",
)
def graph_clients(
    seed: int, coupling: str = "tv", sigma: float = 0.3,
    p_out: float = 0.02, labelled: float = 0.5, noise: float = 1.0, nodes: int = 20,
    jump: int | None = 1000, move: int | None = 2000,
) -> Setup:  # fmt: skip
    """Forty clients in two clusters, half of them without labels, learn from one noisy token each per tick.

    At tick 1000 one cluster's weights jump; at 2000 three nodes change sides, and the graph is not told.
    coupling  "tv" (borders are found), "squared" (springs) or "none"; λ is a setting: it moves while they learn
    nodes     per cluster
    """
    stream = Clients(seed, (nodes, nodes), 4, p_out=p_out, labelled=labelled, noise=noise, jump=jump, move=move)
    where = (2 * nodes, 4, stream.edges)
    if known("coupling", coupling, COUPLINGS) == "tv":
        network: Graph = TotalVariation(*where, sigma=sigma)
    else:
        network = Springs(*where) if coupling == "squared" else Graph(*where)
    return Setup(network, stream, LOSS, CoupledSettings.of(settings(0.02)))


@register("graph-held", "Clients · data sets on a graph", {"good": {}, "diverges": {"beta": 1.0}})
def graph_held(
    seed: int, lam: float = 0.01, p_out: float = 0.01, labelled: float = 0.4, noise: float = 0.0, nodes: int = 100,
    norm: int = 1, pace: float = 1.0, share: float = 0.05,
) -> Setup:  # fmt: skip
    """Two hundred clients with five examples each: total variation finds both clusters, and the labels spread.

    pace   the step γ as a part of its bound 1/(L_f/2 + σ|D|²); with 1.1 one client runs away, and infects nobody
    share  σ|D|² beside L_f/2
    """
    stream = Clients(
        seed, (nodes, nodes), 2, p_out=p_out, labelled=labelled, tokens=5, noise=noise, fresh=False,
        weights=((2.0, 2.0), (-2.0, 2.0)),
    )  # fmt: skip
    network = TotalVariation(2 * nodes, 2, stream.edges, lam=lam, norm=norm)
    half = curvature(stream) / 2
    network.sigma = number("share", share, positive=True) * half / laplacian_norm(network)
    return Setup(network, stream, LOSS, settings(number("pace", pace) / (half + share * half)))


@register("graph-wave", "Clients · a wave on a graph", {"good": {}, "diverges": {"beta": 1.0}})
def graph_wave(seed: int, nodes: int = 20, p_out: float = 0.02) -> Setup:
    """Without data and without a bound on u, θ and the dual swing: θ'' = -βσ DᵀDθ, a wave on the graph."""
    stream = Clients(seed, (nodes, nodes), 1, p_out=p_out, labelled=0.0, noise=0.0)
    network = TotalVariation(2 * nodes, 1, stream.edges, lam=None, sigma=0.1)
    network.theta.data[:nodes] = 1.0
    return Setup(network, stream, LOSS, settings(0.1))


def curvature(stream: Clients) -> float:
    """L_f: the largest curvature of Σ_i |X_i θ_i - y_i|² over the labelled nodes."""
    x, mask = stream[0].u
    known = x[0][mask[0] > 0]
    return float(2 * torch.linalg.eigvalsh(known.transpose(1, 2) @ known)[..., -1].max()) if len(known) else 0.0
