"""Clients on a graph: a linear model on every node, coupled along the edges (generalised total variation)."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..errors import MISTAKES, bad, first_line, number, numbers, whole
from ..law.loss import DeclaredLoss, Loss
from ..law.network import Known, Network, State
from ..law.point import Tensors

Weights: TypeAlias = Sequence[float] | Tensor | None  # A_e of each edge; None: 1
WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


class Graph(Network):
    """N clients, each with its own linear model θ_i: here each for itself; the subclasses couple them.

    min_θ Σ_i L_i(θ_i) + λ Σ_e A_e |(Dθ)_e|,  (Dθ)_e = θ_i - θ_j for e = (i, j)      (GTVMin, arXiv 2105.12769)

    nodes, inputs  N and n: the weight "theta" is (N, n) and begins at zero
    edges          (E, 2): pairs of two different nodes
    weights        (E,): A_e > 0; None: 1

    u is (x, mask): tokens (1, N, m, n), and (1, N) with 1 at a labelled node, 0 at one of which nothing is known.
    y is (1, N m + 1): mask x·θ_i, and the power of the edges, which `coupled(loss)` adds to the loss.
    """

    i: Tensor
    j: Tensor
    A: Tensor

    def __init__(self, nodes: int, inputs: int, edges: Any, weights: Weights = None) -> None:
        super().__init__()
        self.theta = torch.nn.Parameter(torch.zeros(whole("nodes", nodes), whole("inputs", inputs)))
        try:
            pairs = torch.as_tensor(edges)
        except MISTAKES as error:
            raise bad("edges", first_line(error), "(E, 2) whole numbers") from error
        if pairs.dim() != 2 or pairs.shape[1] != 2 or pairs.dtype not in WHOLE:
            raise bad("edges", f"{pairs.dtype} {tuple(pairs.shape)}", "(E, 2) whole numbers")
        if len(pairs) and not (int(pairs.min()) >= 0 and int(pairs.max()) < nodes):
            raise bad("edges", f"nodes {int(pairs.min())} to {int(pairs.max())}", f"nodes 0 to {nodes - 1}")
        if bool((pairs[:, 0] == pairs[:, 1]).any()):
            raise bad("edges", "one from a node to itself", "two different nodes")
        A = numbers("edge weights", 1.0 if weights is None else weights, (len(pairs),), "one > 0 for each edge")
        if not bool((A > 0).all()):
            raise bad("edge weights", f"least {float(A.min())}", f"{len(pairs)} finite numbers > 0")
        for name, x in (("i", pairs[:, 0].long()), ("j", pairs[:, 1].long()), ("A", A)):
            self.register_buffer(name, x.clone())

    @property
    def everywhere(self) -> Tensor:
        """θ of all nodes that an edge knows, (N, n)."""
        return self.theta

    def difference(self) -> Tensor:
        """Dθ, (E, n)."""
        return self.everywhere.index_select(0, self.i) - self.everywhere.index_select(0, self.j)

    def couple(self, lam: float) -> None:
        """λ from now on; clients for themselves have none."""

    def power(self, h: Known) -> Tensor:
        """What the edges add to the loss."""
        return self.theta.new_zeros(())

    def output(self, u: Any, h: Known) -> Tensor:
        """(1, N m + 1): the predictions of the labelled nodes, then the edges' power."""
        x, mask = u
        told = mask[..., None] * (x * self.theta[:, None]).sum(-1)
        return torch.cat([told.flatten(1), self.power(h).reshape(1, 1)], 1)

    def _edge_state(self) -> Tensor:
        return self._zeros(1, len(self.i), self.theta.shape[1])


