"""The pure step as a function of tensors alone, traced: what vmap and jvp take apart is done once, then replayed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..errors import bad
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.step import Phase, step
from ..learners.learner import Learner
from ..streams.stream import replayable

SMALL = 64  # lengths up to which a product of vectors and matrices, one per lane, is faster without BLAS


class Taken(NamedTuple):
    """What a step made: the phase after it, h and z before a clear (z = {}: zero), y, L, H', and if all is finite."""

    phase: Phase
    h: Tensors
    z: Tensors
    output: Tensor
    loss: Tensor
    hamiltonian: Tensor
    fine: Tensor


class PureStep:
    """(phase, numbers, u, target, end) -> Taken of an experiment's network, by `law.step`.

    settings  the learner's settings at t = 0 as numbers; those in the `numbers` of a call take their place
    """

    def __init__(self, experiment: Any, seed: int) -> None:
        self.learner, self.stream = experiment.learner(seed)
        if type(self.learner) is not Learner:
            raise bad("learner", repr(experiment.learner_name), "'hamiltonian', whose step is a pure function")
        if any(isinstance(beta := experiment.settings.beta, kind) for kind in (dict, Tensor)):
            raise bad("beta", repr(beta), "one number for all weights")
        if experiment.settings.metric != "none":
            raise bad("metric", repr(experiment.settings.metric), "'none': a batch keeps no v")
        replayable("stream", self.stream)
        self.network, self.loss, self.order = self.learner.network, self.learner.loss, self.learner.order
        self.settings = experiment.settings

    def sample(self, k: int) -> Sample:
        """The k-th sample, which must come after one step of τ."""
        sample = self.stream[k]
        if sample.dt is not None:
            raise bad(f"dt of sample {k}", sample.dt, "None: every step is one of τ")
        return sample

    def __call__(self, phase: Phase, numbers: dict[str, Any], u: Any, target: Any, end: bool) -> Taken:
        c = self.settings.at(0.0)._replace(**numbers)
        after, move = step(self.network, self.loss, self.order, phase, Sample(u, target, end), c)
        L = move.loss if isinstance(move.loss, Tensor) else move.output.new_zeros(())
        H = c.phi * L + sum(move.powers())
        moved = [*after.theta.values(), *move.h.values(), *(move.z or {}).values()]
        if self.order != "sequential":  # there θ⁺ takes the new ω: what is not finite in ω is not in θ
            moved += after.omega.values()
        plain = [x.detach() for x in (L, H, *moved) if x.numel()]
        zero = sum([0 * x.amax() + 0 * x.amin() for x in plain])
        return Taken(after, move.h, move.z or {}, move.output, L, H, zero == 0)


class Traced:
    """`function` of trees of tensors, as a graph of plain operations for each form of its arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self._graphs = function, dict[Any, Any]()

    def __call__(self, *given: Any) -> Any:
        leaves, form = tree_flatten(given)
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        key = str(form), tuple((x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves)
        if key not in self._graphs:
            self._graphs[key] = self._trace(leaves, form, tensors)
        graph, made = self._graphs[key]
        return tree_unflatten(graph(*tensors), made)

    def _trace(self, leaves: list[Any], form: Any, tensors: list[Tensor]) -> tuple[Any, Any]:
        """(the graph of the tensors alone, the form of what it makes)."""
        made: list[Any] = []

        def flat(*tensors: Tensor) -> list[Any]:
            left = iter(tensors)
            found = self.function(*tree_unflatten([next(left) if isinstance(x, Tensor) else x for x in leaves], form))
            parts, like = tree_flatten(found)
            made.append(like)
            return parts

        graph = make_fx(flat, {torch.ops.aten.bmm.default: _products})(*tensors)
        graph.graph.eliminate_dead_code()
        graph.recompile()
        return graph, made[-1]


def _products(a: Tensor, b: Tensor) -> Any:
    """Batched matrix products; small ones with a vector in them are a product and a sum."""
    rows, inner, columns = a.shape[1], a.shape[2], b.shape[2]
    if inner == 1:
        return a * b
    if not a.is_cpu or max(inner, rows, columns) > SMALL or (rows > 1 and columns > 1):
        return NotImplemented  # by BLAS, as it stands
    return (a.mT * b).sum(1, keepdim=True) if rows == 1 else (a * b.mT).sum(2, keepdim=True)
