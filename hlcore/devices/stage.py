"""One rank's part of a chain as a learner: its groups' h, z, θ and ω, and the tick that moves them."""

import copy
from typing import Any

import torch
from torch import Tensor

from ..errors import bad
from ..law.arrays import owned, scalar
from ..law.euler import euler
from ..law.flow import Slopes
from ..law.hamiltonian import derivative
from ..law.sample import Sample, moved
from ..law.settings import Settings
from ..law.weights import received
from ..learners.base import BaseLearner
from ..learners.learner import Learner
from ..learners.terms import Step
from ..networks.chain import Chain
from ..networks.preserved import preserved
from ..networks.reversible.coupling import RANDOM
from .balance import both_passes
from .device import CPU, Rank
from .groups import Groups
from .wire import Wire


class Stage(BaseLearner):
    """The groups `own` of a learner's Chain in Euler order, everything at t (P, Algorithm 1 and eq. 9-10).

    h_i⁺ = h_i + (f_i(h_{i-1}) - h_i)        ω⁺ = ω - τ (s ∂H'/∂θ + ηω)
    z_i⁺ = z_i - τ (s ∂H'/∂h_i + η_z z_i)    θ⁺ = θ - τβω

    The bits are those of one process (theorem T8). Every rank walks the stream by itself: u is used on the first, the
    target on the last.

    whole    {name: shape} of all trained weights of the chain, here or elsewhere
    phi_loss, parts  φL of the last tick, and z·v of each group here
    """

    settings_type = Settings
    quantities = Learner.quantities
    orders = ("euler",)
    fresh = False

    def __init__(self, learner: Learner, own: range, wire: Wire, rank: Rank, device: torch.device = CPU) -> None:
        chain, snapshot, n = checked(learner), learner.snapshot(), rank.replicas
        self.whole = {name: p.shape for name, p in chain.named_parameters() if p.requires_grad}
        self._skeleton = copy.deepcopy(chain).to("meta").requires_grad_(False)
        super().__init__(_taken(chain, own, self._skeleton, device), learner.loss, learner.settings)
        self.own, self.wire, self.rank, self.device = own, wire, rank, device
        self.groups = Groups(self.law, chain, own, wire, rank, device)
        self.steps, self.t, self.name = snapshot.steps, snapshot.t, learner.name  # type: ignore[misc]
        begun = dict(zip(snapshot.omega, snapshot.memory["started"], strict=True))
        self._omega.assign({name: snapshot.omega[name].to(device) for name in self.law.names})
        self._omega.begin([begun[name] for name in self.law.names])
        names, below = self.groups.names, f"h{own.start}"
        h, z = ({k: rank.share(x).to(device) for k, x in (part or {}).items()} for part in (snapshot.h, snapshot.z))
        self._h = {k: h[k] for k in names} if h else None
        self._z = {k: n * z[k] for k in names} if z else None
        self.groups.from_below = h.get(below)
        there = {k: rank.share(x).to(device) for k, x in snapshot.reached[0].items()}
        self._reached = {k: there[k] for k in names if k in there}, {}
        self._shapes: dict[Any, list[Tensor]] = {}
        self.phi_loss, self.parts = 0.0, [0.0] * len(own)

    def rehearse(self, sample: Sample) -> None:
        """All groups here and the loss, forward and back on a first sample: what is made once is made now.

        Engines start and libraries load before patience counts. Weights, states, buffers and draws stay as they are.
        """
        shapes = self.shapes(sample)
        with torch.enable_grad(), preserved(self.network):
            if self.rank.below is None:
                x = moved(sample.u, self.device)
            else:
                x = torch.zeros_like(shapes[self.own.start - 1], device=self.device)
            for i in self.own:
                x = both_passes(self.groups.chain, i, x)
            if self.rank.above is None:
                leaf = torch.zeros_like(x).requires_grad_()
                L = self.law.loss(leaf, moved(sample.target, self.device))
                if L is not None and L.requires_grad:
                    derivative([L], [torch.ones_like(L)], [leaf])

    def propose(self, sample: Sample) -> Step:
        """The law's Euler order on the groups here; means over the replicas are those of the whole batch."""
        c, h, fresh = self.numbers(sample), self._h, self._h is None
        if fresh:
            zeros = [torch.zeros_like(x, device=self.device) for x in self.shapes(sample)]
            self.groups.from_below = zeros[self.own.start - 1] if self.rank.below is not None else None
            h = {name: zeros[i] for name, i in zip(self.groups.names, self.own, strict=True)}
        move = euler(self.groups.at(self.steps, fresh, sample.end), sample, h, self._z, c)
        loss = scalar(move.loss)
        z, v = move.flow
        parts = [0.0 if z is None else float((z[name] * x).sum()) for name, x in v.items()]
        dtheta: Slopes = move.dtheta
        if self.rank.replicas > 1:
            dtheta, loss, parts = self._mean(dtheta, loss, parts)
        self.phi_loss, self.parts = c.phi * loss, parts
        y = owned(move.output, move.h)
        value = self.phi_loss + sum(parts)
        return Step(move.h, move.z, y, loss, value, *received(self.law.theta, dtheta, move.scale, c))

    def _mean(self, dtheta: Slopes, loss: float, parts: list[float]) -> tuple[Slopes, float, list[float]]:
        """∂H'/∂θ, L and z·v as means over the replicas: those of the whole batch, whose loss is a mean of rows."""
        there = [g for g in dtheta if g is not None]
        scalars = torch.tensor([loss, *parts], dtype=there[0].dtype if there else torch.float64, device=self.device)
        flat = self.wire.mean(torch.cat([scalars, *(g.reshape(-1) for g in there)]), self.rank.twins, self.steps)
        head, *rest = flat.split([len(scalars), *(g.numel() for g in there)])
        means = iter([x.view(g.shape) for x, g in zip(rest, there, strict=True)])
        loss, *parts = head.tolist()
        return [None if g is None else next(means) for g in dtheta], loss, parts

    def shapes(self, sample: Sample) -> list[Tensor]:
        """States of all groups without numbers: a dry pass on torch's meta device tells their shapes."""
        parts = sample.u if isinstance(sample.u, tuple) else (sample.u,)
        key = tuple((x.shape, x.dtype) for x in parts)
        if key not in self._shapes:
            bare = tuple(x.to("meta") for x in parts)
            try:
                with torch.no_grad():
                    self._shapes[key] = self._skeleton._feed_forward(bare if isinstance(sample.u, tuple) else bare[0])
            except (RuntimeError, NotImplementedError) as error:
                got = f"layers or an input that do not fit torch's meta device ({str(error).splitlines()[0]})"
                raise bad("devices", got, "an output shape that follows from the input's shape") from error
        return self._shapes[key]


