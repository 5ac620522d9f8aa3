"""What a learner holds of a network by identity, and whether it is still the network's."""

from typing import Any

from torch import Tensor, nn

from ..errors import HLError, bad
from ..law.network import Network, require_network
from ..networks.preserved import copied, generators, put_back, rewind

WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel")


class Inventory:
    """The trained weights of a network by name, and every module, weight and buffer it had when this was taken."""

    def __init__(self, network: Network, stateful: bool | None = None, title: str = "") -> None:
        self.network = require_network(network)
        if stateful is not None and bool(network.initial_state(1)) is not stateful:
            got, wanted = ("without", "with") if stateful else ("with", "without")
            raise bad(title, f"a network {got} a state, {type(network).__name__}", f"one {wanted} a state")
        modules = dict(network.named_modules())
        for name, module in modules.items():
            if type(module).__name__ in WRAPPERS:
                raise bad(
                    f"network part {name!r}", type(module).__name__, "the module that it wraps",
                    "its averaging hangs on backward(), which no learner calls; replicas=n of hlcore.devices shares a "
                    "batch",
                )  # fmt: skip
        self.names = [name for name, p in network.named_parameters() if p.requires_grad]
        self.theta: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
        self._slots = [(m._parameters, k, p, n) for n, m in modules.items() for k, p in m._parameters.items()]
        self._trained = [p is not None and p.requires_grad for _, _, p, _ in self._slots]
        self._checks = [(d, k, p, r) for (d, k, p, _), r in zip(self._slots, self._trained, strict=True)]
        self._parts = [(m._modules, k, part) for m in modules.values() for k, part in m._modules.items()]
        self._sizes = [(d, len(d)) for m in modules.values() for d in (m._parameters, m._modules)]
        self._draws = any(map(may_draw, modules.values()))
        self._buffers = [(m._buffers, k) for m in modules.values() for k, b in m._buffers.items() if b is not None]

    def check(self) -> None:
        """HLError if a part or a weight was replaced, frozen, set free, added or taken away since."""
        for d, k, p, trained in self._checks:
            if d.get(k) is not p or (p is not None and p.requires_grad is not trained):
                self._refuse()
        for d, k, part in self._parts:
            if d.get(k) is not part:
                self._refuse()
        for d, n in self._sizes:
            if len(d) != n:
                self._refuse()

    def _refuse(self) -> None:
        now = dict(self.network.named_parameters())
        then = {f"{n}.{k}" if n else k: (p, r) for (_, k, p, n), r in zip(self._slots, self._trained, strict=True)}
        for name in now.keys() | then.keys():
            held, trained = then.get(name, (None, False))
            p = now.get(name)
            if held is p and (p is None or p.requires_grad is trained):
                continue
            if p is None or held is None:
                what = "taken away" if p is None else "added"
            elif held is not p:
                what = "replaced by another tensor"
            else:
                what = "frozen" if trained else "set free"
            raise bad(
                f"weight {name!r}", f"one that was {what} since the Learner was built", "the weights it holds",
                "build a new Learner (its omega begins at zero), or carry the numbers over with copy_",
            )  # fmt: skip
        raise HLError(
            "network: got parts that were replaced since the Learner was built, expected those it holds; build a new "
            "Learner."
        )

    def buffers(self) -> list[Tensor]:
        """The network's buffers as they are now, also where a forward has put a new tensor in the place of an old."""
        return [d[k] for d, k in self._buffers]

    def kept(self) -> list[Any]:
        """What a forward may move: buffers, and torch's generators if a part may draw. For `put_back`."""
        held = [(d, k, d[k]) for d, k in self._buffers if d[k] is not None]
        copies = copied([x for _, _, x in held])
        found: list[Any] = [(*place, x) for place, x in zip(held, copies, strict=True)]
        if self._draws:
            found.append(generators(self.network))
        return found

    def put_back(self, kept: list[Any]) -> None:
        """Buffers and generator as they were: a step that is refused leaves no trace."""
        if kept and isinstance(kept[-1], dict):
            rewind(kept.pop(), self.network)
        put_back(kept)


def may_draw(module: nn.Module) -> bool:
    """Whether a module may draw random numbers: torch's own do so only under a dropout, ours say so, others may."""
    home, kind = type(module).__module__, type(module).__name__
    if not home.startswith(("torch.nn.modules.", "hlcore.networks.")):
        return True
    return (
        getattr(module, "draws", False) or "Dropout" in kind or kind == "RReLU" or bool(getattr(module, "dropout", 0.0))
    )
