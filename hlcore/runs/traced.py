"""The pure step as a function of tensors alone, traced: what vmap and jvp take apart is done once, then replayed."""

import warnings
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from ..errors import bad
from ..law.point import Tensors
from ..law.sample import Sample
from ..law.step import Phase, step
from ..learners.learner import Learner
from ..streams.stream import replayable

aten = torch.ops.aten
CPU = torch.device("cpu")
SMALL = 64  # lengths up to which a product of vectors and matrices, one per lane, is faster without BLAS


class Taken(NamedTuple):
    """What a step made: the phase after it, h and z before a clear (z = {}: zero), y, L, H'.

    fine  whether L, H', h and z are finite; what is not finite in θ and ω stays so, and can be looked for later
    """

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
    device    where the network and the samples are
    """

    def __init__(self, experiment: Any, seed: int, device: torch.device = CPU) -> None:
        self.learner, self.stream = experiment.learner(seed)
        if type(self.learner) is not Learner:
            raise bad("learner", repr(experiment.learner_name), "'hamiltonian', whose step is a pure function")
        if any(isinstance(beta := experiment.settings.beta, kind) for kind in (dict, Tensor)):
            raise bad("beta", repr(beta), "one number for all weights")
        if experiment.settings.metric != "none":
            raise bad("metric", repr(experiment.settings.metric), "'none': a batch keeps no v")
        replayable("stream", self.stream)
        self.device = device
        self.network = self.learner.network.to(device)
        self.loss, self.order = self.learner.loss, self.learner.order
        self.settings = experiment.settings

    def sample(self, k: int) -> Sample:
        """The k-th sample, which must come after one step of τ."""
        sample = self.stream[k]
        if sample.dt is not None:
            raise bad(f"dt of sample {k}", sample.dt, "None: every step is one of τ")
        return sample if self.device == CPU else sample.to(self.device)

    def __call__(self, phase: Phase, numbers: dict[str, Any], u: Any, target: Any, end: bool) -> Taken:
        c = self.settings.at(0.0)._replace(**numbers)
        after, move = step(self.network, self.loss, self.order, phase, Sample(u, target, end), c)
        L = move.loss if isinstance(move.loss, Tensor) else move.output.new_zeros(())
        H = c.phi * L + sum(move.powers())
        plain = [x.detach() for x in (L, H, *move.h.values(), *(move.z or {}).values()) if x.numel()]
        zero = sum([0 * x.amax() + 0 * x.amin() for x in plain])
        return Taken(after, move.h, move.z or {}, move.output, L, H, zero == 0)


class Traced:
    """`function` of trees of tensors, as a graph of plain operations for each form of its arguments.

    torch runs the graph without Python in between, so that threads do not wait for one another.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self._graphs, self._lock = function, dict[Any, Any](), Lock()

    def __call__(self, *given: Any) -> Any:
        leaves, form = tree_flatten(given)
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        key = form, tuple((x.shape, x.dtype) if isinstance(x, Tensor) else x for x in leaves)
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = self._trace(leaves, form, tensors)
        graph, made = self._graphs[key]
        return tree_unflatten(graph(*tensors), made)

    def _trace(self, leaves: list[Any], form: Any, tensors: list[Tensor]) -> tuple[Any, Any]:
        """(the graph of the tensors alone, the form of what it makes)."""
        left = iter(tensors)
        with _Listener() as heard:
            found = self.function(*tree_unflatten([next(left) if isinstance(x, Tensor) else x for x in leaves], form))
        made, like = tree_flatten(found)
        calls, ends = _fused(heard.calls, made), [id(x) for x in made]

        def again(*tensors: Tensor) -> list[Tensor]:
            known = dict(zip(begin, tensors, strict=True))

            def now(x: Any) -> Any:
                return known.get(id(x), x) if isinstance(x, Tensor) else x

            for function, given, named, result in calls:
                known[id(result)] = function(*tree_map(now, given), **named)
            return [known[x] for x in ends]

        begin = [id(x) for x in tensors]
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch.compile, to which it points, takes a minute and a C++ compiler
            return torch.jit.trace(again, tuple(tensors), check_trace=False), like


class _Call(NamedTuple):
    function: Any
    given: tuple[Any, ...]
    named: dict[str, Any]
    made: Any


class _Listener(TorchDispatchMode):
    """Hears the operations below vmap and derivatives; keeps what they made, so that no name is given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or torch imports its compiler, which takes seconds, to be told to leave this alone

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if function is aten.bmm.default:
            with self:
                found = _products(*given)
            if found is not NotImplemented:
                return found
        if function._schema.is_mutable or len(function._schema.returns) != 1:
            raise RuntimeError(f"{function} has no place in a graph")
        made = function(*given, **(named or {}))
        self.calls.append(_Call(function, given, named or {}, made))
        return made


def _fused(calls: list[_Call], ends: list[Tensor]) -> list[_Call]:
    """Those calls that are needed, a + s b c being one instead of two."""
    parts = Counter(id(x) for call in calls for x in tree_leaves(call.given) if isinstance(x, Tensor))
    parts.update(map(id, ends))
    products = {id(call.made): call.given for call in calls if call.function is aten.mul.Tensor}
    found, needed = [], {id(x) for x in ends}
    for call in reversed(calls):
        if id(call.made) not in needed:
            continue
        if call.function is aten.add.Tensor:
            a, b = call.given
            if parts[id(b)] == 1 and all(isinstance(x, Tensor) for x in (a, *products.get(id(b), [None]))):
                scale = {"value": call.named.get("alpha", 1)}
                call = _Call(aten.addcmul.default, (a, *products[id(b)]), scale, call.made)
        needed.update(id(x) for x in tree_leaves(call.given) if isinstance(x, Tensor))
        found.append(call)
    return found[::-1]


def _products(a: Tensor, b: Tensor) -> Any:
    """Batched matrix products; small ones with a vector in them are a product and a sum."""
    rows, inner, columns = a.shape[1], a.shape[2], b.shape[2]
    if inner == 1:
        return a * b
    if max(inner, rows, columns) > SMALL or (rows > 1 and columns > 1):
        return NotImplemented  # by BLAS, as it stands
    found = a.mT * b if rows == 1 else a * b.mT
    across = found.movedim(0, -1).sum(0 if rows == 1 else 1, keepdim=True)  # so that the lane goes fastest again
    return across.movedim(-1, 0)