def checked(learner: Learner) -> Chain:
    """The chain of a learner that can be spread, or an HLError that says what cannot."""
    chain = learner.network
    if not isinstance(chain, Chain) or type(chain).velocity is not Chain.velocity:  # a subclass may move otherwise
        raise bad("network for devices", type(chain).__name__, "an hlcore.Chain", "cut the network into layers")
    if learner.order != "euler":
        raise bad("order for devices", repr(learner.order), "'euler'", "all groups move at once, from what is at t")
    if len(chain.links):
        raise bad("Chain for devices", f"links {sorted(chain.links)}", "neighbours only", "run it in one process")
    if learner.settings.control:
        raise bad("control for devices", learner.settings.control, "0", "a state is sent before its control is known")
    if learner.torch_start or learner.reset_omega:
        raise bad("learner for devices", "torch_start or reset_omega", "neither of them")
    if learner.settings.metric != "none":
        raise bad("metric for devices", learner.settings.metric, "'none'", "ranks have no common v yet")
    for name, module in chain.named_modules():
        rate: Any = getattr(module, "p", 1.0) if isinstance(module, RANDOM) else getattr(module, "dropout", 0.0)
        if module.training and isinstance(rate, float) and rate > 0:
            got = f"{name} ({type(module).__name__}), which draws in training"
            expected = "layers without draws: ranks have no common generator"
            raise bad("network for devices", got, expected, "use p=0 by leaving it out, or module.eval()")
    return chain


def _taken(chain: Chain, own: range, skeleton: Chain, device: torch.device) -> Chain:
    """The layers here brought to this rank's device, the memory of the others given back; their shapes stay."""
    mine = {k for i in own for k in chain._cuts[i]}
    here = {id(x) for k in mine for x in chain.layers[k].parameters()}
    for k in range(len(chain.layers)):
        if k in mine:
            chain.layers[k].to(device)
            continue
        shared = [n for n, p in chain.layers[k].named_parameters() if id(p) in here]
        if shared:
            raise bad("balance", f"weights {shared} of layer {k} on two ranks", "tied layers on one rank", "change it")
        chain.layers[k] = skeleton.layers[k]
    return chain