class TotalVariation(Graph):
    """The dual u_e as a state that integrates and clips, in H' = φ(ΣL_i + u·Dθ) + z·h':

        u' = (clip(u + σ(2d - d₋)) - u)/τ,   d₋' = (d - d₋)/τ,   d = Dθ      clip: |u_e| ≤ λA_e

    In sequential order with η = 1/τ this is Condat's and Vũ's primal-dual method with step γ = τ²βφ: its limit is the
    minimiser of ΣL_i + λΣ A_e|(Dθ)_e|. With φ = 1 and L_f the largest curvature of ΣL_i, γ ≤ 1/(L_f/2 + σ|D|²) is
    enough; past 1/(L_f/2 + ¾σ|D|²) it can break (ours).
    Where |u_e| < λA_e the limit has θ_i = θ_j: borders of clusters are the edges at their bound.

    lam    λ >= 0; None: no bound (with L = 0, a wave on the graph)      sigma  σ > 0, the step of u
    norm   1: |·| and the clip are those of each entry; 2: of each edge's vector
    """

    def __init__(
        self,
        nodes: int,
        inputs: int,
        edges: Any,
        weights: Weights = None,
        lam: float | None = 0.1,
        sigma: float = 0.3,
        norm: int = 1,
    ) -> None:
        super().__init__(nodes, inputs, edges, weights)
        self.lam = None if lam is None else number("lam", lam)
        self.sigma = number("sigma", sigma, positive=True)
        self.norm = whole("norm", norm)
        if self.norm > 2:
            raise bad("norm", repr(norm), "1 or 2")

    def couple(self, lam: float) -> None:
        """The bound of u from now on."""
        self.lam = lam

    def initial_state(self, batch_size: int) -> State:
        """u and the last difference, (1, E, n) each."""
        return {"u": self._edge_state(), "d": self._edge_state()}

    def clip(self, u: Tensor) -> Tensor:
        """The point nearest to u with |u_e| ≤ λA_e."""
        if self.lam is None:
            return u
        bound = (self.lam * self.A)[:, None]
        if self.norm == 1:
            return torch.minimum(torch.maximum(u, -bound), bound)
        length = u.norm(dim=-1, keepdim=True)
        return torch.where(length > bound, u * (bound / length.clamp_min(1e-300)), u)

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """u' and d₋'; θ is a number here: its force goes through the loss."""
        dual, last = h["u"], h["d"]
        assert dual is not None and last is not None
        d = self.difference().detach()[None]
        return {"u": (self.clip(dual + self.sigma * (2 * d - last)) - dual) / tau, "d": (d - last) / tau}

    def power(self, h: Known) -> Tensor:
        """u·Dθ."""
        assert h["u"] is not None
        return (self.difference() * h["u"][0]).sum()


class EdgeNeurons(Graph):
    """One neuron e_e for each edge, (1, E, n)."""

    def initial_state(self, batch_size: int) -> State:
        """e, (1, E, n), zero."""
        return {"e": self._edge_state()}


class Springs(EdgeNeurons):
    """An edge neuron held at zero: its costate z is the reaction force, and its dissipation the squared penalty (ours).

        e ≡ 0,   f^h = Dθ - (Dθ as a number) = 0,   L = ΣL_i + σ Σ A_e e·Dθ (as a number)

    E*3 reads z' = φσA Dθ - η_z z. At rest z = 2αA Dθ with α = φσ/(2η_z), and θ minimises φΣL_i + αΣ A_e|(Dθ)_e|²:
    η_z = 0 is hard consensus.
    """

    def __init__(self, nodes: int, inputs: int, edges: Any, weights: Weights = None, sigma: float = 0.3) -> None:
        super().__init__(nodes, inputs, edges, weights)
        self.sigma = number("sigma", sigma)

    def couple(self, lam: float) -> None:
        """The weight of the springs from now on."""
        self.sigma = lam

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """Zero, with D as its derivative by θ."""
        d = self.difference()
        return {"e": (d - d.detach())[None]}

    def power(self, h: Known) -> Tensor:
        """σ Σ A_e e·Dθ, Dθ as a number."""
        assert h["e"] is not None
        return self.sigma * (self.A[:, None] * self.difference().detach() * h["e"][0]).sum()


class Copies(EdgeNeurons):
    """An edge neuron that copies Dθ (P, eq. 9) under the loss λΣ A_e|e_e|: plain HL's edge costate (ours).

    z = τφλA sign(Dθ), a subgradient of the total variation to the bit: it finds the borders and chatters there.
    """

    def __init__(self, nodes: int, inputs: int, edges: Any, weights: Weights = None, lam: float = 0.1) -> None:
        super().__init__(nodes, inputs, edges, weights)
        self.lam = number("lam", lam)

    def couple(self, lam: float) -> None:
        """λ from now on."""
        self.lam = lam

    def velocity(self, u: Any, h: State, tau: float) -> Tensors:
        """(Dθ - e)/τ."""
        e = h["e"]
        assert e is not None
        return {"e": (self.difference()[None] - e) / tau}

    def power(self, h: Known) -> Tensor:
        """λ Σ A_e |e_e|."""
        assert h["e"] is not None
        return self.lam * (self.A[:, None] * h["e"][0].abs()).sum()


def coupled(loss: Loss) -> DeclaredLoss:
    """loss(predictions, target) of the clients, and the edges' power on top."""
    return DeclaredLoss(lambda y, target: loss(y[:, :-1], target) + y[0, -1], own_shapes=True)


def laplacian_norm(graph: Graph) -> float:
    """|D|², the largest eigenvalue of the graph's Laplacian DᵀD."""
    D = incidence(graph)
    return float(torch.linalg.eigvalsh(D.T @ D)[-1]) if len(D) else 0.0


def incidence(graph: Graph) -> Tensor:
    """D, (E, N): +1 at i, -1 at j."""
    D = graph.theta.new_zeros(len(graph.i), len(graph.theta)).detach()
    rows = torch.arange(len(graph.i))
    D[rows, graph.i], D[rows, graph.j] = 1.0, -1.0
    return D
